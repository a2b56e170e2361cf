"""The segments that most frames of a large capture are, taken apart at once. Pure.

That is data or an ACK, over Ethernet and IPv4 without options of IP, with no option of TCP but timestamps: one look at
the headers has all of it, in half the time that ``packet_of`` takes for any frame.
"""

from __future__ import annotations

import socket
import struct
from functools import lru_cache
from typing import NamedTuple

from harness.capture.files import CapturedFrame
from harness.tcp.ip import ETHERNET
from harness.tcp.options import Option, decode_options
from harness.tcp.segment import ACK, PSH
from harness.wire.decode import MORE_OR_OFFSET

_LINK = 1
_V4 = b"\x08\x00\x45"  # the type, and a header of five words
_PLACE = 12  # of these
_PSH, _PSH_ACK = int(PSH), int(PSH | ACK)
_TCP = int(socket.IPPROTO_TCP)
_IP = ETHERNET + 2  # where its length stands
_NAMES = ETHERNET + 12  # where its addresses begin, which the checksum of TCP covers, and right behind them the ports
_SEGMENT = ETHERNET + 20
_HEADERS = struct.Struct("!HHHxBxx12sIIHHHH")
_LEAST = _SEGMENT + 20
_STAMPED = 32  # octets of a TCP header with timestamps (RFC 7323 appendix A)

blank = lru_cache(maxsize=256)(bytes)
"""So many zeros, in the place of data: what they are is not asked, and they take memory once."""


class UsualSegment(NamedTuple):
    """What such a frame holds, with the numbers of the wire.

    Args:
        flags: ACK, with PSH or without.
        data: as many zeros as it has octets of data.
        wrong_sum: the checksum, where it is wrong, as if octets that were cut off had been zeros; else None.
        cut: octets that the capture does not hold.
    """

    flags: int
    seq: int
    ack: int
    window: int
    options: tuple[Option, ...]
    data: bytes
    wrong_sum: int | None
    cut: int


def names_of(frame: CapturedFrame) -> bytes:
    """Addresses and ports of sender and receiver as they lie in such a frame; in any other frame something else."""
    return frame.data[_NAMES : _NAMES + 12]


def usual(frame: CapturedFrame) -> UsualSegment | None:
    """The segment of such a frame; None for every other, which may hold one as well."""
    data = frame.data
    if frame.link != _LINK or len(data) < _LEAST or data[_PLACE : _PLACE + 3] != _V4:
        return None
    length, _, fragment, protocol, _, seq, ack, bits, window, checksum, urgent = _HEADERS.unpack_from(data, _IP)
    header = bits >> 10 & 0x3C
    if (
        protocol != _TCP
        or bits & 0xFFF | _PSH != _PSH_ACK
        or (header != _STAMPED and header != _LEAST - _SEGMENT)
        or fragment & MORE_OR_OFFSET
        or urgent
    ):
        return None
    end, begin = ETHERNET + length, _SEGMENT + header
    if begin > end or begin > len(data):
        return None
    options: tuple[Option, ...] = ()
    if header == _STAMPED:
        options = decode_options(data[_LEAST:begin])
        if len(options) != 3 or options[2].name != "TS":
            return None
    cut = max(0, end - len(data))
    # to whole words, and as if what was cut off had been zeros; behind it the rest of the pseudo-header
    covered = int.from_bytes(data[_NAMES:end], "big") << 8 * (cut + length % 2)
    wrong = checksum if (covered + _TCP + end - _SEGMENT) % 0xFFFF else None
    return UsualSegment(bits & 0x1FF, seq, ack, window, options, blank(end - begin), wrong, cut)
