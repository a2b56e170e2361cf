"""The times of a script: what a relative one counts from, how far they may be off, and what the harness's own take."""

from __future__ import annotations

import pytest

from harness.packetdrill.clock import ScriptClock
from harness.packetdrill.script import EventTime
from harness.tcp.timing import MS

TOLERANCE = 4 * MS


class Hands:
    """A clock that goes on only when it is told, or slept by."""

    def __init__(self) -> None:
        self.at = 10**18

    def now(self) -> int:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += round(seconds * 1e9)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def clock(hands: Hands) -> ScriptClock:
    made = ScriptClock(TOLERANCE, hands.now, hands.sleep)
    made.begun = hands.at
    return made


def at(ms: float, *, end: float | None = None, kind: str = "relative") -> EventTime:
    last = None if end is None else round(end * MS)
    return EventTime(line=1, column=1, kind=kind, start_ns=round(ms * MS), end_ns=last)  # type: ignore[arg-type]


def test_a_relative_time_counts_from_the_end_of_the_event_before(clock: ScriptClock) -> None:
    clock.reach(at(0), inbound=False)
    clock.happened(30 * MS)
    assert clock.reach(at(5), inbound=False).start == 35 * MS


def test_several_inbound_packets_count_from_when_the_one_before_was_due(clock: ScriptClock) -> None:
    clock.reach(at(10, kind="absolute"), inbound=True)
    clock.happened(13 * MS)
    assert clock.reach(at(5), inbound=True).start == 15 * MS


def test_the_end_of_a_range_counts_as_its_beginning(clock: ScriptClock) -> None:
    clock.reach(at(0), inbound=False)
    clock.happened(7 * MS)
    due = clock.reach(at(1, end=4, kind="relative range"), inbound=False)
    assert (due.start, due.end) == (8 * MS, 11 * MS)


@pytest.mark.parametrize(
    ("gap", "off", "right"),
    [(1, 3.9, True), (1, 4.1, False), (1, -3.9, True), (1, -4.1, False), (80, 9.9, True), (80, 10.1, False)],
)
def test_a_time_may_be_off_by_the_tolerance_or_an_eighth_of_the_gap(
    clock: ScriptClock, gap: float, off: float, right: bool
) -> None:
    clock.reach(at(0), inbound=False)
    due = clock.reach(at(gap), inbound=False)
    assert (clock.complaint(due, round((gap + off) * MS)) == "") is right


def test_a_range_has_the_tolerance_at_both_ends_and_a_star_has_no_end(clock: ScriptClock) -> None:
    clock.reach(at(0), inbound=False)
    due = clock.reach(at(10, end=20, kind="relative range"), inbound=False)
    assert [clock.complaint(due, ms * MS) == "" for ms in (5, 7, 23, 25)] == [False, True, True, False]
    assert clock.complaint(clock.reach(at(0, kind="any"), inbound=False), 10**12) == ""


def test_what_the_harness_takes_for_its_own_events_makes_no_later_one_late(clock: ScriptClock, hands: Hands) -> None:
    for _ in range(9):
        due = clock.reach(at(0), inbound=False)
        hands.at += MS
        assert clock.wait(due) == ""
        clock.happened(clock.now)
    answered = clock.reach(at(0), inbound=False)
    clock.happened(clock.now + MS)
    assert (answered.start, clock.exact(clock.now + MS), clock.late_ns) == (0, MS, 9 * MS)


def test_what_came_while_a_late_event_went_on_came_at_once(clock: ScriptClock, hands: Hands) -> None:
    due = clock.reach(at(0), inbound=True)
    hands.at += 9 * MS
    clock.wait(due)
    hands.at += 20 * MS  # the processor is taken away in mid-event
    clock.acted()
    clock.happened(clock.now)
    answered = clock.reach(at(0), inbound=False)
    for came in (11, 29, 33):
        assert clock.off(answered, came * MS) == ""
    assert clock.off(answered, 34 * MS) == "time: 5 ms, not 0 ms, give or take 4 ms"


def test_what_an_earlier_event_caused_is_not_late(clock: ScriptClock, hands: Hands) -> None:
    clock.wait(clock.reach(at(0), inbound=True))
    clock.happened(clock.now)
    late = clock.reach(at(10), inbound=False)
    hands.at += 40 * MS
    clock.wait(late)
    clock.acted()
    clock.happened(clock.now)
    timer = clock.reach(at(30), inbound=False)
    assert timer.start == 40 * MS
    assert [clock.off(timer, ms * MS) == "" for ms in (35, 40, 70, 80)] == [False, True, True, False]


def test_what_an_event_usually_takes_is_no_waiting(clock: ScriptClock, hands: Hands) -> None:
    clock.wait(clock.reach(at(0), inbound=False))
    hands.at += MS // 10
    clock.acted()
    clock.happened(clock.now)
    assert clock.reach(at(1), inbound=True).start == MS + MS // 10


def test_a_call_that_waits_by_itself_takes_its_time(clock: ScriptClock, hands: Hands) -> None:
    clock.wait(clock.reach(at(0), inbound=False))
    hands.at += 50 * MS
    clock.happened(clock.now)
    assert clock.reach(at(10), inbound=False).start == 60 * MS


def test_an_event_that_the_script_comes_to_too_late_is_told(clock: ScriptClock, hands: Hands) -> None:
    clock.wait(clock.reach(at(0, kind="absolute"), inbound=False))
    hands.at += 50 * MS
    clock.catch_up()
    assert clock.wait(clock.reach(at(10, kind="absolute"), inbound=False)) == (
        "time: 50 ms, not 10 ms, give or take 4 ms"
    )
