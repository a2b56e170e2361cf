"""Takes the frames apart that a lab sees thousands of: TCP over IPv4 without options or IPv6 without extensions. Pure.

A general dissector takes about twenty times as long, and is asked for everything else.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from harness.tcp.options import decode_options
from harness.tcp.segment import Segment

_ETHERNET = 14
_LEAST = _ETHERNET + 20 + 20  # the headers of Ethernet, IPv4 and TCP
_IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"
_PLAIN_IPV4 = 0x45  # version 4, five words of header (RFC 791 3.1)
_MORE_OR_OFFSET = 0x3FFF  # a fragment has the MF bit or an offset (RFC 791 3.1)
_TCP = struct.Struct("!HHIIHHHH")
_LENGTH = struct.Struct("!H")


class Dissected(NamedTuple):
    """IP version, the ports as in the header, and the segment with the numbers of the wire."""

    version: int
    source: int
    target: int
    segment: Segment


def plain(data: bytes) -> Dissected | None:
    """The segment of an Ethernet frame; None where it is no TCP or not of the plain kind.

    A checksum that is wrong (RFC 9293 3.1) stands in the segment, a right one does not.
    """
    kind = data[12:14] if len(data) >= _LEAST else b""
    if kind == _IPV4:
        start, size = _ETHERNET + 20, _LENGTH.unpack_from(data, 16)[0] - 20
        fragment = _LENGTH.unpack_from(data, 20)[0] & _MORE_OR_OFFSET
        usual = data[_ETHERNET] == _PLAIN_IPV4 and not fragment and data[23] == socket.IPPROTO_TCP
        version, addresses = 4, data[26:34]
    elif kind == _IPV6:
        start, size = _ETHERNET + 40, _LENGTH.unpack_from(data, 18)[0]
        usual = data[20] == socket.IPPROTO_TCP
        version, addresses = 6, data[22:54]
    else:
        return None
    raw = data[start : start + size]
    if not usual or len(raw) != size or size < _TCP.size:
        return None
    source, target, seq, ack, bits, window, checksum, urgent = _TCP.unpack_from(raw)
    header = 4 * (bits >> 12)
    if not _TCP.size <= header <= size:
        return None
    segment = Segment(
        flags=bits & 0x1FF,
        seq=seq,
        ack=ack,
        window=window,
        urgent=urgent,
        reserved=bits >> 9 & 7,
        options=decode_options(raw[20:header]),
        data=raw[header:],
        checksum=None if _sums_up(addresses + struct.pack("!HH", socket.IPPROTO_TCP, size) + raw) else checksum,
    )
    return Dissected(version, source, target, segment)


def _sums_up(content: bytes) -> bool:
    """Whether the Internet checksum over the content, its own field included, is right (RFC 1071 1)."""
    # 2**16 is 1 modulo 0xFFFF, so the number itself has the ones' complement sum of its words as remainder
    padded = content + b"\0" if len(content) % 2 else content
    return int.from_bytes(padded, "big") % 0xFFFF == 0
