"""Errors of ICMP about the kernel's segments, by packetdrill's names. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import FinwaitError
from harness.packetdrill.script import IcmpPacket
from harness.packetdrill.tested import TestedSocket
from harness.tcp.segment import ACK, Segment, add
from harness.wire import icmp
from harness.wire.frames import Flow
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
    4: {
        "net_unreachable": 0, "host_unreachable": 1, "protocol_unreachable": 2, "port_unreachable": 3, "frag_needed": 4,
        "source_route_failed": 5, "net_unknown": 6, "host_unknown": 7, "source_host_isolated": 8, "net_prohibited": 9,
        "host_prohibited": 10, "net_unreachable_for_tos": 11, "host_unreachable_for_tos": 12, "packet_filtered": 13,
        "precedence_violation": 14, "precedence_cutoff": 15,
    },
    6: {
        "net_unreachable": 0, "no_route": 0, "admin_prohibited": 1, "not_neighbour": 2, "address_unreachable": 3,
        "port_unreachable": 4, "exceeded_hop_limit": 0, "exceeded_frag_time": 1, "header_field": 0,
        "unknown_next_header": 1, "unknown_option": 2,
    },
}
# fmt: on
_QUOTED = 8
"""How much of a header an error echoes (RFC 792)."""


def frame(packet: IcmpPacket, tested: TestedSocket, plan: Plan, version: int) -> bytes:
    """The frame of an inbound message.

    Raises:
        FinwaitError: this IP version has no such message.
    """
    kind = _number(packet.kind, "type_", _TYPES[version])
    code = 0 if packet.code is None else _number(packet.code, "code_", _CODES[version])
    if kind is None or code is None:
        what = f"line {packet.line}: icmp {packet.kind} {packet.code or ''}".rstrip()
        raise FinwaitError(f"{what} is none of ICMP for IPv{version}", hint=", ".join(_TYPES[version]))
    start, length = (packet.echoed.start, packet.echoed.length) if packet.echoed else (0, 0)
    about = Segment(flags=ACK, seq=add(start, tested.local_offset(syn=False)), data=bytes(length))
    flow = Flow(version, tested.remote_port, tested.local_port)
    return icmp.numbered(plan, flow, (kind, code), about, packet.mtu or 0, _QUOTED)


def _number(name: str, prefix: str, numbers: Mapping[str, int]) -> int | None:
    if name.startswith(prefix) and name.removeprefix(prefix).isdecimal():
        return int(name.removeprefix(prefix)) % 256
    return numbers.get(name)
