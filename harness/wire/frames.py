"""Segments as frames: scapy builds the headers of a lab once, the rest is patched in."""

from __future__ import annotations

import functools
import socket
import struct
from typing import NamedTuple

from scapy.config import conf
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from harness.errors import FinwaitError
from harness.tcp.ip import ETHERNET, Envelope, internet_checksum
from harness.tcp.options import encode_options
from harness.tcp.segment import WRONG_CHECKSUM, Segment, check_range
from harness.wire.decode import PSEUDO, TCP_HEADER
from netns.plan import Plan

# scapy reads the machine's routes and interfaces for the addresses that a layer leaves open; ours leaves none open.
conf.route = conf.route6 = None


_WORD, _LENGTH = struct.Struct("!H"), struct.Struct("!I")
_NOBODY = "00:00:00:00:00:00"


class Flow(NamedTuple):
    """The two ends of a connection: IP version, the peer's port and the kernel's."""

    version: int
    peer_port: int
    kernel_port: int


@functools.cache
def _headers(version: int) -> bytes:
    """A frame as far as all have it in common; building one takes longer than the handshake."""
    network = IP(src="0.0.0.0", dst="0.0.0.0") if version == 4 else IPv6(src="::", dst="::")  # noqa: S104  (none yet)
    return bytes(Ether(src=_NOBODY, dst=_NOBODY) / network / TCP())


def _packed(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


class Encoder:
    """Turns segments with wire numbers into frames of the peer's."""

    def __init__(self, plan: Plan, flow: Flow) -> None:
        whole = _headers(flow.version)
        self._flow = flow
        family, begin = (socket.AF_INET, 12) if flow.version == 4 else (socket.AF_INET6, 8)
        addresses = b"".join(socket.inet_pton(family, end.address(flow.version)) for end in (plan.peer, plan.kernel))
        self._ethernet = _packed(plan.kernel.mac) + _packed(plan.peer.mac) + whole[12:ETHERNET]
        self._network = whole[ETHERNET : ETHERNET + begin] + addresses
        # RFC 9293 3.1 and RFC 8200 8.1; the length is the only part that changes
        self._pseudo = addresses + struct.pack("!xxxB", socket.IPPROTO_TCP)

    def encode(self, segment: Segment) -> bytes:
        """The frame for a segment with wire numbers; deliberate faults in its header are kept.

        Raises:
            FinwaitError: a number that does not fit its field.
        """
        check_range("length of data", len(segment.data), 16)
        header = self._tcp_header(segment) + segment.data
        check_range("length of the segment", len(header) + 20, 16)
        return self._ethernet + self._network_header(len(header), segment.flow_label) + header

    def _tcp_header(self, segment: Segment) -> bytes:
        options = _option_bytes(segment)
        offset = 5 + len(options) // 4 if segment.data_offset is None else segment.data_offset
        fields = (
            self._flow.peer_port,
            self._flow.kernel_port,
            check_range("seq", segment.seq, 32),
            check_range("ack", segment.ack, 32),
            (check_range("data_offset", offset, 4) << 12)
            | (check_range("reserved", segment.reserved, 3) << 9)
            | check_range("flags", segment.flags, 9),
            check_range("window", segment.window, 16),
        )
        urgent = check_range("urgent", segment.urgent, 16)
        bare = TCP_HEADER.pack(*fields, 0, urgent) + options
        right = internet_checksum(self._pseudo + _LENGTH.pack(len(bare) + len(segment.data)) + bare + segment.data)
        return bare[:16] + _WORD.pack(_chosen_checksum(segment.checksum, right)) + bare[18:]

    def _network_header(self, payload: int, flow_label: int) -> bytes:
        if self._flow.version == 6:
            word = (6 << 28) | check_range("flow_label", flow_label, 20)
            return _LENGTH.pack(word) + _WORD.pack(payload) + self._network[6:]
        if flow_label:
            raise FinwaitError("IPv4 has no flow label in its header", hint="ip_version 6")
        bare = self._network[:2] + _WORD.pack(20 + payload) + self._network[4:10] + b"\0\0" + self._network[12:]
        return bare[:10] + _WORD.pack(internet_checksum(bare)) + bare[12:]


def without_tcp(plan: Plan, version: int, protocol: int, content: bytes, checksum_at: int) -> bytes:
    """The frame of a packet of the peer's that holds something else than TCP.

    Args:
        plan: the lab's addresses.
        version: of IP.
        protocol: what it holds: UDP, ICMP or ICMPv6.
        content: the header of that and what is behind it, with zeros for a checksum.
        checksum_at: where in it the checksum stands.

    Raises:
        FinwaitError: more content than a packet can have.
    """
    check_range("length of the packet", len(content) + 20, 16)
    usual = Encoder(plan, Flow(version, 0, 0)).encode(Segment(flags=0))
    ethernet, header = usual[:ETHERNET], usual[ETHERNET : -TCP_HEADER.size]
    # RFC 792 sums up the message alone; RFC 768, and RFC 8200 8.1 for ICMPv6, the pseudo-header too
    addresses = header[12:] if version == 4 else header[8:]
    pseudo = b"" if protocol == socket.IPPROTO_ICMP else addresses + PSEUDO.pack(protocol, len(content))
    right = internet_checksum(pseudo + content) or (0xFFFF if protocol == socket.IPPROTO_UDP else 0)
    whole = content[:checksum_at] + _WORD.pack(right) + content[checksum_at + 2 :]
    if version == 4:
        return Envelope().dress(ethernet + header[:9] + bytes((protocol,)) + header[10:] + whole)
    return ethernet + header[:4] + struct.pack("!HB", len(whole), protocol) + header[7:] + whole


def _option_bytes(segment: Segment) -> bytes:
    raw = segment.raw_options
    if raw is None:
        return encode_options(segment.options)
    if len(raw) > 40:
        what, why = f"raw_options of {len(raw)} bytes do not fit", "a TCP header has 40 bytes for options"
        raise FinwaitError(what, why=why, hint="passing what follows the header as data")
    # beside a data offset of the scenario's own nothing is added either
    return raw if segment.data_offset is not None else raw + bytes(-len(raw) % 4)


def _chosen_checksum(chosen: int | None, right: int) -> int:
    if chosen is None:
        return right
    if chosen == WRONG_CHECKSUM:
        return (right + 1) % 2**16
    return check_range("checksum", chosen, 16)
