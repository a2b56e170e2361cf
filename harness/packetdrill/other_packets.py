"""Packets of a script that are no segments: UDP and ICMP, to the kernel under test and from it. Pure."""

from __future__ import annotations

import socket

from harness.packetdrill import datagrams, echoes
from harness.packetdrill.comparing import SeenPacket, ip_differences
from harness.packetdrill.encapsulation import unwrapped
from harness.packetdrill.script import IcmpPacket, Packet, TcpPacket, UdpPacket
from harness.packetdrill.settings import RunOptions
from harness.packetdrill.tested import TestedSocket
from harness.tcp.ip import header_of
from harness.wire import icmp
from harness.wire.decode import locate
from netns.plan import Plan


def protocols(packet: Packet, version: int) -> tuple[int, ...]:
    """Of which protocols a socket can be that a packet belongs to."""
    match packet:
        case TcpPacket():
            return (socket.IPPROTO_TCP,)
        case UdpPacket():
            return (socket.IPPROTO_UDP,)
    return socket.IPPROTO_TCP, socket.IPPROTO_UDP, icmp.PROTOCOLS[version]


def encode(packet: UdpPacket | IcmpPacket, tested: TestedSocket, plan: Plan, options: RunOptions) -> bytes:
    """The frame of an inbound packet, without what the script says of IP.

    Raises:
        FinwaitError: a message of ICMP that there is none of.
    """
    if isinstance(packet, UdpPacket):
        return datagrams.encode(packet, tested, plan, options)
    return echoes.encode(packet, tested, plan, options.version)


def take(
    data: bytes, at: int, packet: UdpPacket | IcmpPacket, tested: TestedSocket, options: RunOptions
) -> SeenPacket | None:
    """A frame of the kernel's as a packet of this kind that belongs to the socket under test; None where it is none."""
    seen = seen_in(data, at, packet, options.version)
    if seen is None:
        return None
    datagram = isinstance(packet, UdpPacket)
    own = datagrams.belongs(seen, tested) if datagram else echoes.belongs(seen, tested, options.remote[0])
    return seen if own else None


def seen_in(data: bytes, at: int, packet: UdpPacket | IcmpPacket, version: int) -> SeenPacket | None:
    """A frame as a packet of this kind, whose ever it is; None where it is none."""
    outer, inner = unwrapped(data)
    where = locate(inner, socket.IPPROTO_UDP if isinstance(packet, UdpPacket) else icmp.PROTOCOLS[version])
    if where is None or where.version != version:
        return None
    content = inner[where.start : where.end]
    return SeenPacket(header=header_of(inner), flow_label=where.flow_label, outer=outer, at=at, content=content)


def complaint(packet: UdpPacket | IcmpPacket, seen: SeenPacket, tested: TestedSocket) -> str:
    """What differs between a script's packet and the kernel's; empty where nothing does.

    Raises:
        FinwaitError: a message of ICMP that there is none of.
    """
    if isinstance(packet, UdpPacket):
        differences = datagrams.differences(packet, seen)
    else:
        differences = echoes.differences(packet, seen, tested)
    return "; ".join([*differences, *ip_differences(packet, seen, tested)])


def text(packet: UdpPacket | IcmpPacket, seen: SeenPacket) -> str:
    """A packet of the kernel's as a script has it."""
    return datagrams.text(seen) if isinstance(packet, UdpPacket) else echoes.text(seen)
