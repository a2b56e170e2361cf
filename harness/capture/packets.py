"""The TCP segment of a captured frame, whatever it travels in. Pure.

Link types are those of https://www.tcpdump.org/linktypes.html.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from harness.capture.files import CapturedFrame
from harness.tcp.ip import ETHERNET, FLOW_LABEL
from harness.tcp.segment import Segment
from harness.wire.decode import MORE_OR_OFFSET, TCP_HEADER, taken_apart

_V4, _V6 = 0x0800, 0x86DD
_TAGS = frozenset({0x8100, 0x88A8, 0x9100})  # IEEE 802.1Q, 802.1ad, and what came before it
_PPPOE, _PPP = 0x8864, {0x0021: _V4, 0x0057: _V6}
_ETHERNET, _COOKED, _COOKED2 = 1, 113, 276
RAW_IP = 101
_RAW = frozenset({12, 14, RAW_IP, 228, 229})
_LOOPBACK = frozenset({0, 108})
_FAMILIES = {2: _V4, 10: _V6, 24: _V6, 28: _V6, 30: _V6}  # AF_INET6 of Linux and the BSDs
_EXTENSIONS = frozenset({0, 43, 60, 135})  # hop-by-hop, routing, destination options, mobility (RFC 8200 4.1)
_FRAGMENT, _TCP = 44, socket.IPPROTO_TCP
FRAGMENT = "fragment"
"""What is said of a frame that holds a part of a segment alone."""
_V6_MORE_OR_OFFSET = 0xFFF9
_WORD = struct.Struct("!H")
# what most frames begin with is found in a quarter of the time: IPv4 without options
_USUAL, _USUAL_LEAST = b"\x08\x00\x45", ETHERNET + 40
_V4_LENGTH = struct.Struct("!HHH").unpack_from
_LONGEST = 1 << 18
"""More than a frame has that a network card still has to cut."""

SocketName = tuple[bytes, int]
"""Address, as the IP header has it, and port."""


class Packet(NamedTuple):
    """One TCP segment as it was captured, with the numbers of the wire.

    Args:
        number: of the frame in the file.
        at: ns since the epoch.
        source: address and port of the sender.
        target: those of the receiver.
        segment: what was captured; octets of data that the capture does not hold are zeros.
        cut: how many octets those are.
        identification: of the IPv4 header, 0 with IPv6: what is sent again has another.
    """

    number: int
    at: int
    source: SocketName
    target: SocketName
    segment: Segment
    cut: int = 0
    identification: int = 0


class Place(NamedTuple):
    """Where a segment lies in a frame.

    Args:
        network: where the IP header begins.
        version: of IP, 4 or 6.
        begin: where the TCP header begins.
        end: where the segment ends on the wire; the capture may hold less, or more: padding.
    """

    network: int
    version: int
    begin: int
    end: int

    def addresses(self, data: bytes | bytearray) -> bytes:
        """Those of the frame, as its IP header has them."""
        begin, end = (12, 20) if self.version == 4 else (8, 40)
        return bytes(data[self.network + begin : self.network + end])


def packet_of(frame: CapturedFrame) -> Packet | str:
    """The segment of a frame, or what it holds instead, in a word or two."""
    where = place_of(frame)
    if isinstance(where, str):
        return where
    data, (start, version, begin, end) = frame.data, where
    raw = data[begin:end]
    cut = end - begin - len(raw)
    if version == 4:
        half, addresses, label = 4, data[start + 12 : start + 20], 0
        identification = _WORD.unpack_from(data, start + 4)[0]
    else:
        half, addresses, identification = 16, data[start + 8 : start + 40], 0
        label = int.from_bytes(data[start + 1 : start + 4], "big") & FLOW_LABEL
    found = taken_apart(raw + bytes(cut) if cut > 0 else raw, version, addresses, label)
    source, target = (addresses[:half], found.source), (addresses[half:], found.target)
    return Packet(frame.number, frame.at, source, target, found.segment, max(0, cut), identification)


def place_of(frame: CapturedFrame) -> Place | str:
    """Where the segment of a frame lies, or what the frame holds instead, in a word or two."""
    data = frame.data
    if frame.link == _ETHERNET and len(data) >= _USUAL_LEAST and data[12:15] == _USUAL and data[23] == _TCP:
        length, _, fragment = _V4_LENGTH(data, 16)
        if length >= _USUAL_LEAST - ETHERNET and not fragment & MORE_OR_OFFSET:
            return Place(ETHERNET, 4, ETHERNET + 20, ETHERNET + length)
    start = network_of(frame.link, data)
    if isinstance(start, str):
        return start
    if len(data) <= start:
        return "nothing behind the link's header"
    where = _v4(frame, start) if data[start] >> 4 == 4 else _v6(frame, start) if data[start] >> 4 == 6 else "no IP"
    if isinstance(where, str):
        return where
    # a header that the snap length cut has no ports, or no flags
    whole = min(len(data), where.end) - where.begin >= TCP_HEADER.size
    return where if whole else "TCP header cut off"


def network_of(link: int, data: bytes) -> int | str:
    """Where the IP header begins."""
    if link in _RAW:
        return 0
    if link == _ETHERNET:
        return _behind_the_type(data, 12)
    if link == _COOKED:
        return _behind_the_type(data, 14)
    if link == _COOKED2:
        return _behind_the_type(data, 0, header=20)
    if link in _LOOPBACK:
        number = data[:4]
        known = {int.from_bytes(number, "little"), int.from_bytes(number, "big")} & _FAMILIES.keys()
        return 4 if known else "no IP"
    return f"link type {link}"


def _behind_the_type(data: bytes, at: int, header: int = 0) -> int | str:
    """Where the network header begins, behind a type at ``at`` and what tags it."""
    kind = int.from_bytes(data[at : at + 2], "big")
    start = header or at + 2
    while kind in _TAGS:
        kind = int.from_bytes(data[start + 2 : start + 4], "big")
        start += 4
    if kind == _PPPOE:
        kind = _PPP.get(int.from_bytes(data[start + 6 : start + 8], "big"), 0)
        start += 8
    if kind not in (_V4, _V6):
        return {0x0806: "ARP", 0x88CC: "LLDP"}.get(kind, "no IP")
    return start


def _v4(frame: CapturedFrame, start: int) -> Place | str:
    data = frame.data
    if len(data) < start + 20:
        return "IP header cut off"
    if data[start + 9] != _TCP:
        return _protocol(data[start + 9])
    if _WORD.unpack_from(data, start + 6)[0] & MORE_OR_OFFSET:
        return FRAGMENT
    if (words := data[start] & 15) < 5:
        return "no IP"
    begin = start + 4 * words
    # a frame that the network card was to cut has no length, or one that does not fit the field
    length = _WORD.unpack_from(data, start + 2)[0] or min(frame.length, _LONGEST) - start
    return Place(start, 4, begin, start + length)


def _v6(frame: CapturedFrame, start: int) -> Place | str:
    data = frame.data
    if len(data) < start + 40:
        return "IP header cut off"
    kind, begin = _extended(data, start)
    end = start + 40 + (_WORD.unpack_from(data, start + 4)[0] or min(frame.length, _LONGEST) - start - 40)
    if kind == _FRAGMENT and len(data) >= begin + 8:
        kind = data[begin]
        if kind == _TCP and _WORD.unpack_from(data, begin + 2)[0] & _V6_MORE_OR_OFFSET:
            return FRAGMENT
        begin += 8  # all of it in one fragment (RFC 6946)
    return Place(start, 6, begin, end) if kind == _TCP else _protocol(kind)


def extension_end(data: bytes, start: int) -> int:
    """Where the extension headers end that an IPv6 header may have before a fragment's, as far as they are there."""
    return _extended(data, start)[1]


def _extended(data: bytes, start: int) -> tuple[int, int]:
    kind, begin = data[start + 6], start + 40
    while kind in _EXTENSIONS and begin + 2 <= len(data):
        kind, begin = data[begin], begin + 8 * (data[begin + 1] + 1)
    return kind, begin


def _protocol(number: int) -> str:
    return {1: "ICMP", 17: "UDP", 58: "ICMP", 2: "IGMP", 132: "SCTP"}.get(number, f"IP protocol {number}")
