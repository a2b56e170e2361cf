"""Whether the numbers of a segment fit a connection, and what its acknowledgment does there (RFC 9293 3.4). Pure."""

from __future__ import annotations

from dataclasses import replace

from harness.model.connection import ControlBlock
from harness.tcp.segment import ACK, RST, SYN, Segment, add, distance


def acceptable(at: ControlBlock, segment: Segment) -> bool:
    """Whether the segment has something of the receive window (RFC 9293 3.10.7.4, table 6)."""
    length = distance(segment.seq, segment.next_seq)
    if at.rcv_wnd == 0:
        return length == 0 and segment.seq == at.rcv_nxt
    return in_window(at, segment.seq) or (length > 0 and in_window(at, add(segment.seq, length - 1)))


def in_window(at: ControlBlock, number: int) -> bool:
    """Whether the number lies in the receive window."""
    return 0 <= distance(at.rcv_nxt, number) < at.rcv_wnd


def acknowledges_what_was_not_sent(at: ControlBlock, segment: Segment) -> bool:
    """Whether there is an acknowledgment, and it is not SND.UNA < SEG.ACK =< SND.NXT (RFC 9293 3.5.2, group 2)."""
    return bool(segment.flags & ACK) and not 0 < distance(at.snd_una, segment.ack) <= distance(at.snd_una, at.snd_nxt)


def valid_ack(at: ControlBlock, segment: Segment) -> bool:
    """Whether the fifth step goes on with the acknowledgment.

    It does with SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT (RFC 5961 5.2), and in SYN-RECEIVED with
    SND.UNA < SEG.ACK =< SND.NXT (RFC 9293 3.10.7.4).
    """
    if at.state == "SYN-RECEIVED":
        return not acknowledges_what_was_not_sent(at, segment)
    return distance(at.snd_nxt, segment.ack) <= 0 and distance(at.snd_una, segment.ack) >= -at.max_snd_wnd


def acknowledged(at: ControlBlock, segment: Segment) -> ControlBlock:
    """Where a valid acknowledgment takes a connection; an old one nowhere."""
    behind, ahead = distance(at.snd_una, segment.ack), distance(at.snd_nxt, segment.ack)
    if at.state == "SYN-RECEIVED":
        at = replace(at, state="ESTABLISHED")
    if ahead == 0 and at.state in ("FIN-WAIT-1", "CLOSING"):
        at = replace(at, state={"FIN-WAIT-1": "FIN-WAIT-2", "CLOSING": "TIME-WAIT"}[at.state])
    return replace(at, snd_una=segment.ack) if behind > 0 else at


def opens(at: ControlBlock, segment: Segment) -> bool:
    """Whether it is the SYN,ACK that follows a SYN which crossed another (RFC 9293 3.5, figure 7)."""
    both = segment.flags & (SYN | RST | ACK) == SYN | ACK
    return both and add(segment.seq, 1) == at.rcv_nxt and valid_ack(at, segment)
