"""What a peer on a wire in memory makes of a span of time: silence, a count, and all that came."""

from __future__ import annotations

import msgspec
import pytest

from harness.errors import FinwaitError
from harness.program.interpreter import run
from harness.program.packetdrill import packetdrill
from harness.program.python import python
from harness.program.steps import Expect, Open, Program, Wait
from harness.tcp.pattern import ANY, Pattern
from harness.tcp.segment import ACK, FIN, Segment
from harness.tcp.timing import MS, QUIET, RTO_MIN
from harness.tcp.verdict import Due, Mismatch
from tests.live.conftest import Bench

X = b"x"


def test_silence_that_is_kept_lasts(bench: Bench) -> None:
    began = bench.clock.now
    bench.peer.expect_silence()
    assert bench.clock.now - began == QUIET.ns


def test_silence_that_is_broken_says_by_what(bench: Bench) -> None:
    bench.say(ACK, data=X, after_ms=60)
    with pytest.raises(Mismatch) as raised:
        bench.peer.expect_silence()
    evidence = raised.value.evidence
    assert evidence.expected == (Due("> silence for 60 ms (QUIET)"),)
    assert (evidence.observed, evidence.elapsed_ns) == ("> . 1:2(1) ack 1 win 100", 60 * MS)


def test_silence_is_not_broken_by_what_comes_after_it(bench: Bench) -> None:
    bench.say(ACK, data=X, after_ms=61)
    bench.peer.expect_silence()
    bench.peer.expect(ACK, data=X, within=1)


def test_silence_is_not_broken_by_what_is_allowed_and_lasts_all_the_same(bench: Bench) -> None:
    bench.peer.allow(ACK, data=X)
    bench.say(ACK, data=X, after_ms=1)
    began = bench.clock.now
    bench.peer.expect_silence()
    assert bench.clock.now - began == QUIET.ns


def test_silence_behind_an_allowed_segment_is_broken_by_the_next(bench: Bench) -> None:
    bench.peer.allow(ACK, data=X)
    bench.say(ACK, data=X)
    bench.say(ACK, seq=2, data=b"y", after_ms=1)
    with pytest.raises(Mismatch, match=r"> \. 2:3\(1\)"):
        bench.peer.expect_silence()


# -- all that comes


def brief(segments: list[Segment]) -> list[str]:
    return [segment.brief for segment in segments]


def test_all_that_comes_in_a_time_is_collected_in_its_order(bench: Bench) -> None:
    bench.say(ACK, data=X)
    bench.say(FIN | ACK, seq=2, after_ms=200)
    began = bench.clock.now
    assert brief(bench.peer.collect(RTO_MIN)) == [". 1:2(1) ack 1", "F. 2:2(0) ack 1"]
    assert bench.clock.now - began == RTO_MIN.ns
    assert bench.peer.collect(0.1) == []


def test_what_was_not_expected_or_is_allowed_is_collected_as_well(bench: Bench) -> None:
    bench.peer.allow(ACK, length=ANY)
    bench.say(ACK, data=X)
    bench.hub.pump(MS)
    bench.say(FIN | ACK, seq=2)
    assert brief(bench.peer.collect(0.01)) == [". 1:2(1) ack 1", "F. 2:2(0) ack 1"]
    assert bench.peer.inbox.leftover() == []


def test_what_comes_after_the_time_is_left_for_the_next_step(bench: Bench) -> None:
    bench.say(ACK, data=X, after_ms=201)
    assert bench.peer.collect(RTO_MIN) == []
    bench.peer.expect(ACK, data=X, within=1)


def test_a_kernel_that_never_stops_sending_does_not_keep_the_collecting_from_its_end(bench: Bench) -> None:
    for number in range(30):
        bench.say(ACK, data=X, after_ms=10 * number)
    assert len(bench.peer.collect(0.1)) == 11
    assert bench.clock.now <= 110 * MS


def test_answer_is_counted_from_what_was_collected_last(bench: Bench) -> None:
    bench.say(ACK, data=X, after_ms=5)
    bench.peer.collect(0.01)
    bench.say(ACK, data=X, after_ms=2)
    bench.peer.expect(ACK, data=X)
    assert bench.peer.last_elapsed == 7 * MS


# -- how many


@pytest.mark.parametrize(
    ("bounds", "complaint"),
    [
        ({"at_most": 3}, ""),
        ({"at_least": 3}, ""),
        ({"at_least": 3, "at_most": 3}, ""),
        ({"at_most": 2}, "at most 2 in 200 ms (RTO_MIN)"),
        ({"at_least": 4, "at_most": 5}, "at least 4 and at most 5 in 200 ms (RTO_MIN)"),
    ],
)
def test_segments_of_a_kind_are_counted(bench: Bench, bounds: dict[str, int], complaint: str) -> None:
    for number in range(3):
        bench.say(ACK, ack=1, after_ms=100 * number)
    bench.say(ACK, ack=1, after_ms=201)
    if not complaint:
        assert brief(bench.peer.expect_count(Pattern(ACK, ack=1), within=RTO_MIN, **bounds)) == [". 1:1(0) ack 1"] * 3
        return
    with pytest.raises(Mismatch) as raised:
        bench.peer.expect_count(Pattern(ACK, ack=1), within=RTO_MIN, **bounds)
    evidence = raised.value.evidence
    assert evidence.expected == (Due(f"> . *(0) ack 1   {complaint}"),)
    assert evidence.observed == "3 in 200 ms (RTO_MIN)"


def test_another_segment_is_not_counted_and_left_for_what_comes_next(bench: Bench) -> None:
    bench.say(FIN | ACK)
    bench.say(ACK, ack=1)
    assert len(bench.peer.expect_count(Pattern(ACK, ack=1), at_most=1, within=0.01)) == 1
    bench.peer.expect(FIN, ack=1)


@pytest.mark.parametrize("bounds", [{}, {"at_least": 0}, {"at_least": 2, "at_most": 1}, {"at_most": -1}])
def test_a_count_that_judges_nothing_is_told(bench: Bench, bounds: dict[str, int]) -> None:
    began = bench.clock.now
    with pytest.raises(FinwaitError, match="leave nothing to judge"):
        bench.peer.expect_count(Pattern(ACK), within=1, **bounds)
    assert bench.clock.now == began


def test_a_count_of_what_is_no_pattern_is_told(bench: Bench) -> None:
    with pytest.raises(FinwaitError, match=r"is not a pattern.*\n?.*Pattern\(ACK, ack=1\)"):
        bench.peer.expect_count(ACK, at_most=1, within=1)  # type: ignore[arg-type]


# -- as a program


def watched(bench: Bench) -> Program:
    bench.peer.collect(0.1)
    bench.peer.expect_count(Pattern(ACK, ack=1), at_least=1, within=RTO_MIN)
    return bench.peer.recording.program({"peer": bench.peer}, Program())


def chatty() -> Bench:
    bench = Bench()
    bench.say(ACK, data=X)
    bench.say(ACK, after_ms=120)
    bench.peer.recording.taken.clear()
    return bench


def test_what_waits_for_a_time_is_recorded_printed_and_run_again() -> None:
    program = watched(chatty())
    assert [type(step) for step in program.steps] == [Wait, Expect]
    again = chatty()
    run(program, {"peer": again.peer})
    assert again.peer.recording.program({"peer": again.peer}, Program()) == program
    assert python(program, "test_x").splitlines()[-2:] == [
        "    peer.collect(0.1)",
        "    peer.expect_count(Pattern(ACK, ack=1), at_least=1, within=RTO_MIN)",
    ]
    with pytest.raises(Mismatch, match="at least 1 in 200 ms"):
        run(program, {"peer": Bench().peer})


def test_a_script_waits_as_long_as_the_scenario_did() -> None:
    program = watched(chatty())
    opened = msgspec.structs.replace(program, steps=(Open(on="session", name="listen"), *program.steps))
    assert packetdrill(opened, "test_x").splitlines()[-3:] == [
        "// cannot be said: all that comes in 100 ms (0.1 s) (peer.collect)",
        "// cannot be said: how many come in 200 ms (RTO_MIN): > . *(0) ack 1 (peer.expect_count) at_least=1",
        "+0.3 %{ pass }%",
    ]
