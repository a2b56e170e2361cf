"""Datagrams of UDP, to the kernel under test and from it. Pure."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

from harness.packetdrill.comparing import SeenPacket
from harness.packetdrill.script import UdpPacket
from harness.packetdrill.settings import RunOptions
from harness.packetdrill.tested import TestedSocket
from harness.wire.frames import without_tcp
from netns.plan import Plan

HEADER = struct.Struct("!HHHH")
"""Ports of source and destination, length and checksum (RFC 768)."""


def octets(source: int, target: int, length: int) -> bytes:
    """A header without a checksum, and as many zeros."""
    return HEADER.pack(source, target, HEADER.size + length, 0) + bytes(length)


def encode(packet: UdpPacket, tested: TestedSocket, plan: Plan, options: RunOptions) -> bytes:
    """The frame of an inbound datagram.

    A socket that has sent none yet is reached as one that was bound: packetdrill sends such a datagram to no port.
    """
    source, target = packet.ports or (0, 0)
    source = source or tested.remote_port or options.connect_port
    target = target or tested.local_port or options.bind_port
    content = octets(source, target, packet.length)
    return without_tcp(plan, options.version, socket.IPPROTO_UDP, content, checksum_at=6)


def belongs(seen: SeenPacket, tested: TestedSocket) -> bool:
    """Whether a datagram of the kernel's is the socket's under test, whose port is then known."""
    source, target = HEADER.unpack_from(seen.content)[:2]
    if tested.protocol != socket.IPPROTO_UDP or target != tested.remote_port:
        return False
    if tested.opens:
        tested.local_port = source
    return bool(source == tested.local_port)


def differences(packet: UdpPacket, seen: SeenPacket) -> Iterator[str]:
    """What differs between a script's datagram and the kernel's; its ports are not looked at."""
    data = seen.content[HEADER.size :]
    if len(data) != packet.length:
        yield f"length: {len(data)}, not {packet.length}"
    if any(data):
        yield "data: not all zeros"


def text(seen: SeenPacket) -> str:
    """A datagram of the kernel's as a script has it."""
    return f"udp ({len(seen.content) - HEADER.size})"
