"""ICMP errors about the kernel's segments, and the peer's segments in unusual IP headers."""

from __future__ import annotations

import dataclasses
import socket
import struct
from collections.abc import Mapping
from typing import NamedTuple

from harness.errors import FinwaitError, Unsupported
from harness.tcp.ip import ETHERNET, Envelope
from harness.tcp.segment import Segment, check_range
from harness.wire.frames import Encoder, Flow, without_tcp
from netns.plan import Plan

WHOLE_HEADER = 20
"""How much of the segment an error quotes by default: its header without options; RFC 792 asks for 8 bytes."""


HEADERS = {4: 20, 6: 40}
"""Octets of the header of IP without options, by version."""

HEADER = struct.Struct("!BBHI")
"""Type, code, checksum and the rest of what every message begins with (RFC 792, RFC 4443 2.1)."""


PROTOCOLS = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
"""By version of IP."""


class IcmpKind(NamedTuple):
    """An ICMP error: type and code in ICMP (RFC 792, RFC 1122 3.2.2) and in ICMPv6 (RFC 4443 3); None for none."""

    v4: tuple[int, int] | None
    v6: tuple[int, int] | None


KINDS: Mapping[str, IcmpKind] = {
    "net unreachable": IcmpKind((3, 0), (1, 0)),
    "host unreachable": IcmpKind((3, 1), (1, 3)),
    "protocol unreachable": IcmpKind((3, 2), (4, 1)),
    "port unreachable": IcmpKind((3, 3), (1, 4)),
    "packet too big": IcmpKind((3, 4), (2, 0)),
    "source route failed": IcmpKind((3, 5), None),
    "prohibited": IcmpKind((3, 13), (1, 1)),
    "source quench": IcmpKind((4, 0), None),
    "time exceeded": IcmpKind((11, 0), (3, 0)),
    "reassembly time exceeded": IcmpKind((11, 1), (3, 1)),
    "parameter problem": IcmpKind((12, 0), (4, 0)),
}
"""By name. ``packet too big`` is ICMP's "fragmentation needed and DF set"."""


def enveloped(plan: Plan, flow: Flow, envelope: Envelope, segment: Segment) -> bytes:
    """The frame for a segment with wire numbers in that IP header.

    Raises:
        FinwaitError: a number that does not fit its field, or an address that is not one of this IP version.
    """
    field, family = ("ipv4", socket.AF_INET) if flow.version == 4 else ("ipv6", socket.AF_INET6)
    for name, address in (("source", envelope.source), ("target", envelope.target)):
        try:
            socket.inet_pton(family, address or plan.peer.address(flow.version))
        except (OSError, TypeError):
            usual = plan.peer.address(flow.version)
            raise FinwaitError(f"{name}={address!r} is not an IPv{flow.version} address", hint=f"{usual}") from None
    peer = dataclasses.replace(plan.peer, **{field: envelope.source or plan.peer.address(flow.version)})
    target = {field: envelope.target or plan.kernel.address(flow.version)}
    kernel = dataclasses.replace(plan.kernel, **target, mac=envelope.target_mac or plan.kernel.mac)
    return envelope.dress(Encoder(dataclasses.replace(plan, peer=peer, kernel=kernel), flow).encode(segment))


def error(plan: Plan, flow: Flow, name: str, segment: Segment, *, mtu: int = 0, quoted: int = WHOLE_HEADER) -> bytes:
    """The frame of an ICMP error from the peer's address about a segment of the kernel's.

    Args:
        plan: the lab's addresses.
        flow: the connection.
        name: one of ``KINDS``.
        segment: what the error is about, with wire numbers.
        mtu: of the next hop, for ``packet too big``, 0 to 65535.
        quoted: bytes of the segment that it quotes behind the IP header, from 0 on.

    Raises:
        FinwaitError: no such kind, or a number that does not fit.
        Unsupported: this IP version has no such error.
    """
    if name not in KINDS:
        raise FinwaitError(f"there is no ICMP error named {name!r}", hint=", ".join(KINDS))
    number = KINDS[name].v4 if flow.version == 4 else KINDS[name].v6
    if number is None:
        raise Unsupported(f"ICMPv6 has no {name}", why="RFC 4443 leaves it out", hint="ip_version 4")
    back = Encoder(turned(plan), Flow(flow.version, flow.kernel_port, flow.peer_port))
    about = back.encode(segment)[ETHERNET:][: HEADERS[flow.version] + quoted]
    return message(plan, flow.version, number, check_range("mtu", mtu, 16), about)


def turned(plan: Plan) -> Plan:
    """The addresses as what the kernel sends has them: an encoder then makes what a message quotes."""
    return dataclasses.replace(plan, peer=plan.kernel, kernel=plan.peer)


def message(plan: Plan, version: int, number: tuple[int, int], rest: int, content: bytes) -> bytes:
    """The frame of a message of the peer's.

    Args:
        plan: the lab's addresses.
        version: of IP.
        number: type and code.
        rest: what stands behind its checksum, 0 to 2**32 - 1.
        content: what follows, such as what it quotes.
    """
    return without_tcp(plan, version, PROTOCOLS[version], HEADER.pack(*number, 0, rest) + content, checksum_at=2)
