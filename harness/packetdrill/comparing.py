"""What a packet of the kernel's has otherwise than the script. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from harness.packetdrill.encapsulation import ECN, USUAL_TTL, Outer, outer_complaints
from harness.packetdrill.octets import encoded, flags_of, flags_text, options_differ
from harness.packetdrill.script import IpInfo, PacketFields, TcpPacket
from harness.packetdrill.tested import TestedSocket
from harness.tcp.ip import IpHeader
from harness.tcp.options import encode_options, format_options
from harness.tcp.segment import CWR, FIN, PSH, Segment

_OF_LAST_OR_FIRST = FIN | PSH | CWR


class SeenPacket(msgspec.Struct, frozen=True, kw_only=True):
    """A packet of the kernel's.

    Args:
        header: of IP, the innermost.
        flow_label: in that; 0 for none.
        outer: what was around it, the outermost first.
        at: when it came, in ns since the start.
        content: what IP carried.
    """

    header: IpHeader
    flow_label: int
    outer: tuple[Outer, ...]
    at: int
    content: bytes = b""


class SeenSegment(SeenPacket, frozen=True, kw_only=True):
    """A segment of the kernel's with the script's numbers."""

    segment: Segment


def joins(before: SeenSegment, piece: SeenSegment, left: int) -> str:
    """Why a segment is not the next piece of what one began; empty where it is.

    Args:
        before: the piece before.
        piece: the segment.
        left: octets that the script still expects, this piece's among them.
    """
    first, second = before.segment, piece.segment
    wrong = next(_field_differences(first, second), "")
    if not wrong and len(second.data) < left and len(second.data) != len(first.data):
        wrong = f"a piece of {len(second.data)} octets, not {len(first.data)}"
    return wrong


def _field_differences(first: Segment, second: Segment) -> Iterator[str]:
    if (first.flags ^ second.flags) & ~_OF_LAST_OR_FIRST:
        yield "other flags"
    if len(encode_options(first.options)) != len(encode_options(second.options)):
        yield "options of another length"
    for name in ("ack", "window", "urgent", "reserved"):
        if getattr(first, name) != getattr(second, name):
            yield f"another {name}"
    if second.seq != first.end:
        yield f"seq {second.seq}, not {first.end}"


def joined(pieces: Sequence[SeenSegment]) -> SeenSegment:
    """Several segments as the one that they are together: CWR and number of the first, the rest of the last."""
    if len(pieces) == 1:
        return pieces[0]
    first, last = pieces[0].segment, pieces[-1].segment
    flags = last.flags & ~CWR | first.flags & CWR
    data = b"".join(piece.segment.data for piece in pieces)
    whole = msgspec.structs.replace(last, flags=flags, seq=first.seq, data=data)
    return msgspec.structs.replace(pieces[-1], segment=whole)


def complaint(packet: TcpPacket, seen: SeenSegment, tested: TestedSocket) -> str:
    """What differs between a script's segment and the kernel's; empty where nothing does."""
    return "; ".join([*_segment(packet, seen.segment), *ip_differences(packet, seen, tested)])


def _segment(packet: TcpPacket, segment: Segment) -> Iterator[str]:
    wanted = flags_of(packet)
    if wanted != segment.flags:
        counted = packet.ace is not None
        yield f"flags: {flags_text(segment.flags, counted)}, not {flags_text(wanted, counted)}"
    for name, value, right in (
        ("length", len(segment.data), packet.length),
        ("seq", segment.seq, packet.start),
        ("ack", segment.ack, packet.ack or 0),
        ("win", segment.window, segment.window if packet.window is None else packet.window),
        ("urg", segment.urgent, packet.urgent or 0),
        ("reserved", segment.reserved, 0),
    ):
        if value != right:
            yield f"{name}: {value}, not {right}"
    if packet.options is not None and options_differ(packet.options, segment.options):
        yield f"options: <{format_options(segment.options)}>, which is not {encoded(packet.options).hex() or 'none'}"
    if any(segment.data):
        yield "data: not all zeros"


def ip_differences(packet: PacketFields, seen: SeenPacket, tested: TestedSocket) -> Iterator[str]:
    """What differs in IP, and in what is around it."""
    yield from outer_complaints(packet.outer, seen.outer, packet.ip)
    if packet.ip is not None:
        yield from _ip(packet.ip, seen, tested)


def _ip(ip: IpInfo, seen: SeenPacket, tested: TestedSocket) -> Iterator[str]:
    header = seen.header
    if ip.ecn == "ect01":
        if header.ecn not in (1, 2):
            yield f"ecn: {header.ecn}, not 1 or 2"
    elif ip.ecn is not None and header.ecn != ECN[ip.ecn]:
        yield f"ecn: {header.ecn}, not {ECN[ip.ecn]}"
    if ip.tos is not None and header.traffic_class != ip.tos:
        yield f"tos: {header.traffic_class:#x}, not {ip.tos:#x}"
    if (ip.ttl or USUAL_TTL) not in (USUAL_TTL, header.ttl):
        yield f"ttl: {header.ttl}, not {ip.ttl}"
    if ip.flow_label and header.version == 6:
        yield from _label(ip.flow_label, seen.flow_label, tested)


def _label(wanted: int, came: int, tested: TestedSocket) -> Iterator[str]:
    """A label stands for the live one; another stands for another."""
    if not came:
        yield "flow label: none"
    elif tested.labels and (tested.labels[0] == wanted) != (tested.labels[1] == came):
        yield f"flow label: {'another' if tested.labels[0] == wanted else 'still the same'}"
    else:
        tested.labels = wanted, came
