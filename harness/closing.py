"""SEGMENT ARRIVES of RFC 9293 3.10.7 for a connection that is being closed, as a pure function.

It says what the RFC has a TCP answer, where that connection stands then, and on which clause it rests; so whatever a
kernel did was not asked. It knows the states from FIN-WAIT-1 on and ESTABLISHED and CLOSE-WAIT, in which nothing
happens to it but what arrives; of RFC 5961 it takes all three defences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harness.pattern import Pattern
from harness.segment import ACK, FIN, RST, SYN, Segment, distance

MAX_SND_WND = 2**30
"""MAX.SND.WND of RFC 5961 5.2 is at most this (RFC 7323 2.3): an older ACK is too old whatever the window was."""

_TAKES_TEXT = frozenset({"ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2"})
_AFTER_ACK_OF_FIN = {"FIN-WAIT-1": "FIN-WAIT-2", "CLOSING": "TIME-WAIT", "LAST-ACK": "CLOSED"}
_AFTER_FIN = {"ESTABLISHED": "CLOSE-WAIT", "FIN-WAIT-1": "CLOSING", "FIN-WAIT-2": "TIME-WAIT"}


@dataclass(frozen=True, slots=True)
class Tcb:
    """What a TCP knows of a connection (RFC 9293 3.3.1), in numbers relative to the initial ones.

    Args:
        state: as the RFC calls it.
        snd_una: the oldest number that is not acknowledged.
        snd_nxt: the number to be sent next.
        rcv_nxt: the number that is expected next.
        rcv_wnd: how many numbers from there on may come.
        reads: somebody may still read what arrives; not so after close(2).
        waiting: segments that arrived ahead of rcv_nxt.
    """

    state: str
    snd_una: int
    snd_nxt: int
    rcv_nxt: int
    rcv_wnd: int = 60_000
    reads: bool = True
    waiting: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrival:
    """What follows from a segment.

    Args:
        tcb: afterwards.
        answers: what may be answered, by name; empty for nothing.
        optional: the RFC neither demands the answer nor forbids it.
        clause: what this rests on.
    """

    tcb: Tcb
    clause: str
    answers: Mapping[str, Pattern] = field(default_factory=dict)
    optional: bool = False


def length(segment: Segment) -> int:
    """SEG.LEN: the numbers that a segment takes, SYN and FIN counted (RFC 9293 3.4)."""
    return len(segment.data) + bool(segment.flags & SYN) + bool(segment.flags & FIN)


def acceptable(tcb: Tcb, segment: Segment) -> bool:
    """The four cases of table 6 in RFC 9293 3.10.7.4."""
    taken = length(segment)

    def inside(number: int) -> bool:
        return 0 <= distance(tcb.rcv_nxt, number) < tcb.rcv_wnd

    if tcb.rcv_wnd == 0:
        return taken == 0 and segment.seq == tcb.rcv_nxt
    if taken == 0:
        return inside(segment.seq)
    return inside(segment.seq) or inside(segment.seq + taken - 1)


def arrives(tcb: Tcb, segment: Segment) -> Arrival:
    """What follows when the segment arrives. The steps are the RFC's, in its order."""
    for step in (_arrives_nowhere, _check_sequence, _check_rst, _check_syn, _check_ack):
        found = step(tcb, segment)
        if found is not None:
            return found
    return _take_text(_take_ack(tcb, segment), segment)


def _arrives_nowhere(tcb: Tcb, segment: Segment) -> Arrival | None:
    """In CLOSED, or in the LISTEN of the server that the connection came from: alike for all but a SYN."""
    if tcb.state != "CLOSED":
        return None
    if segment.flags & RST:
        return Arrival(tcb, "RFC 9293 3.10.7.1, 3.10.7.2 first: a RST is dropped")
    if segment.flags & ACK:
        return Arrival(tcb, "RFC 9293 3.10.7.1, 3.10.7.2 second", {"resets": Pattern(RST, seq=segment.ack)})
    return Arrival(tcb, "RFC 9293 3.10.7.1", {"resets": Pattern(RST, seq=0, ack=segment.seq + length(segment))})


def _check_sequence(tcb: Tcb, segment: Segment) -> Arrival | None:
    if acceptable(tcb, segment):
        return None
    if segment.flags & RST:
        return Arrival(tcb, "RFC 9293 3.10.7.4 first: unacceptable, but a RST, so drop")
    return Arrival(tcb, "RFC 9293 3.10.7.4 first: unacceptable, so acknowledge and drop", _acknowledgment(tcb))


def _check_rst(tcb: Tcb, segment: Segment) -> Arrival | None:
    if not segment.flags & RST:
        return None
    if segment.seq == tcb.rcv_nxt:
        return Arrival(replace(tcb, state="CLOSED"), "RFC 9293 3.10.7.4 second: a RST at RCV.NXT")
    return Arrival(tcb, "RFC 9293 3.10.7.4 second, RFC 5961 3.2: challenge a RST elsewhere", _acknowledgment(tcb))


def _check_syn(tcb: Tcb, segment: Segment) -> Arrival | None:
    if not segment.flags & SYN:
        return None
    return Arrival(tcb, "RFC 9293 3.10.7.4 fourth, RFC 5961 4.2: challenge a SYN", _acknowledgment(tcb))


def _check_ack(tcb: Tcb, segment: Segment) -> Arrival | None:
    if not segment.flags & ACK:
        return Arrival(tcb, "RFC 9293 3.10.7.4 fifth: no ACK, so drop")
    if -MAX_SND_WND <= distance(tcb.snd_una, segment.ack) <= distance(tcb.snd_una, tcb.snd_nxt):
        return None
    return Arrival(tcb, "RFC 9293 3.10.7.4 fifth, RFC 5961 5.2: no such ACK, so acknowledge", _acknowledgment(tcb))


def _acknowledgment(tcb: Tcb) -> Mapping[str, Pattern]:
    return {"acknowledges": Pattern(ACK, seq=tcb.snd_nxt, ack=tcb.rcv_nxt)}


def _take_ack(tcb: Tcb, segment: Segment) -> Tcb:
    """Fifth: an acceptable ACK; an old one is ignored. It can be that of our FIN."""
    if distance(tcb.snd_una, segment.ack) <= 0:
        return tcb
    acknowledged = replace(tcb, snd_una=segment.ack)
    if segment.ack != tcb.snd_nxt:
        return acknowledged
    return replace(acknowledged, state=_AFTER_ACK_OF_FIN.get(tcb.state, tcb.state))


def _take_text(tcb: Tcb, segment: Segment) -> Arrival:
    """Seventh and eighth: the text and the FIN, in their order, with what waited for them."""
    if tcb.state == "CLOSED":
        return Arrival(tcb, "RFC 9293 3.10.7.4 fifth: the ACK of our FIN ends LAST-ACK")
    if length(segment) == 0:
        return Arrival(tcb, "RFC 9293 3.10.7.4 fifth: an ACK needs no answer")
    if tcb.state not in _TAKES_TEXT:
        clause = "RFC 9293 3.10.7.4 seventh: text after the FIN is ignored"
        return Arrival(tcb, clause, _acknowledgment(tcb), optional=True)
    if segment.data and not tcb.reads:
        return Arrival(replace(tcb, state="CLOSED"), "RFC 9293 3.6.1 (SHLD-3): nobody reads", _resets(tcb, segment))
    taken = _deliver(replace(tcb, waiting=(*tcb.waiting, segment)))
    if taken.rcv_nxt == tcb.rcv_nxt:
        clause = "RFC 9293 3.10.7.4 seventh (SHLD-31), RFC 5681 4.2: keep what is ahead, acknowledge at once"
    else:
        clause = "RFC 9293 3.10.7.4 seventh, eighth: take it and acknowledge"
    return Arrival(taken, clause, _acknowledgment(taken))


def _deliver(tcb: Tcb) -> Tcb:
    """Take all that is in sequence now; a FIN moves the connection on."""
    for segment in tcb.waiting:
        if distance(tcb.rcv_nxt, segment.seq) > 0:
            continue
        rest = tuple(other for other in tcb.waiting if other is not segment)
        if distance(tcb.rcv_nxt, segment.next_seq) <= 0:
            return _deliver(replace(tcb, waiting=rest))
        state = _AFTER_FIN[tcb.state] if segment.flags & FIN else tcb.state
        rest = () if segment.flags & FIN else rest  # nothing comes after it
        return _deliver(replace(tcb, waiting=rest, rcv_nxt=segment.next_seq, state=state))
    return tcb


def _resets(tcb: Tcb, segment: Segment) -> Mapping[str, Pattern]:
    """The RST to data that nobody reads: numbered from the segment (3.10.7.1), or as ABORT does (3.10.5)."""
    return {
        "answers": Pattern(RST, seq=segment.ack),
        "aborts": Pattern(RST, seq=tcb.snd_nxt),
        "aborts_and_acknowledges": Pattern(RST, seq=tcb.snd_nxt, ack=tcb.rcv_nxt),
    }
