"""The peer on a wire in memory, whose clock moves only while somebody waits: no kernel, no time, and no chance."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

import msgspec
import pytest

from harness.errors import FinwaitError
from harness.live.dispatcher import Dispatcher
from harness.live.peer import Peer
from harness.tcp.mutation import Mutation
from harness.tcp.pattern import ANY, Pattern
from harness.tcp.segment import ACK, FIN, SYN, Segment
from harness.tcp.timing import MS, QUIET, RTO_MIN, VIRTUAL, Span
from harness.tcp.verdict import Due, Mismatch
from harness.trace.events import Called, Frame, Timeline
from harness.wire.frames import Encoder, Flow
from harness.wire.marker import Marker
from netns.plan import Plan, plan

KERNEL_ISN = 5_000
EPOCH = 1_000_000 * MS
PLAN = plan(0)
X = b"x"


class Clock:
    """Both clocks of a machine, which stand still unless somebody waits."""

    def __init__(self) -> None:
        self.now = 0

    def monotonic_ns(self) -> int:
        return self.now

    def time_ns(self) -> int:
        return EPOCH + self.now

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 10**9)


class MemoryWire:
    """What is sent is captured at once; what the kernel answers, and when, the test says."""

    def __init__(self, clock: Clock) -> None:
        self.frames: list[Frame] = []
        self._clock = clock
        self._coming: list[Frame] = []

    def come(self, data: bytes, *, at: int, outgoing: bool = False) -> None:
        self._coming.append(Frame(EPOCH + at, outgoing, data))
        self._coming.sort(key=lambda frame: frame.at)

    def send(self, frames: Sequence[bytes]) -> None:
        marker = Marker.of(PLAN).request
        for data in frames:
            self.come(data, at=self._clock.now, outgoing=True)
            if data == marker:
                self.come(_neighbour_answer(), at=self._clock.now)

    def receive(self, wait_ns: int) -> Frame | None:
        end = self._clock.time_ns() + max(0, wait_ns)
        if not self._coming or self._coming[0].at > end:
            self._clock.now = end - EPOCH
            return None
        frame = self._coming.pop(0)
        self._clock.now = max(self._clock.now, frame.at - EPOCH)
        self.frames.append(frame)
        return frame

    def explain(self, number: int, step: str) -> None:
        self.frames[number] = msgspec.structs.replace(self.frames[number], step=step)

    def check(self) -> None:
        """Nothing is lost in memory."""


def _neighbour_answer() -> bytes:
    its = bytes.fromhex(PLAN.kernel.mac.replace(":", ""))
    own = bytes.fromhex(PLAN.peer.mac.replace(":", ""))
    answer = struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 2) + its + socket.inet_aton(PLAN.kernel.ipv4)
    return own + its + answer + own + socket.inet_aton(PLAN.peer.ipv4)


class Bench:
    """A peer that has been answered with a SYN,ACK, and what the kernel says next."""

    def __init__(self, mutation: Mutation | None = None) -> None:
        self.clock = Clock()
        self.wire = MemoryWire(self.clock)
        self.timeline = Timeline()
        self.hub = Dispatcher(PLAN, self.wire, self.timeline, VIRTUAL, mutation, self.clock)
        flow = Flow(4, 40_000, 8_080)
        self.peer = Peer(self.hub, flow)
        swapped = Plan(kernel=PLAN.peer, peer=PLAN.kernel, first_port=PLAN.first_port)
        self._kernel = Encoder(swapped, Flow(4, flow.kernel_port, flow.peer_port))
        self.peer.send(SYN)
        self.say(SYN | ACK, seq=0)
        self.peer.expect(SYN, seq=0, ack=1)

    def say(self, flags: int, *, seq: int = 1, ack: int = 1, data: bytes = b"", after_ms: int = 0) -> None:
        """Have a segment of the kernel's come so many ms from now."""
        first = self.peer.own.isn
        assert first is not None
        segment = Segment(flags=flags, seq=KERNEL_ISN + seq, ack=first + ack, data=data, window=100)
        self.wire.come(self._kernel.encode(segment), at=self.clock.now + after_ms * MS)

    def call(self, ports: tuple[int, int], *, lasts_ms: int = 0) -> None:
        """Have a process make a call now."""
        at = self.clock.time_ns()
        self.clock.now += lasts_ms * MS
        self.timeline.add(Called(at, self.clock.time_ns(), "send(1 bytes)", "1", ports=ports))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def differing(mismatch: Mismatch) -> list[str]:
    return [difference.field for difference in mismatch.evidence.differences]


# -- when


@pytest.mark.parametrize(
    ("after_ms", "bounds", "verdict"),
    [
        (40, {}, []),
        (41, {}, ["missing"]),
        (100, {"within": 0.1}, []),
        (199, {"after": RTO_MIN}, ["time"]),
        (200, {"after": RTO_MIN}, []),
        (225, {"after": RTO_MIN}, []),  # the timer wheel's eighth
        (226, {"after": RTO_MIN}, ["missing"]),
        (199, {"at_least": 0.2}, ["time"]),
        (799, {"at_least": 0.2}, []),  # beyond PROMPT, which no segment could meet as well
        (901, {"at_least": 0.2}, ["missing"]),
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


def test_expecting_one_of_nothing_is_told(bench: Bench) -> None:
    with pytest.raises(FinwaitError, match="no alternative is declared"):
        bench.peer.expect_one_of()


def test_requiring_what_was_never_declared_is_told(bench: Bench) -> None:
    bench.say(FIN | ACK)
    reply = bench.peer.expect_one_of(fin=Pattern(FIN, ack=1))
    for wrong in (reply.require, reply.is_):
        with pytest.raises(FinwaitError, match=r"no alternative is named 'fni'; .*try: fin"):
            wrong("fni")


def test_segment_that_never_comes_is_waited_for_as_long_as_is_said(bench: Bench) -> None:
    with pytest.raises(Mismatch) as raised:
        bench.peer.expect(FIN, seq=1, ack=1)
    assert str(raised.value).splitlines()[:2] == [
        "expected  > F. 1:1(0) ack 1   within 40 ms (PROMPT)",
        "observed  nothing in 40 ms",
    ]


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


# -- silence


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
