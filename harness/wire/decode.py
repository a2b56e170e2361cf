"""Takes frames apart, with struct: TCP over IPv4 or IPv6, and what a drain ends by. Pure, and quick to import.

A general dissector takes about twenty times as long for a segment.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from harness.tcp.ip import ETHERNET, FLOW_LABEL
from harness.tcp.options import decode_options
from harness.tcp.segment import Segment

_IPV4, _IPV6, _ARP = b"\x08\x00", b"\x86\xdd", b"\x08\x06"
MORE_OR_OFFSET = 0x3FFF
"""Of IPv4: a fragment has the MF bit or an offset (RFC 791 3.1)."""

_LENGTH = struct.Struct("!H")
PSEUDO = struct.Struct("!xxxBI")
"""What the pseudo-header has behind the addresses: protocol, length (RFC 8200 8.1; to the sum as RFC 9293 3.1)."""

TCP_HEADER = struct.Struct("!HHIIHHHH")


_LEAST = {socket.IPPROTO_TCP: TCP_HEADER.size}
_LEAST_OF_OTHERS = 8  # UDP's header, and as much of ICMP as every message has (RFC 768, RFC 792, RFC 4443 2.1)


class Located(NamedTuple):
    """Where what IP carries begins and ends in a frame; padding may follow. The addresses are as in the IP header."""

    version: int
    start: int
    end: int
    addresses: bytes
    flow_label: int = 0


class Decoded(NamedTuple):
    """IP version, the ports as sender and receiver have them, and the segment with the numbers of the wire."""

    version: int
    source: int
    target: int
    segment: Segment


def locate(data: bytes, protocol: int = socket.IPPROTO_TCP) -> Located | None:
    """Where an Ethernet frame's TCP segment lies; None where it holds none, a fragment, or no whole header of TCP.

    Args:
        data: the frame.
        protocol: UDP, ICMP or ICMPv6 instead of TCP.
    """
    kind = data[12:ETHERNET]
    if kind == _IPV4 and len(data) >= ETHERNET + 20:
        words = data[ETHERNET] & 15
        start, end = ETHERNET + 4 * words, ETHERNET + _LENGTH.unpack_from(data, 16)[0]
        found = data[23] == protocol and words >= 5
        found = found and not _LENGTH.unpack_from(data, 20)[0] & MORE_OR_OFFSET
        version, addresses, label = 4, data[26:34], 0
    elif kind == _IPV6 and len(data) >= ETHERNET + 40:
        start = ETHERNET + 40
        end = start + _LENGTH.unpack_from(data, 18)[0]
        found = data[20] == protocol
        version, addresses, label = 6, data[22:54], int.from_bytes(data[15:18], "big") & FLOW_LABEL
    else:
        return None
    end = min(end, len(data))
    whole = start + _LEAST.get(protocol, _LEAST_OF_OTHERS) <= end
    return Located(version, start, end, addresses, label) if found and whole else None


def decode(data: bytes) -> Decoded | None:
    """The segment of an Ethernet frame; None where ``locate`` finds none.

    What is wrong about it stands in the segment: a checksum (RFC 9293 3.1), and a data offset that the header cannot
    have.
    """
    where = locate(data)
    if where is None:
        return None
    return taken_apart(data[where.start : where.end], where.version, where.addresses, where.flow_label)


def taken_apart(raw: bytes, version: int, addresses: bytes, flow_label: int = 0) -> Decoded:
    """The segment of at least 20 bytes that an IP packet holds; its addresses are as in the IP header."""
    source, target, seq, ack, bits, window, checksum, urgent = TCP_HEADER.unpack_from(raw)
    offset = bits >> 12
    header = max(TCP_HEADER.size, min(4 * offset, len(raw)))
    segment = Segment(
        flags=bits & 0x1FF,
        seq=seq,
        ack=ack,
        window=window,
        urgent=urgent,
        reserved=bits >> 9 & 7,
        options=decode_options(raw[TCP_HEADER.size : header]),
        data=raw[header:],
        checksum=None if _sums_up(addresses + PSEUDO.pack(socket.IPPROTO_TCP, len(raw)) + raw) else checksum,
        data_offset=None if header == 4 * offset else offset,
        flow_label=flow_label,
    )
    return Decoded(version, source, target, segment)


def _sums_up(content: bytes) -> bool:
    """Whether the Internet checksum over the content, its own field included, is right (RFC 1071 1)."""
    # 2**16 is 1 modulo 0xFFFF, so the number itself has the ones' complement sum of its words as remainder
    padded = content + b"\0" if len(content) % 2 else content
    return int.from_bytes(padded, "big") % 0xFFFF == 0


def answered_neighbour(data: bytes) -> bytes | None:
    """The IPv4 address that a frame answers a neighbour request from (RFC 826); None where it is no such answer."""
    return data[28:32] if data[12:ETHERNET] == _ARP and data[20:22] == b"\0\2" else None
