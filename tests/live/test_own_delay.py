"""A failure that the lab's own slowness accounts for is nobody's; any other stays the kernel's."""

from __future__ import annotations

import pytest

from harness.errors import TooBusy
from harness.live.own_delay import refuse_delay_of_path, refuse_delay_of_peer
from harness.path.messages import Came, Fated, Left
from harness.path.passages import Passages
from harness.path.rules import Side
from harness.tcp.pattern import Difference
from harness.tcp.segment import ACK, SYN, Segment
from harness.tcp.timing import MS, PROMPT, VIRTUAL, Span, TimingProfile
from harness.tcp.verdict import Due, Evidence
from harness.trace.events import Received, Sent, Timeline
from harness.wire.frames import Encoder, Flow
from harness.wire.marker import neighbour_request
from netns.plan import plan

REAL = TimingProfile()
DELAYED_ACK = Span(40 * MS, "DELAYED_ACK")
RTO = Span(200 * MS, "RTO")
FRAME = Encoder(plan(7, 7), Flow(4, 1000, 80)).encode(Segment(flags=SYN, seq=1))
OTHER_CONNECTION = Encoder(plan(7, 7), Flow(4, 1001, 80)).encode(Segment(flags=SYN, seq=1))
NO_SEGMENT = neighbour_request(plan(7, 7).peer, plan(7, 7).kernel)


def failure(elapsed_ms: int, *fields: str, within: Span | None = PROMPT, at_least: Span | None = None) -> Evidence:
    """What came so long after its cause, and differs in these fields."""
    return Evidence(
        expected=(Due("> . 1:1(0) ack 1"),),
        observed="> . 1:1(0) ack 1",
        connection=1,
        elapsed_ns=elapsed_ms * MS,
        within=within,
        at_least=at_least,
        differences=tuple(Difference(field, "expected", "seen") for field in fields),
    )


def passed(took_ms: int, fate: str = "forwarded", *, frame: bytes = FRAME, at_ms: int = 0) -> Passages:
    """A path that a SYN passed in a millisecond, and this frame in so many."""
    passages = Passages()
    for number, (one, at, took) in enumerate(((FRAME, 0, 1), (frame, at_ms, took_ms)), 1):
        passages.came(Came(number, at * MS, Side.CLIENT, one))
        passages.more(Left(number, (at + took) * MS))
    if fate != "forwarded":
        passages.more(Fated(2, fate, 1))
    return passages


@pytest.mark.parametrize(
    "evidence",
    [failure(80, "time"), failure(20, "time", within=None, at_least=DELAYED_ACK)],
    ids=["too-late", "too-early"],
)
def test_path_that_was_as_late_as_the_segment_is_told(evidence: Evidence) -> None:
    passages = passed(28)
    passages.came(Came(3, 0, Side.CLIENT, NO_SEGMENT))
    passages.more(Left(3, 90 * MS))
    with pytest.raises(TooBusy, match=r"at the wrong time .* the path took 28 ms to forward < S 0:0\(0\)"):
        refuse_delay_of_path(evidence, passages, REAL)


@pytest.mark.parametrize(
    ("evidence", "passages"),
    [
        (failure(80, "time"), passed(10)),
        (failure(20, "time", within=None, at_least=DELAYED_ACK), passed(10)),
        (failure(80, "time", "flags"), passed(28)),
        (failure(80, "flags"), passed(28)),
        (failure(80), passed(28)),
        (failure(80, "time"), passed(28, "delayed")),
        (failure(80, "time"), Passages()),
        (failure(80, "time"), passed(28, frame=NO_SEGMENT)),
        (failure(80, "time"), passed(28, frame=OTHER_CONNECTION)),
        (failure(80, "time"), passed(28, at_ms=81)),
    ],
    ids=[
        *("less-late", "less-early", "field-too", "field", "assert", "by-rule", "nothing-passed"),
        *("no-segment", "other-connection", "afterwards"),
    ],
)
def test_failure_that_the_path_does_not_account_for_is_the_kernels(evidence: Evidence, passages: Passages) -> None:
    refuse_delay_of_path(evidence, passages, REAL)


def shaken_hands(took_ms: float) -> Timeline:
    """A handshake in which the peer took so long."""
    timeline = Timeline()
    timeline.add(Sent(0, Segment(flags=SYN), ""))
    timeline.add(Received(MS, Segment(flags=SYN | ACK, ack=1), ""))
    timeline.add(Sent(round((1 + took_ms) * MS), Segment(flags=ACK, seq=1, ack=1), ""))
    return timeline


@pytest.mark.parametrize("evidence", [failure(250, "time", within=RTO), failure(1100, "time", within=4 * RTO)])
def test_timer_after_a_slow_handshake_is_nobodys(evidence: Evidence) -> None:
    with pytest.raises(TooBusy, match=r"the peer took 26 ms for its part of the handshake"):
        refuse_delay_of_peer(evidence, shaken_hands(26), REAL)


@pytest.mark.parametrize(
    ("evidence", "took_ms", "profile"),
    [
        (failure(250, "time", within=RTO), 5, REAL),
        (failure(80, "time"), 26, REAL),
        (failure(250, "length", within=RTO), 26, REAL),
        (failure(100, "time", within=None, at_least=RTO), 26, REAL),
        (failure(1000, "time", within=RTO), 26, REAL),
        (failure(250, "time", within=RTO), 0.001, VIRTUAL),
    ],
    ids=["prompt", "no-timer", "field", "too-early", "later-by-more", "virtual"],
)
def test_failure_that_the_handshake_does_not_account_for_is_the_kernels(
    evidence: Evidence, took_ms: float, profile: TimingProfile
) -> None:
    refuse_delay_of_peer(evidence, shaken_hands(took_ms), profile)
