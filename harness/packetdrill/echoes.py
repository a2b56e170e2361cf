"""Messages of ICMP by packetdrill's names, to the kernel under test and from it. Pure."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from harness.errors import FinwaitError
from harness.packetdrill import datagrams
from harness.packetdrill.comparing import SeenPacket
from harness.packetdrill.script import EchoedPart, IcmpPacket
from harness.packetdrill.tested import TestedSocket
from harness.tcp.ip import ETHERNET
from harness.tcp.segment import ACK, SYN, Segment, add
from harness.wire import icmp
from harness.wire.decode import TCP_HEADER, locate
from harness.wire.frames import Encoder, Flow, without_tcp
from netns.plan import Plan

# fmt: off
_TYPES = {
    4: {
        "echo_reply": 0, "unreachable": 3, "source_quench": 4, "redirect": 5, "echo_request": 8, "time_exceeded": 11,
        "parameter_problem": 12, "timestamp_request": 13, "timestamp_reply": 14, "information_request": 15,
        "information_reply": 16, "address_mask_request": 17, "address_mask_reply": 18,
    },
    6: {
        "unreachable": 1, "packet_too_big": 2, "time_exceeded": 3, "parameter_problem": 4, "echo_request": 128,
        "echo_reply": 129,
    },
}
_CODES = {
    (4, 3): {
        "net_unreachable": 0, "host_unreachable": 1, "protocol_unreachable": 2, "port_unreachable": 3, "frag_needed": 4,
        "source_route_failed": 5, "net_unknown": 6, "host_unknown": 7, "source_host_isolated": 8, "net_prohibited": 9,
        "host_prohibited": 10, "net_unreachable_for_tos": 11, "host_unreachable_for_tos": 12, "packet_filtered": 13,
        "precedence_violation": 14, "precedence_cutoff": 15,
    },
    (6, 1): {
        "net_unreachable": 0, "no_route": 0, "admin_prohibited": 1, "not_neighbour": 2, "address_unreachable": 3,
        "port_unreachable": 4,
    },
    (6, 3): {"exceeded_hop_limit": 0, "exceeded_frag_time": 1},
    (6, 4): {"header_field": 0, "unknown_next_header": 1, "unknown_option": 2},
}
_NONE: Mapping[str, int] = {}
# fmt: on
ECHO_REQUESTS = {4: 8, 6: 128}
"""The type that a ping has, by version of IP (RFC 792, RFC 4443 4.1)."""

_QUOTED = 8
"""How much of a header an error echoes (RFC 792)."""


def numbers(packet: IcmpPacket, version: int) -> tuple[int, int]:
    """Type and code of a script's message.

    Raises:
        FinwaitError: this IP version has no such message, or it has no MTU.
    """
    kind = _number(packet.kind, "type_", _TYPES[version])
    codes = _CODES.get((version, _TYPES[version].get(packet.kind, -1)), _NONE)
    code = 0 if packet.code is None else _number(packet.code, "code_", codes)
    what = f"line {packet.line}: icmp {packet.kind} {packet.code or ''}".rstrip()
    if kind is None or code is None:
        raise FinwaitError(
            f"{what} is none of ICMP for IPv{version}", hint=", ".join(codes if kind else _TYPES[version])
        )
    if packet.mtu is not None and (kind, code) not in icmp.KINDS["packet too big"]:
        hint = "unreachable frag_needed" if version == 4 else "packet_too_big"
        raise FinwaitError(f"{what} has no MTU in ICMP for IPv{version}", hint=hint)
    return kind, code


def _number(name: str, prefix: str, known: Mapping[str, int]) -> int | None:
    if name.startswith(prefix) and name.removeprefix(prefix).isdecimal():
        return int(name.removeprefix(prefix)) % 256
    return known.get(name)


def encode(packet: IcmpPacket, tested: TestedSocket, plan: Plan, version: int) -> bytes:
    """The frame of an inbound message.

    Raises:
        FinwaitError: this IP version has no such message, or it is shorter than its header.
    """
    rest = (packet.echo_id or 0) << 16 | (packet.mtu or 0)
    echoed = packet.echoed or EchoedPart(line=packet.line, column=packet.column, protocol="tcp", length=0)
    if echoed.protocol == "raw":
        if echoed.length < icmp.HEADER.size:
            what = f"line {packet.line}: a message of ICMP has {icmp.HEADER.size} octets at least"
            raise FinwaitError(what, why=f"raw ({echoed.length})")
        content = bytes(echoed.length - icmp.HEADER.size)
    else:
        content = _quoted(echoed, tested, plan, version)
    return icmp.message(plan, version, numbers(packet, version), rest, content)


def _quoted(echoed: EchoedPart, tested: TestedSocket, plan: Plan, version: int) -> bytes:
    """What the kernel's packet that an error is about begins with."""
    back, ports = icmp.turned(plan), (tested.local_port, tested.remote_port)
    if echoed.protocol == "udp":
        udp = datagrams.octets(*ports, echoed.length)
        about = without_tcp(back, version, socket.IPPROTO_UDP, udp, checksum_at=6)
    else:
        seq = add(echoed.start, tested.local_offset(syn=False))
        about = Encoder(back, Flow(version, *ports)).encode(Segment(flags=ACK, seq=seq, data=bytes(echoed.length)))
    return about[ETHERNET:][: icmp.HEADERS[version] + _QUOTED]


class _Quoted(NamedTuple):
    """What an error of the kernel's echoes of a packet that was sent to it, and how long that was without IP."""

    protocol: int
    content: bytes
    length: int


def _quoted_by(seen: SeenPacket) -> _Quoted | None:
    """What a message of the kernel's quotes; None where that is no packet of TCP or UDP."""
    version = seen.header.version
    packet = seen.content[icmp.HEADER.size :]
    inside = bytes(12) + (b"\x08\x00" if version == 4 else b"\x86\xdd") + packet
    for protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        if (where := locate(inside, protocol)) is not None:
            length = (
                int.from_bytes(packet[2:4]) - (where.start - ETHERNET) if version == 4 else int.from_bytes(packet[4:6])
            )
            return _Quoted(protocol, inside[where.start : where.end], length)
    return None


def belongs(seen: SeenPacket, tested: TestedSocket, remote: str) -> bool:
    """Whether a message of the kernel's belongs to the socket under test: its own, or an error about its protocol."""
    if seen.header.target != remote:
        return False
    if tested.protocol in icmp.PROTOCOLS.values():
        return True
    quoted = _quoted_by(seen)
    return quoted is not None and quoted.protocol == tested.protocol


def differences(packet: IcmpPacket, seen: SeenPacket, tested: TestedSocket) -> Iterator[str]:
    """What differs between a script's message and the kernel's.

    Of a socket of ICMP the length is held to, as packetdrill does. An error about a packet that was sent to another
    socket, for which packetdrill waits in vain, is held to its MTU, where the script has one, and to what it echoes.
    """
    version = seen.header.version
    wanted = numbers(packet, version)
    kind, code, _, rest = icmp.HEADER.unpack_from(seen.content)
    if (kind, code) != wanted:
        yield f"type and code: {kind} and {code}, not {wanted[0]} and {wanted[1]}"
    echoed = packet.echoed
    if tested.protocol in icmp.PROTOCOLS.values():
        usual = icmp.HEADER.size + icmp.HEADERS[version] + _QUOTED
        due = echoed.length if echoed is not None and echoed.protocol == "raw" else usual
        if len(seen.content) != due:
            yield f"length: {len(seen.content)}, not {due}"
        return
    if packet.mtu is not None and rest != packet.mtu:
        yield f"mtu: {rest}, not {packet.mtu}"
    if echoed is not None and echoed.protocol != "raw":
        yield from _echo_differences(echoed, _quoted_by(seen), tested)


def _echo_differences(echoed: EchoedPart, quoted: _Quoted | None, tested: TestedSocket) -> Iterator[str]:
    protocol = socket.IPPROTO_TCP if echoed.protocol == "tcp" else socket.IPPROTO_UDP
    if quoted is None or quoted.protocol != protocol:
        yield f"echoed: no packet of {echoed.protocol}"
        return
    header = datagrams.HEADER.size
    if protocol == socket.IPPROTO_TCP:
        seq, _, bits = TCP_HEADER.unpack_from(quoted.content)[2:5]
        seq = add(seq, -tested.remote_offset(syn=bool(bits & SYN)))
        if seq != echoed.start:
            yield f"echoed seq: {seq}, not {echoed.start}"
        header = 4 * (quoted.content[12] >> 4)
    if quoted.length - header != echoed.length:
        yield f"echoed length: {quoted.length - header}, not {echoed.length}"


def text(seen: SeenPacket) -> str:
    """A message of the kernel's as a script has it."""
    kind, code = seen.content[:2]
    version = seen.header.version
    name = next((name for name, number in _TYPES[version].items() if number == kind), f"type_{kind}")
    codes = _CODES.get((version, kind), _NONE)
    more = next((f" {name}" for name, number in codes.items() if number == code), f" code_{code}" if code else "")
    return f"icmp {name}{more} ({len(seen.content)})"
