"""Frames taken apart with struct, and their segments in relative numbers. Pure.

Only TCP over plain IPv4 or IPv6 is looked into; anything else is no segment.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from harness.path.rules import Side
from harness.tcp.options import Option, decode_options
from harness.tcp.segment import ACK, SYN, Segment, add, relative

_TCP = struct.Struct("!HHIIHHHH")
_ETHERNET = 14
_IPV4, _IPV6, _ARP = b"\x08\x00", b"\x86\xdd", b"\x08\x06"
_PROTOCOL_TCP = 6
_CHECKSUM = 16  # its place in the TCP header
_SHORTEST = 54  # Ethernet, IPv4 and TCP without options
_IPV4_FLAGS = 47  # where TCP's flags stand behind an IPv4 header without options


class Located(NamedTuple):
    """Where the TCP header of a frame begins and where the packet ends; padding may follow."""

    version: int
    start: int
    end: int


class Parsed(NamedTuple):
    """A frame's ports as sender and receiver have them, and its segment with the numbers of the wire."""

    version: int
    sender: int
    receiver: int
    segment: Segment


def locate(frame: bytes) -> Located | None:
    """Where a frame's TCP segment lies; None where it holds none, or only a part of one."""
    kind = frame[12:14]
    if kind == _IPV4 and len(frame) >= _ETHERNET + 20:
        start = _ETHERNET + 4 * (frame[_ETHERNET] & 15)
        end = _ETHERNET + int.from_bytes(frame[16:18])
        # a fragment's flags and offset; the bit for "don't fragment" is none of them
        found = frame[23] == _PROTOCOL_TCP and not int.from_bytes(frame[20:22]) & 0x3FFF
        where = Located(4, start, end)
    elif kind == _IPV6 and len(frame) >= _ETHERNET + 40:
        found = frame[20] == _PROTOCOL_TCP
        where = Located(6, _ETHERNET + 40, _ETHERNET + 40 + int.from_bytes(frame[18:20]))
    else:
        return None
    return where if found and where.start + 20 <= where.end <= len(frame) else None


def is_syn(frame: bytes) -> bool:
    """Whether the frame opens a connection; cheaper than taking it apart."""
    if len(frame) >= _SHORTEST and frame[14] == 0x45 and frame[12:14] == _IPV4:  # nearly all, at a third of the price
        return frame[23] == _PROTOCOL_TCP and bool(frame[_IPV4_FLAGS] & SYN) and locate(frame) is not None
    where = locate(frame)
    return where is not None and bool(frame[where.start + 13] & SYN)


def parse(frame: bytes) -> Parsed | None:
    """The segment of a frame, with the numbers of the wire; None where there is none."""
    where = locate(frame)
    if where is None:
        return None
    source, target, seq, ack, bits, window, _, urgent = _TCP.unpack_from(frame, where.start)
    header = where.start + 4 * (bits >> 12)
    if not where.start + 20 <= header <= where.end:
        return None
    segment = Segment(
        flags=bits & 0x1FF,
        seq=seq,
        ack=ack,
        window=window,
        urgent=urgent,
        reserved=bits >> 9 & 7,
        options=decode_options(frame[where.start + 20 : header]),
        data=frame[header : where.end],
    )
    return Parsed(where.version, source, target, segment)


def corrupted(frame: bytes) -> bytes:
    """The frame with the lowest bit of its last byte turned over, or of its checksum where it carries no data."""
    where = locate(frame)
    if where is None:
        return frame
    header = where.start + 4 * (frame[where.start + 12] >> 4)
    place = where.end - 1 if where.end > header else where.start + _CHECKSUM
    return frame[:place] + bytes((frame[place] ^ 1,)) + frame[place + 1 :]


def asks_for(target_mac: str, target: str, sender_mac: str, sender: str) -> bytes:
    """A neighbour request (RFC 826) as one side would send it to the other, which always answers it, and in order."""
    own, their = (bytes.fromhex(mac.replace(":", "")) for mac in (sender_mac, target_mac))
    addresses = [bytes(map(int, host.split("."))) for host in (sender, target)]
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + own + addresses[0] + bytes(6) + addresses[1]
    return their + own + _ARP + body


def is_neighbour_answer(frame: bytes) -> bool:
    """Whether the frame answers a neighbour request."""
    return frame[12:14] == _ARP and frame[20:22] == b"\x00\x02"


class Tracked(NamedTuple):
    """A segment in relative numbers, and its connection's number on the path."""

    connection: int
    segment: Segment


@dataclass(slots=True)
class _Origins:
    """What the numbers of one connection are counted from, by side; a side that has not spoken has none."""

    number: int
    isn: dict[Side, int] = field(default_factory=dict)
    timestamp: dict[Side, int] = field(default_factory=dict)


class Tracker:
    """Numbers connections in the order of their first SYN, and translates segments to relative numbers.

    What began before it looked belongs to connection 0 and keeps the numbers of the wire.
    """

    def __init__(self) -> None:
        self.count = 0
        self._known: dict[tuple[int, int, int], _Origins] = {}

    def read(self, side: Side, frame: bytes) -> Tracked | None:
        """The segment of a frame that came from ``side``; None where it holds none."""
        parsed = parse(frame)
        if parsed is None:
            return None
        ports = (parsed.sender, parsed.receiver) if side is Side.CLIENT else (parsed.receiver, parsed.sender)
        key = (parsed.version, *ports)
        segment = parsed.segment
        origins = self._known.get(key)
        if segment.flags & SYN:
            origins = self._opened(key, origins, side, segment)
        if origins is None:
            return Tracked(0, segment)
        stamp = segment.option("TS")
        if stamp is not None and stamp.values:
            # so that the first is 1: an echo of 0 means that there is nothing to echo yet (RFC 7323 3.2)
            origins.timestamp.setdefault(side, add(stamp.values[0], -1))
        return Tracked(origins.number, _relative(origins, side, segment))

    def _opened(self, key: tuple[int, int, int], origins: _Origins | None, side: Side, segment: Segment) -> _Origins:
        # a retransmitted SYN bears the number of the first; another one opens a new connection over the same ports
        again = origins is not None and origins.isn.get(side, segment.seq) == segment.seq
        if origins is None or not (again or segment.flags & ACK):
            self.count += 1
            origins = self._known[key] = _Origins(self.count)
        origins.isn[side] = segment.seq
        return origins


def _relative(origins: _Origins, side: Side, segment: Segment) -> Segment:
    own, other = origins.isn.get(side), origins.isn.get(side.other)
    mine, theirs = origins.timestamp.get(side), origins.timestamp.get(side.other)

    def option(one: Option) -> Option:
        if one.name == "sack":
            return Option("sack", tuple(relative(edge, other) for edge in one.values))
        if one.name == "TS" and one.values:
            value, echo = one.values
            return Option("TS", (relative(value, mine), relative(echo, theirs) if echo else 0))
        return one

    return msgspec.structs.replace(
        segment,
        seq=relative(segment.seq, own),
        ack=relative(segment.ack, other) if segment.flags & ACK else segment.ack,
        options=tuple(map(option, segment.options)),
    )
