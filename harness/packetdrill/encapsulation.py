"""Headers of IP, GRE and MPLS around a packet: put around those of a script, and found around the kernel's. Pure."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from harness.packetdrill.expressions import GreHeader, MplsLabel, MplsStack
from harness.packetdrill.script import IpInfo, OuterIp
from harness.tcp.ip import ETHERNET, Envelope, header_of, internet_checksum
from harness.wire.icmp import HEADERS

Outer = OuterIp | GreHeader | MplsStack

ECN = {"noecn": 0, "ect1": 1, "ect0": 2, "ce": 3}
"""Codepoints of IP by the language's names (RFC 3168 5)."""

USUAL_TTL = 255
"""What an inbound packet has that names none. An outbound one's is not looked at where the script has this number."""

_ETHERTYPES = {4: 0x0800, 6: 0x86DD}
_MPLS = 0x8847  # RFC 5332 3
_IN_IP = {4: socket.IPPROTO_IPIP, 6: socket.IPPROTO_IPV6}
_PROTOCOL_AT = {4: 9, 6: 6}
_V4 = struct.Struct("!BBHHHBBH4s4s")
_V6 = struct.Struct("!IHBB16s16s")
_CHECKSUM, _KEY, _SEQUENCE = 0x8000, 0x2000, 0x1000  # of GRE's first word (RFC 2784 2.1, RFC 2890 2)
_BOTTOM = 0x100


def traffic_class(ip: IpInfo | None) -> int:
    """What a script has as type of service or traffic class."""
    if ip is None:
        return 0
    return ip.tos if ip.tos is not None else ECN.get(ip.ecn or "", 0)


def dressed(ip: IpInfo | None, frame: bytes) -> bytes:
    """A frame with what the script says of its IP header."""
    ttl = (ip.ttl if ip is not None else None) or USUAL_TTL
    return Envelope(traffic_class=traffic_class(ip), ttl=ttl).dress(frame)


def wrapped(frame: bytes, outer: Sequence[Outer]) -> bytes:
    """An Ethernet frame with headers around its packet, the outermost first; the checksum of GRE is as written."""
    content, inside = frame[ETHERNET:], int.from_bytes(frame[12:ETHERNET])
    for header in reversed(outer):
        match header:
            case OuterIp():
                content, inside = _in_ip(header, content, inside), _ETHERTYPES[header.version]
            case GreHeader():
                content, inside = _gre_octets(header, inside) + content, socket.IPPROTO_GRE
            case MplsStack():
                content, inside = b"".join(map(label_octets, header.labels)) + content, _MPLS
    return frame[:12] + inside.to_bytes(2) + content


def _in_ip(header: OuterIp, content: bytes, inside: int) -> bytes:
    protocol = next((_IN_IP[version] for version, kind in _ETHERTYPES.items() if kind == inside), inside % 256)
    ends = [ipaddress.ip_address(one).packed for one in (header.source, header.destination)]
    first = traffic_class(header.ip)
    ttl = (header.ip.ttl if header.ip else None) or USUAL_TTL
    if header.version == 6:
        return _V6.pack(6 << 28 | first << 20, len(content), protocol, ttl, *ends) + content
    bare = _V4.pack(0x45, first, _V4.size + len(content), 0, 0, ttl, protocol, 0, *ends)
    return bare[:10] + internet_checksum(bare).to_bytes(2) + bare[12:] + content


def _gre_octets(header: GreHeader, inside: int) -> bytes:
    words = struct.pack("!HH", header.flags, inside)
    if header.flags & _CHECKSUM:
        words += struct.pack("!HH", header.checksum, header.offset)
    if header.flags & _KEY:
        words += struct.pack("!I", header.key)
    if header.flags & _SEQUENCE:
        words += struct.pack("!I", header.sequence)
    return words


def label_octets(label: MplsLabel) -> bytes:
    """One entry of a stack of labels (RFC 3032 2.1)."""
    bottom = _BOTTOM * label.bottom
    return struct.pack("!I", label.label << 12 | label.traffic_class << 9 | bottom | label.ttl)


def unwrapped(frame: bytes) -> tuple[tuple[Outer, ...], bytes]:
    """The headers around the innermost packet of a frame, the outermost first, and a frame of that packet alone."""
    outer: list[Outer] = []
    kind, rest = int.from_bytes(frame[12:ETHERNET]), frame[ETHERNET:]
    while (found := _step(kind, rest)) is not None:
        header, kind, size = found
        outer.append(header)
        rest = rest[size:]
    return tuple(outer), frame[:12] + kind.to_bytes(2) + rest


def _step(kind: int, packet: bytes) -> tuple[Outer, int, int] | None:
    """The header that a packet begins with, what is inside of it, and its octets; None for the innermost of IP."""
    inside = {protocol: _ETHERTYPES[version] for version, protocol in _IN_IP.items()}
    if kind == socket.IPPROTO_GRE and len(packet) >= 4:
        return _gre(packet)
    if kind == _MPLS and len(packet) >= 4:
        return _stack(packet)
    version = packet[0] >> 4 if packet else 0
    if _ETHERTYPES.get(version) != kind or len(packet) < HEADERS[version]:
        return None
    protocol = packet[_PROTOCOL_AT[version]]
    following = inside.get(protocol, protocol if protocol == socket.IPPROTO_GRE else 0)
    if not following:
        return None
    found = header_of(bytes(ETHERNET) + packet)
    ip = IpInfo(line=0, column=0, tos=found.traffic_class, ttl=found.ttl)
    ends = {"source": found.source, "destination": found.target}
    header = OuterIp(line=0, column=0, version=4 if version == 4 else 6, **ends, ip=ip)
    return header, following, HEADERS[version] + len(found.options)


def _gre(packet: bytes) -> tuple[Outer, int, int]:
    flags, inside = struct.unpack_from("!HH", packet)
    values: dict[str, int] = {}
    size = 4
    for flag, names, layout in (
        (_CHECKSUM, ("checksum", "offset"), "!HH"),
        (_KEY, ("key",), "!I"),
        (_SEQUENCE, ("sequence",), "!I"),
    ):
        if flags & flag and len(packet) >= size + 4:
            values |= zip(names, struct.unpack_from(layout, packet, size), strict=True)
            size += 4
    return GreHeader(line=0, column=0, flags=flags, **values), inside, size


def _stack(packet: bytes) -> tuple[Outer, int, int]:
    labels: list[MplsLabel] = []
    for (word,) in struct.iter_unpack("!I", packet[: len(packet) // 4 * 4]):
        bottom = bool(word & _BOTTOM)
        traffic = word >> 9 & 7
        labels.append(
            MplsLabel(line=0, column=0, label=word >> 12, traffic_class=traffic, bottom=bottom, ttl=word & 255)
        )
        if bottom:
            break
    size = 4 * len(labels)
    return MplsStack(line=0, column=0, labels=tuple(labels)), _ETHERTYPES.get((packet[size:] or b"\0")[0] >> 4, 0), size


def outer_complaints(wanted: Sequence[Outer], seen: Sequence[Outer], inner: IpInfo | None) -> Iterator[str]:
    """What differs between the headers around a script's packet and those around the kernel's.

    Addresses are not looked at; the type of service is where the innermost header has one in the script, and the ECN
    bits where it has those.
    """
    for number, (due, came) in enumerate(zip_longest(wanted, seen), 1):
        if type(due) is not type(came) or (isinstance(due, OuterIp) and due.version != _version(came)):
            yield f"header {number} around it: {_name(came)}, not {_name(due)}"
        elif isinstance(due, OuterIp) and isinstance(came, OuterIp):
            yield from _ip_complaints(number, due.ip, came.ip, inner)
        elif _bare(due) != _bare(came):
            yield f"header {number} around it: {_bare(came)}, not {_bare(due)}"


def _ip_complaints(number: int, due: IpInfo | None, came: IpInfo | None, inner: IpInfo | None) -> Iterator[str]:
    assert came is not None  # noqa: S101  (the kernel's header has both)
    ttl = (due.ttl if due else None) or USUAL_TTL
    if ttl not in (USUAL_TTL, came.ttl):
        yield f"header {number} around it: ttl {came.ttl}, not {ttl}"
    bits = 0 if inner is None else 0xFF if inner.tos is not None else 3 if inner.ecn not in (None, "ect01") else 0
    if ((came.tos or 0) ^ traffic_class(due)) & bits:
        yield f"header {number} around it: tos {came.tos:#x}, not {traffic_class(due):#x}"


def _version(header: Outer | None) -> int:
    return header.version if isinstance(header, OuterIp) else 0


def _name(header: Outer | None) -> str:
    if header is None:
        return "none"
    return f"IPv{header.version}" if isinstance(header, OuterIp) else "GRE" if isinstance(header, GreHeader) else "MPLS"


def _bare(header: Outer | None) -> str:
    """What GRE or MPLS says, wherever it stands in a script."""
    match header:
        case GreHeader(flags=flags):
            return f"GRE {_gre_octets(header, 0).hex()}" if flags else "GRE"
        case MplsStack(labels=labels):
            return f"MPLS {b''.join(map(label_octets, labels)).hex()}"
    return ""
