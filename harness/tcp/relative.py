"""Translates segments between the numbers of the wire and relative ones. Pure.

Each side's sequence numbers count from its initial one, and a kernel's timestamps from the first that it sent, since it
adds an offset of its own to each connection; those of a crafted peer stand as they are. When a kernel resets what
acknowledges nothing, <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>, that zero is of no connection (RFC 9293 3.5.2 group 1)
and stays a zero. A number that the receiver does not look at stands as it is: an acknowledgment without ACK (RFC 9293
3.1), and the echo beside it (RFC 7323 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from harness.tcp.options import Option
from harness.tcp.segment import ACK, RST, SPACE, Segment

_NUMBERED = frozenset(("TS", "sack"))
"""The options that hold numbers of one side or the other."""

_ACK, _RST_ACK = int(ACK), int(RST | ACK)  # plain numbers, which are faster: they are asked of every segment

_STAMPED = 3
"""Options of a segment that has a timestamp alone, with its padding."""


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
    return _shift(segment, 1, own, other)


def to_relative(segment: Segment, own: FirstNumbers, other: FirstNumbers) -> Segment:
    """A captured segment of the side ``own``, in relative numbers."""
    return _shift(segment, -1, own, other)


def _shift(segment: Segment, sign: int, own: FirstNumbers, other: FirstNumbers) -> Segment:
    acknowledges = segment.flags & _ACK
    by_own, by_other = sign * (own.isn or 0), sign * (other.isn or 0)
    of_none = not own.crafted and segment.seq == 0 and segment.flags & _RST_ACK == _RST_ACK
    options = segment.options
    if options and (own.timestamp or other.timestamp or not _stamps_alone(options)):
        by_stamp, by_echo = sign * (own.timestamp or 0), sign * (other.timestamp or 0) if acknowledges else 0
        options = tuple([_moved(one, by_other, by_stamp, by_echo) if one.name in _NUMBERED else one for one in options])
    return msgspec.structs.replace(
        segment,
        seq=0 if of_none else (segment.seq + by_own) % SPACE,
        ack=(segment.ack + by_other) % SPACE if acknowledges else segment.ack,
        options=options,
    )


def _stamps_alone(options: tuple[Option, ...]) -> bool:
    """Whether they are those of most segments (RFC 7323 appendix A)."""
    return len(options) == _STAMPED and options[0].name == options[1].name == "nop" and options[2].name == "TS"


def _moved(one: Option, by_edge: int, by_stamp: int, by_echo: int) -> Option:
    if one.name == "sack" or not one.values:
        return Option(one.name, tuple([(edge + by_edge) % SPACE for edge in one.values]))
    if not (by_stamp or by_echo):
        return one
    value, echo = one.values
    return Option("TS", ((value + by_stamp) % SPACE, (echo + by_echo) % SPACE))
