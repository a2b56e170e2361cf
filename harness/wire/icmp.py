"""ICMP errors about the kernel's segments, and the peer's segments in unusual IP headers."""

from __future__ import annotations

import dataclasses
import socket
import struct
from collections.abc import Mapping
from typing import NamedTuple

from harness.errors import FinwaitError, Unsupported
from harness.tcp.ip import ETHERNET, Envelope, internet_checksum
from harness.tcp.segment import Segment, check_range
from harness.wire.frames import Encoder, Flow
from netns.plan import Plan

WHOLE_HEADER = 20
"""How much of the segment an error quotes by default: its header without options; RFC 792 asks for 8 bytes."""


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
    return numbered(plan, flow, number, segment, check_range("mtu", mtu, 16), quoted)


def numbered(plan: Plan, flow: Flow, number: tuple[int, int], segment: Segment, rest: int, quoted: int) -> bytes:
    """The frame of a message by its type and code; see ``error``.

    Args:
        plan: the lab's addresses.
        flow: the connection.
        number: type and code.
        segment: what it is about, with wire numbers.
        rest: what stands behind its checksum, 0 to 2**32 - 1.
        quoted: bytes of the segment behind the IP header.
    """
    kind, code = number
    back = dataclasses.replace(plan, peer=plan.kernel, kernel=plan.peer)
    about = Encoder(back, Flow(flow.version, flow.kernel_port, flow.peer_port)).encode(segment)[ETHERNET:]
    header = 20 if flow.version == 4 else 40
    message = struct.pack("!BBHI", kind, code, 0, rest) + about[: header + quoted]
    return _frame(plan, flow, message)


def _frame(plan: Plan, flow: Flow, message: bytes) -> bytes:
    """An ICMP message without its checksum, as a frame of the peer's to the kernel under test."""
    usual = Encoder(plan, flow).encode(Segment(flags=0))
    ethernet, packet = usual[:ETHERNET], usual[ETHERNET:]
    if flow.version == 4:
        whole = message[:2] + struct.pack("!H", internet_checksum(message)) + message[4:]
        changed = packet[:9] + bytes((socket.IPPROTO_ICMP,)) + packet[10:20] + whole
        return Envelope().dress(ethernet + changed)
    # RFC 8200 8.1: the pseudo-header has a part in ICMPv6's checksum
    pseudo = packet[8:40] + struct.pack("!IxxxB", len(message), socket.IPPROTO_ICMPV6)
    whole = message[:2] + struct.pack("!H", internet_checksum(pseudo + message)) + message[4:]
    return ethernet + packet[:4] + struct.pack("!HB", len(whole), socket.IPPROTO_ICMPV6) + packet[7:40] + whole
