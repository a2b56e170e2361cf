"""Translates segments between the numbers of the wire and relative ones. Pure.

Each side's sequence numbers count from its initial one, and a kernel's timestamps from the first that it sent, since it
adds an offset of its own to each connection; those of a crafted peer stand as they are. When a kernel resets what
acknowledges nothing, <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>, that zero is of no connection (RFC 9293 3.5.2 group 1)
and stays a zero. A number that the receiver does not look at stands as it is: an acknowledgment without ACK (RFC 9293
3.1), and the echo beside it (RFC 7323 3.2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from harness.tcp.options import Option
from harness.tcp.segment import ACK, RST, Segment, absolute, relative


@dataclass(slots=True)
class FirstNumbers:
    """What one side's numbers are counted from; None as long as it is not known.

    Args:
        isn: its initial sequence number.
        timestamp: the first that it sent; None for timestamps that stand as they are.
        crafted: whether a scenario makes its segments, in which a zero is like any other number.
    """

    isn: int | None = None
    timestamp: int | None = None
    crafted: bool = False


def to_wire(segment: Segment, own: FirstNumbers, other: FirstNumbers) -> Segment:
    """A segment of the side ``own``, as it stands on the wire."""
    return _shift(segment, absolute, own, other)


def to_relative(segment: Segment, own: FirstNumbers, other: FirstNumbers) -> Segment:
    """A captured segment of the side ``own``, in relative numbers."""
    return _shift(segment, relative, own, other)


def _shift(segment: Segment, move: Callable[[int, int | None], int], own: FirstNumbers, other: FirstNumbers) -> Segment:
    acknowledges = segment.flags & ACK

    def option(one: Option) -> Option:
        if one.name == "sack":
            return Option("sack", tuple(move(edge, other.isn) for edge in one.values))
        if one.name == "TS" and one.values:
            value, echo = one.values
            return Option("TS", (move(value, own.timestamp), move(echo, other.timestamp) if acknowledges else echo))
        return one

    of_none = not own.crafted and segment.seq == 0 and segment.flags & (RST | ACK) == RST | ACK
    return msgspec.structs.replace(
        segment,
        seq=0 if of_none else move(segment.seq, own.isn),
        ack=move(segment.ack, other.isn) if acknowledges else segment.ack,
        options=tuple(map(option, segment.options)),
    )
