"""Puts segments together that came in fragments of IP (RFC 791 3.2, RFC 8200 4.5), of a few at a time. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.capture.files import CapturedFrame
from harness.capture.packets import RAW_IP, extension_end, network_of

_MOST = 64
"""Datagrams that are waited for; the oldest gives way."""

_LONGEST = 65535
_V4_HEADER, _V6_HEADER, _FRAGMENT_HEADER = 20, 40, 8
_LENGTH, _IDENTIFICATION = struct.Struct("!H"), struct.Struct("!I")

_Key = tuple[bytes, int]
"""The addresses of a datagram, and its identification."""


class _Fragment(NamedTuple):
    """A part of a datagram.

    Args:
        key: which.
        head: its IP header.
        begin: where its octets lie in the datagram.
        end: where they end on the wire; the capture may hold fewer.
        last: whether none is behind it.
        data: the octets that were captured.
    """

    key: _Key
    head: bytes
    begin: int
    end: int
    last: bool
    data: bytes


@dataclass
class Fragments:
    """The datagrams of which some fragments have come; ``joined`` counts those that are whole."""

    joined: int = 0
    _waiting: dict[_Key, list[_Fragment]] = field(default_factory=dict)

    def whole(self, frame: CapturedFrame) -> tuple[CapturedFrame, int] | None:
        """The datagram that a fragment makes whole, as raw IP, and how many fragments it had; None where it does not.

        Args:
            frame: of which ``packet_of`` says that it holds a fragment.
        """
        found = _fragment(frame)
        if found is None:
            return None
        known = self._waiting.setdefault(found.key, [])
        if all(one.begin != found.begin for one in known):  # one that was captured twice is there once
            known.append(found)
        if sum(one.end - one.begin for one in known) > _LONGEST:  # they overlap, and take memory
            del self._waiting[found.key]
            return None
        if len(self._waiting) > _MOST:
            del self._waiting[next(iter(self._waiting))]
        parts = sorted(known, key=lambda one: one.begin)
        if not _complete(parts):
            return None
        del self._waiting[found.key]
        self.joined += 1
        return _joined(frame, parts), len(parts)


def _fragment(frame: CapturedFrame) -> _Fragment | None:
    data, start = frame.data, network_of(frame.link, frame.data)
    if isinstance(start, str):
        return None
    if data[start] >> 4 == 4:
        where, begin = _LENGTH.unpack_from(data, start + 6)[0], start + 4 * (data[start] & 15)
        end, place = start + _LENGTH.unpack_from(data, start + 2)[0], (where & 0x1FFF) * 8
        key = data[start + 12 : start + 20], _LENGTH.unpack_from(data, start + 4)[0]
        head, more = data[start : start + _V4_HEADER], where & 0x2000
    else:
        at = extension_end(data, start)
        begin, end = at + _FRAGMENT_HEADER, start + _V6_HEADER + _LENGTH.unpack_from(data, start + 4)[0]
        if len(data) < begin:
            return None
        where = _LENGTH.unpack_from(data, at + 2)[0]
        place, more = where & 0xFFF8, where & 1
        key = data[start + 8 : start + 40], _IDENTIFICATION.unpack_from(data, at + 4)[0]
        head = data[start : start + 6] + data[at : at + 1] + data[start + 7 : start + 40]
    size = end - begin
    if size <= 0 or place + size > _LONGEST or (more and size % 8):
        return None
    return _Fragment(key, head, place, place + size, not more, data[begin:end])


def _complete(parts: list[_Fragment]) -> bool:
    """Whether they lie side by side from the first octet to the last; what overlaps is nobody's datagram."""
    ends = [0, *(one.end for one in parts)]
    return parts[-1].last and all(one.begin == end for one, end in zip(parts, ends, strict=False))


def _joined(frame: CapturedFrame, parts: list[_Fragment]) -> CapturedFrame:
    head, size = bytearray(parts[0].head), parts[-1].end
    if head[0] >> 4 == 4:
        head[0] = 0x45
        _LENGTH.pack_into(head, 2, min(_LONGEST, _V4_HEADER + size))
        head[6:8] = bytes(2)
    else:
        _LENGTH.pack_into(head, 4, size)
    data = b""
    for one in parts:
        if one.begin == len(data):  # behind what the snap length cut nothing has its place
            data += one.data
    return CapturedFrame(frame.number, frame.at, RAW_IP, bytes(head) + data, len(head) + size)
