"""IP headers around segments: what the kernel's say, and deliberate ones for the peer's. Pure."""

from __future__ import annotations

import ipaddress
import struct

import msgspec

from harness.errors import FinwaitError
from harness.tcp.segment import check_range

ETHERNET = 14
"""Bytes of the header before that of IP."""

FLOW_LABEL = 0xFFFFF
"""The bits of the first word of an IPv6 header that hold the flow label (RFC 8200 3)."""

BROADCAST_MAC = "ff:ff:ff:ff:ff:ff"

_V4 = struct.Struct("!BBHHHBBH4s4s")
_V6 = struct.Struct("!IHBB16s16s")
_DONT_FRAGMENT = 0x4000
_MOST_OPTIONS = 40  # an IPv4 header has 15 words at most (RFC 791 3.1)


def internet_checksum(content: bytes) -> int:
    """The ones' complement of the ones' complement sum of the 16-bit words (RFC 1071 1)."""
    padded = content + b"\0" if len(content) % 2 else content
    # 2**16 is 1 modulo 0xFFFF, so the number itself has the sum of its words as remainder; only nothing sums up to zero
    number = int.from_bytes(padded)
    return 0xFFFF - (number % 0xFFFF or bool(number) * 0xFFFF)


class IpHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The IP header of a frame, as far as TCP has a say in it.

    Args:
        version: 4 or 6.
        source: address, as ``ipaddress`` prints it.
        target: likewise.
        traffic_class: type of service, or traffic class of IPv6: DSCP and the two ECN bits, 0 to 255.
        ttl: time to live, or hop limit of IPv6, 0 to 255.
        identification: of IPv4; 0 with IPv6, whose header has none.
        dont_fragment: of IPv4; True with IPv6, which no router fragments.
        options: the bytes of IPv4's options; empty with IPv6.
    """

    version: int
    source: str
    target: str
    traffic_class: int
    ttl: int
    identification: int = 0
    dont_fragment: bool = True
    options: bytes = b""

    @property
    def dscp(self) -> int:
        """The Differentiated Services codepoint, 0 to 63 (RFC 2474 3)."""
        return self.traffic_class >> 2

    @property
    def ecn(self) -> int:
        """The ECN codepoint: 0 not-ECT, 1 ECT(1), 2 ECT(0), 3 CE (RFC 3168 5)."""
        return self.traffic_class & 3


def header_of(frame: bytes) -> IpHeader:
    """The IP header of an Ethernet frame.

    Raises:
        FinwaitError: it has none.
    """
    packet = frame[ETHERNET:]
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= _V4.size:
        first, tos, _, number, fragment, ttl, _, _, source, target = _V4.unpack_from(packet)
        return IpHeader(
            version=4,
            source=str(ipaddress.IPv4Address(source)),
            target=str(ipaddress.IPv4Address(target)),
            traffic_class=tos,
            ttl=ttl,
            identification=number,
            dont_fragment=bool(fragment & _DONT_FRAGMENT),
            options=packet[_V4.size : 4 * (first & 0xF)],
        )
    if version == 6 and len(packet) >= _V6.size:
        word, _, _, hops, source, target = _V6.unpack_from(packet)
        return IpHeader(
            version=6,
            source=str(ipaddress.IPv6Address(source)),
            target=str(ipaddress.IPv6Address(target)),
            traffic_class=word >> 20 & 0xFF,
            ttl=hops,
        )
    raise FinwaitError(f"a frame of {len(frame)} bytes has no IP header", why="it is neither IPv4 nor IPv6")


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What is unusual in the IP header of a peer's segment.

    Args:
        source: address; None for the peer's own.
        target: address; None for that of the kernel under test.
        target_mac: link-layer address; None for that of the kernel under test.
        traffic_class: DSCP and ECN bits, 0 to 255.
        ttl: time to live or hop limit, 0 to 255.
        options: of IPv4, up to 40 bytes; padded to whole words with end-of-list.
    """

    source: str | None = None
    target: str | None = None
    target_mac: str | None = None
    traffic_class: int = 0
    ttl: int = 64
    options: bytes = b""

    def dress(self, frame: bytes) -> bytes:
        """The frame with this traffic class, ttl and these options; the addresses are in it already.

        Raises:
            FinwaitError: a number or the options do not fit, or options are given for IPv6.
        """
        check_range("traffic_class", self.traffic_class, 8)
        check_range("ttl", self.ttl, 8)
        packet = frame[ETHERNET:]
        if packet[0] >> 4 == 6:
            if self.options:
                raise FinwaitError("IPv6 has no options in its header", hint="ip_version 4")
            label = int.from_bytes(packet[:4], "big") & FLOW_LABEL
            word = (6 << 28) | (self.traffic_class << 20) | label
            return frame[:ETHERNET] + struct.pack("!I", word) + packet[4:7] + bytes((self.ttl,)) + packet[8:]
        return frame[:ETHERNET] + self._dress_v4(packet)

    def _dress_v4(self, packet: bytes) -> bytes:
        options = self.options + bytes(-len(self.options) % 4)
        if len(options) > _MOST_OPTIONS:
            raise FinwaitError(f"IP options of {len(options)} bytes do not fit", hint="40 at most")
        body = packet[4 * (packet[0] & 0xF) :]
        words = 5 + len(options) // 4
        bare = bytes((4 << 4 | words, self.traffic_class)) + struct.pack("!H", 4 * words + len(body))
        bare += packet[4:8] + bytes((self.ttl, packet[9], 0, 0)) + packet[12:20] + options
        return bare[:10] + struct.pack("!H", internet_checksum(bare)) + bare[12:] + body
