"""What a path knows of a frame: the connection it belongs to, and its segment in relative numbers. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from harness.path.rules import Side
from harness.tcp.relative import FirstNumbers, to_relative
from harness.tcp.segment import ACK, SYN, Segment
from harness.wire.decode import decode, locate

_CHECKSUM = 16  # its place in the TCP header
_SHORTEST = 54  # Ethernet, IPv4 and TCP without options
_IPV4_FLAGS = 47  # where TCP's flags stand behind an IPv4 header without options


def is_syn(frame: bytes) -> bool:
    """Whether the frame opens a connection; cheaper than taking it apart."""
    if len(frame) >= _SHORTEST and frame[14] == 0x45 and frame[12:14] == b"\x08\x00" and not frame[_IPV4_FLAGS] & SYN:
        return False  # nearly all, at a third of the price
    where = locate(frame)
    return where is not None and bool(frame[where.start + 13] & SYN)


def corrupted(frame: bytes) -> bytes:
    """The frame with the lowest bit of its last byte flipped, or of its checksum where it carries no data."""
    where = locate(frame)
    if where is None:
        return frame
    header = where.start + 4 * (frame[where.start + 12] >> 4)
    place = where.end - 1 if where.end > header else where.start + _CHECKSUM
    return frame[:place] + bytes((frame[place] ^ 1,)) + frame[place + 1 :]


class Tracked(NamedTuple):
    """A segment in relative numbers, its connection's number on the path, and its sender's port and the other's."""

    connection: int
    segment: Segment
    ports: tuple[int, int]


@dataclass(slots=True)
class _Known:
    """A connection: its number, and what each side's numbers are counted from."""

    number: int
    first: dict[Side, FirstNumbers] = field(default_factory=lambda: {side: FirstNumbers() for side in Side})


class Tracker:
    """Numbers connections in the order of their first SYN, and translates segments to relative numbers.

    What began before it looked belongs to connection 0 and keeps the numbers of the wire.
    """

    def __init__(self) -> None:
        self.count = 0
        self._known: dict[tuple[int, int, int], _Known] = {}

    def read(self, side: Side, frame: bytes) -> Tracked | None:
        """The segment of a frame that came from ``side``; None where it holds none."""
        decoded = decode(frame)
        if decoded is None:
            return None
        version, source, target, segment = decoded
        key = (version, source, target) if side is Side.CLIENT else (version, target, source)
        known = self._known.get(key)
        if segment.flags & SYN:
            known = self._opened(key, known, side, segment)
        if known is None:
            return Tracked(0, segment, (source, target))
        own = known.first[side]
        stamp = segment.option("TS")
        if own.timestamp is None and stamp is not None and stamp.values:
            own.timestamp = stamp.values[0]
        return Tracked(known.number, to_relative(segment, own, known.first[side.other]), (source, target))

    def _opened(self, key: tuple[int, int, int], known: _Known | None, side: Side, segment: Segment) -> _Known:
        # a retransmitted SYN bears the number of the first; another one opens a new connection over the same ports
        again = known is not None and known.first[side].isn in (None, segment.seq)
        if known is None or not (again or segment.flags & ACK):
            self.count += 1
            known = self._known[key] = _Known(self.count)
        known.first[side].isn = segment.seq
        return known
