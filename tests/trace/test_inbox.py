"""What an answer is counted from, and which arrival an expectation gets."""

from __future__ import annotations

import pytest

from harness.tcp.pattern import Pattern
from harness.tcp.segment import ACK, FIN, Segment
from harness.tcp.timing import MS, PROMPT, RTO_MIN, VIRTUAL
from harness.tcp.verdict import Expectation, Mismatch
from harness.trace.events import Called, Timeline
from harness.trace.inbox import Arrival, Cause, Inbox, Ports

OWN, ANOTHER = (8080, 40001), (8080, 40002)
ACKNOWLEDGED = Expectation({"": Pattern(ACK)}, PROMPT)


def inbox(*calls: Called, side: str = "") -> Inbox:
    timeline = Timeline()
    for call in calls:
        timeline.add(call)
    return Inbox(timeline, side)


def call(ports: Ports, at: int = 10 * MS, side: str = "") -> Called:
    return Called(at, at + 5, "send", (1,), 1, ports=ports, side=side)


def arrival(
    at: int = 20 * MS,
    flags: int = ACK,
    *,
    ports: Ports = OWN,
    connection: int = 1,
    number: int = 1,
    steps: list[str] | None = None,
) -> Arrival:
    def explain(step: str, judged: str) -> None:
        if steps is not None:
            steps.append(f"{step}: {judged}" if judged else step)

    return Arrival(at, Segment(flags=flags), ports, connection, number, explain)


@pytest.mark.parametrize(
    ("ports", "counts"),
    [
        (OWN, True),
        ((8080, 0), True),  # the listener, or the socket before it was connected
        (ANOTHER, False),
        ((9090, 40001), False),
        ((0, 0), False),  # closed
    ],
)
def test_call_counts_on_the_connections_own_socket(ports: Ports, counts: bool) -> None:
    own = inbox(call(ports))
    own.reached(OWN, 1 * MS)
    assert own.cause(arrival()) == (Cause(10 * MS, 10 * MS + 5) if counts else Cause(MS, MS))


@pytest.mark.parametrize(
    ("name", "error", "connection", "counts"),
    [
        ("accept", "", 1, True),
        ("accept", "", 2, False),
        ("accept", "", 3, True),  # of nobody that is known
        ("accept", "EAGAIN", 2, True),  # gave none
        ("listen", "", 2, True),
        ("getsockopt", "", 1, False),
        ("setsockopt", "", 1, True),
    ],
)
def test_call_that_accepts_another_connection_or_only_asks_is_no_cause(
    name: str, error: str, connection: int, counts: bool
) -> None:
    timeline = Timeline()
    timeline.numbers = {OWN: 1, ANOTHER: 2}
    timeline.add(Called(10 * MS, 10 * MS + 5, name, error=error, connection=connection, ports=(8080, 0)))
    own = Inbox(timeline)
    own.reached(OWN, 1 * MS)
    assert own.cause(arrival()) == (Cause(10 * MS, 10 * MS + 5) if counts else Cause(MS, MS))


def test_call_of_the_other_side_is_no_cause() -> None:
    assert inbox(call(OWN, side="server"), side="client").cause(arrival()) == Cause(20 * MS, 20 * MS)


def test_program_in_the_lab_puts_off_by_when_an_answer_is_due_and_not_from_when_on() -> None:
    own = inbox(Called(10 * MS, 90 * MS, "kernel$ ss -K", result="0", connection=0))
    own.reached(OWN, 1 * MS)
    assert own.cause(arrival()) == Cause(MS, 90 * MS)
    assert own.cause(arrival(5 * MS)) == Cause(MS, MS)


def test_segment_counts_on_its_own_connection_and_before_the_answer() -> None:
    own = inbox()
    for ports, at in ((OWN, 3 * MS), (OWN, 2 * MS), (ANOTHER, 4 * MS), (OWN, 21 * MS)):
        own.reached(ports, at)
    assert own.cause(arrival()) == Cause(3 * MS, 3 * MS)


def test_answer_before_counts_on_its_own_connection() -> None:
    own = inbox()
    own.take(arrival(5 * MS), "1: expect")
    own.take(arrival(6 * MS, ports=ANOTHER), "2: expect")
    assert own.cause(arrival()) == Cause(5 * MS, 5 * MS)


def test_what_is_allowed_is_passed_over_unless_it_is_expected() -> None:
    own = inbox()
    own.allow(Pattern(ACK))
    for at in (1, 2, 3):
        own.add(arrival(at, FIN if at == 2 else ACK))
    ended = Expectation({"": Pattern(FIN)}, None)
    assert [one.at for one in own.leftover()] == [2]
    taken = [own.next(ACKNOWLEDGED), own.next(ended), own.next(ended)]
    assert [one.at if one else None for one in taken] == [1, 2, None]


def test_one_connection_is_served_and_the_others_keep_their_order() -> None:
    own = inbox()
    for at in (1, 2, 3):
        own.add(arrival(at, connection=at % 2))
    taken = [own.next(ACKNOWLEDGED, connection=1), own.next(ACKNOWLEDGED), own.next(ACKNOWLEDGED)]
    assert [one.at if one else None for one in taken] == [1, 2, 3]
    assert own.next(ACKNOWLEDGED) is None


def test_verdict_stands_beside_what_came() -> None:
    own, steps = inbox(), list[str]()
    own.reached(OWN, 10 * MS)
    reply = own.judge(ACKNOWLEDGED, arrival(number=7, steps=steps), VIRTUAL, "1: expect .")
    assert (reply.elapsed_ns, own.judged) == (10 * MS, 7)
    early = Expectation({"": Pattern(ACK)}, 4 * RTO_MIN, RTO_MIN)
    with pytest.raises(Mismatch):
        own.judge(early, arrival(number=8, steps=steps), VIRTUAL, "2: expect .")
    assert steps == ["1: expect .", "2: expect .: not as expected"]
    assert own.judged == 8


def test_what_came_before_it_was_allowed_has_to_be_expected() -> None:
    own = inbox()
    own.add(arrival(number=1))
    own.allow(Pattern(ACK))
    own.add(arrival(number=2))
    assert [one.number for one in own.leftover()] == [1]
    assert own.next(Expectation({"": Pattern(FIN)}, PROMPT)).number == 1  # type: ignore[union-attr]


def test_what_came_while_it_was_allowed_need_not_be_expected_afterwards() -> None:
    own = inbox()
    own.allow(Pattern(ACK))
    own.add(arrival(number=1))
    own.allow_nothing()
    own.add(arrival(number=2))
    own.allow(Pattern(FIN))
    assert [one.number for one in own.leftover()] == [2]
    assert own.next(Expectation({"": Pattern(FIN)}, PROMPT)).number == 2  # type: ignore[union-attr]
