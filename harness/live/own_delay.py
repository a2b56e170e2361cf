"""What the lab's own processes took, held against a failure: it must not pass for what the kernel did."""

from __future__ import annotations

from harness.errors import TooBusy
from harness.path.passages import Passages
from harness.tcp.segment import SYN
from harness.tcp.timing import PROMPT, RTO_MIN, TimingProfile, format_ms
from harness.tcp.verdict import Evidence
from harness.trace.events import Received, Sent, Timeline


def refuse_delay_of_path(evidence: Evidence, passages: Passages, profile: TimingProfile) -> None:
    """Hold nothing against a kernel that the path's own slowness accounts for.

    Raises:
        TooBusy: only the time is wrong, and by no more than the path took for a segment of the connection that had come
            before and that no rule is about.
    """
    slowest = passages.slowest(evidence.connection, evidence.cause_ns + evidence.elapsed_ns)
    if slowest and evidence.is_owed_to(slowest[0].delay_ns, profile):
        took, segment = format_ms(slowest[0].delay_ns), f"{slowest[0].side.arrow} {slowest[1]}"
        raise TooBusy(f"{_seen(evidence)}, and the path took {took} to forward {segment}")


def refuse_delay_of_peer(evidence: Evidence, timeline: Timeline, profile: TimingProfile) -> None:
    """Hold nothing against a timer that the peer's own slowness in the handshake accounts for.

    The first retransmission timer is three times the first round trip (RFC 6298 2.2), and each after it doubles (5.5).

    Args:
        evidence: of a failure on a connection whose handshake was the lab's and not the scenario's.
        timeline: of the scenario.
        profile: the tolerances.

    Raises:
        TooBusy: only a timer's time is wrong, by no more than that, and the peer was later than an answer may be.
    """
    took = _round_trip(timeline, evidence.connection)
    timer = evidence.within.ns if evidence.within else 0
    lengthened = round(3 * took * max(1, timer / RTO_MIN.ns))
    by_a_timer = timer > PROMPT.ns and evidence.late
    if by_a_timer and took > profile.slack_ns and evidence.is_owed_to(lengthened, profile):
        raise TooBusy(f"{_seen(evidence)}, and the peer took {format_ms(took)} for its part of the handshake")


def _round_trip(timeline: Timeline, connection: int) -> int:
    """From the kernel's first SYN to what the peer sent next, in ns; 0 where one is missing."""
    came = 0
    for event in timeline:
        if isinstance(event, Received) and event.connection == connection and event.segment.flags & SYN:
            came = came or event.at
        elif isinstance(event, Sent) and came and event.connection == connection:
            return event.at - came
    return 0


def _seen(evidence: Evidence) -> str:
    return f"{evidence.observed} came at the wrong time ({'; '.join(map(str, evidence.differences))})"
