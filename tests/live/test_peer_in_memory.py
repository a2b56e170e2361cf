"""The peer on a wire in memory, whose clock moves only while somebody waits: no kernel, no time, and no chance."""

from __future__ import annotations

import pytest

from harness.errors import FinwaitError
from harness.tcp.authentication import Md5Key
from harness.tcp.mutation import Mutation
from harness.tcp.options import Option
from harness.tcp.pattern import ANY, Pattern
from harness.tcp.segment import ACK, FIN, SYN
from harness.tcp.timing import MS, RTO_MIN, Span
from harness.tcp.verdict import Mismatch
from harness.trace.events import Sent
from tests.live.conftest import Bench

X = b"x"


def differing(mismatch: Mismatch) -> list[str]:
    return [difference.field for difference in mismatch.evidence.differences]


# -- what is signed


def test_segment_that_no_key_of_the_peers_signed_is_not_what_was_expected(bench: Bench) -> None:
    bench.peer.keys = (Md5Key(b"secret"),)
    bench.say(ACK, data=X)
    with pytest.raises(Mismatch) as raised:
        bench.peer.expect(ACK, data=X)
    assert [str(one) for one in raised.value.evidence.differences] == [
        "options: <>, not a signature by a key that the peer has"
    ]


def test_peer_signs_what_it_makes_while_it_has_a_key(bench: Bench) -> None:
    bench.peer.keys = (Md5Key(b"secret"),)
    assert bench.peer.make(ACK, seq=1, options="nop").option("opt 19")
    bench.peer.keys = ()
    assert bench.peer.make(ACK, seq=1, options="nop").options == (Option("nop"),)


# -- when


@pytest.mark.parametrize(
    ("after_ms", "bounds", "verdict"),
    [
        (40, {}, []),
        (41, {}, ["missing"]),
        (100, {"within": 0.1}, []),
        (199, {"after": RTO_MIN}, ["time"]),
        (200, {"after": RTO_MIN}, []),
        (229, {"after": RTO_MIN}, []),  # a tick of 4 ms, and the timer wheel's eighth of it all
        (230, {"after": RTO_MIN}, ["missing"]),
        (199, {"at_least": 0.2}, ["time"]),
        (799, {"at_least": 0.2}, []),  # beyond PROMPT, which no segment could meet as well
        (905, {"at_least": 0.2}, ["missing"]),
        (224, {"at_least": 0.2, "within": None}, []),
    ],
)
def test_segment_is_held_against_its_bounds(
    bench: Bench, after_ms: int, bounds: dict[str, float | Span | None], verdict: list[str]
) -> None:
    bench.say(ACK, data=X, after_ms=after_ms)
    if not verdict:
        bench.peer.expect(ACK, data=X, **bounds)  # type: ignore[arg-type]
        assert bench.peer.last_elapsed == after_ms * MS
        return
    with pytest.raises(Mismatch) as raised:
        bench.peer.expect(ACK, data=X, **bounds)  # type: ignore[arg-type]
    assert (differing(raised.value) or ["missing"]) == verdict


def test_bounds_that_leave_no_moment_are_told_before_anything_is_waited_for(bench: Bench) -> None:
    began = bench.clock.now
    with pytest.raises(FinwaitError, match="is over before at_least="):
        bench.peer.expect(ACK, at_least=1, within=0.5)
    assert bench.clock.now == began


def test_answer_is_counted_from_the_last_thing_sent(bench: Bench) -> None:
    bench.clock.sleep(1)
    bench.peer.send(ACK, seq=1, ack=1)
    bench.say(ACK, after_ms=3)
    bench.peer.expect(ACK)
    assert bench.peer.last_elapsed == 3 * MS


def test_answer_that_left_before_the_next_was_sent_is_not_counted_from_that(bench: Bench) -> None:
    bench.peer.send(ACK, seq=1, ack=1)
    bench.say(ACK, after_ms=3)
    bench.hub.pump(MS)
    bench.clock.sleep(0.01)
    bench.peer.send(ACK, seq=1, ack=1)
    bench.peer.expect(ACK)
    assert bench.peer.last_elapsed == 3 * MS


@pytest.mark.parametrize(
    ("ports", "elapsed_ms"), [((8080, 40_000), 2), ((8080, 0), 2), ((8080, 40_001), 102), ((0, 0), 102)]
)
def test_answer_is_counted_from_a_call_on_its_own_socket(bench: Bench, ports: tuple[int, int], elapsed_ms: int) -> None:
    bench.clock.sleep(0.1)
    bench.call(ports)
    bench.say(ACK, data=X, after_ms=2)
    bench.peer.expect(ACK, data=X, within=1)
    assert bench.peer.last_elapsed == elapsed_ms * MS


def test_upper_bound_counts_from_the_end_of_a_call_and_lower_from_its_start(bench: Bench) -> None:
    bench.call((8080, 40_000), lasts_ms=300)
    bench.say(ACK, data=X, after_ms=1)
    bench.peer.expect(ACK, data=X, at_least=0.3, within=0.3)
    assert bench.peer.last_elapsed == MS


# -- which


def test_reply_says_which_alternative_it_was(bench: Bench) -> None:
    bench.say(ACK, ack=2)
    reply = bench.peer.expect_one_of(taken=Pattern(ACK, ack=2), refused=Pattern(ACK, ack=1))
    assert reply.is_("taken")
    with pytest.raises(Mismatch) as raised:
        reply.require("refused")
    assert differing(raised.value) == ["ack"]
    assert bench.peer.choices == ["taken"]


def test_in_how_many_pieces_data_come_is_no_choice(bench: Bench) -> None:
    bench.say(ACK, data=b"ab")
    bench.say(FIN | ACK, seq=3, data=X, after_ms=3)
    assert bench.peer.expect_pieces(FIN, seq=1, ack=1, length=3).data == X
    assert bench.peer.choices == []
    assert bench.peer.last_reply is not None
    assert (bench.peer.last_reply.name, bench.peer.last_elapsed) == ("", 3 * MS)


def test_expecting_one_of_nothing_is_told(bench: Bench) -> None:
    with pytest.raises(FinwaitError, match="no alternative is given"):
        bench.peer.expect_one_of()


def test_requiring_what_was_never_declared_is_told(bench: Bench) -> None:
    bench.say(FIN | ACK)
    reply = bench.peer.expect_one_of(fin=Pattern(FIN, ack=1))
    for wrong in (reply.require, reply.is_):
        with pytest.raises(FinwaitError, match=r"no alternative is named 'fni'; .*try: fin"):
            wrong("fni")


def test_nothing_given_to_expect_at_once_is_a_mistake(bench: Bench) -> None:
    with pytest.raises(FinwaitError) as raised:
        bench.peer.expect_at_once()
    assert str(raised.value) == (
        "no alternative is given; "
        "try: expect_at_once(name=Pattern(...)), or silence=NAME where the kernel may send nothing"
    )


def test_segment_that_never_comes_is_waited_for_as_long_as_is_said(bench: Bench) -> None:
    with pytest.raises(Mismatch) as raised:
        bench.peer.expect(FIN, seq=1, ack=1)
    assert str(raised.value).splitlines()[:2] == [
        "expected  > F. 1:1(0) ack 1   within 40 ms (PROMPT)   on connection #1",
        "observed  nothing in 40 ms",
    ]


def test_segment_that_a_timer_sent_again_is_told_as_such(bench: Bench) -> None:
    bench.say(SYN)
    bench.say(SYN, after_ms=1000)
    bench.peer.expect(SYN)
    bench.peer.expect_silence(0.98)
    with pytest.raises(Mismatch) as raised:
        bench.peer.expect(SYN)
    assert differing(raised.value) == ["time"]
    (note,) = raised.value.evidence.notes
    assert note.startswith("the same was sent before, so a timer sent this")


def test_flow_label_is_sent_and_expected() -> None:
    bench = Bench(version=6)
    assert bench.peer.send(ACK, seq=1, ack=1, flow_label=0xABCDE).flow_label == 0xABCDE
    bench.say(ACK, flow_label=7)
    bench.say(ACK, flow_label=8)
    assert bench.peer.expect(ACK, flow_label=7).flow_label == 7
    with pytest.raises(Mismatch) as raised:
        bench.peer.expect(ACK, flow_label=7)
    assert list(map(str, raised.value.evidence.differences)) == ["flow label: 8, not 7"]
    assert [event.segment.flow_label for event in bench.timeline if isinstance(event, Sent)] == [0, 0xABCDE]


# -- what is allowed


def test_segment_that_is_allowed_is_passed_over(bench: Bench) -> None:
    bench.peer.allow(ACK, data=X)
    bench.say(ACK, data=X)
    bench.say(FIN | ACK, seq=2, after_ms=1)
    bench.peer.expect(FIN, seq=2, ack=1)


def test_segment_that_is_allowed_can_be_expected_all_the_same(bench: Bench) -> None:
    bench.peer.allow(ACK, length=ANY)
    bench.say(ACK, data=X)
    bench.say(ACK, seq=2, data=b"y", after_ms=1)
    bench.peer.expect(ACK, data=b"y")
    assert bench.peer.inbox.leftover() == []


def test_what_a_scenario_allowed_is_not_the_last_answer_it_judged(bench: Bench) -> None:
    bench.peer.allow(ACK)
    bench.say(ACK)
    bench.peer.expect_silence(0.005)
    assert bench.peer.inbox.judged == 1


# -- at once


def test_what_came_by_the_markers_answer_is_judged_without_a_wait(bench: Bench) -> None:
    bench.say(ACK)
    assert bench.peer.expect_at_once(silence="quiet", answered=Pattern(ACK)) == "answered"


def test_nothing_by_the_markers_answer_is_silence(bench: Bench) -> None:
    began = bench.clock.now
    assert bench.peer.expect_at_once(silence="quiet", answered=Pattern(ACK)) == "quiet"
    with pytest.raises(Mismatch, match="nothing, and the kernel has taken in all it was sent"):
        bench.peer.expect_at_once(answered=Pattern(ACK))
    assert bench.clock.now == began


def test_something_where_nothing_may_come_at_once_is_told(bench: Bench) -> None:
    bench.say(ACK, data=X)
    with pytest.raises(Mismatch, match=r"> \. 1:2\(1\)"):
        bench.peer.expect_at_once(silence="quiet")


# -- mutated


def test_answer_that_comes_after_its_bound_is_late_and_not_missing() -> None:
    with pytest.raises(Mismatch) as raised:
        Bench(Mutation("delay", 1))
    assert differing(raised.value) == ["time"]
