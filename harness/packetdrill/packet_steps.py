"""A script's packets as steps: what a peer sends, and what it expects of the kernel. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import msgspec

from harness.errors import FinwaitError
from harness.packetdrill import echoes
from harness.packetdrill.draft import Draft
from harness.packetdrill.encapsulation import traffic_class
from harness.packetdrill.octets import encoded, flags_of, timestamp
from harness.packetdrill.script import IcmpPacket, IpInfo, OptionSpec, Packet, TcpPacket, UdpPacket, untaken
from harness.program.steps import Expect, Joined, Made, Octets, Ref, Send, Value
from harness.program.values import encoded as as_value
from harness.tcp.ip import Envelope
from harness.tcp.options import Option, decode_options, format_options
from harness.tcp.segment import ACK, SYN, Flags, add
from harness.wire import icmp
from harness.wire.decode import TCP_HEADER

_OF_SYN = ("mss", "wscale", "sackOK", "TS", "FO")
_OF_OTHERS = ("TS", "sack")
_PADDING = ("nop", "eol")
_COOKIES = ("opt 34", "opt 254")
"""Fast Open (RFC 7413 4.1.1): what the kernel gives follows from its addresses, which are others in another lab."""

_MSS, _STAMPS = 536, 12
"""What a segment holds where no option says it (RFC 9293 3.7.1), and what timestamps take of it."""


class PacketSteps:
    """Writes packets into ``draft``."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._first: dict[tuple[str, bool], int] = {}  # initial numbers of the script by peer, inbound and outbound
        self._mss = _MSS  # of the other side, less timestamps
        self._scale = 0  # of its windows
        self._window = 0  # the largest of them

    def write(self, packet: Packet, text: str, bounds: dict[str, Value]) -> None:
        """Write one.

        Args:
            packet: which.
            text: its line.
            bounds: of its time, where the kernel sends it.
        """
        if why := _lacking(packet):
            self._draft.unsaid(why, text)
        elif isinstance(packet, IcmpPacket):
            self._icmp(packet, text)
        elif isinstance(packet, TcpPacket):
            if flags_of(packet) & SYN:
                self._first.setdefault((self._draft.peer, packet.inbound), packet.start)
            if packet.inbound:
                self._send(packet, text)
            else:
                self._expect(packet, text, bounds)

    def _numbers(self, packet: TcpPacket) -> dict[str, Value]:
        """Its numbers as they count from the initial ones; those of a SYN are absolute in a script."""
        first = self._first if flags_of(packet) & SYN else {}
        own, other = (first.get((self._draft.peer, inbound), 0) for inbound in (packet.inbound, not packet.inbound))
        numbers: dict[str, Value] = {"seq": add(packet.start, -own)}
        if flags_of(packet) & ACK:
            numbers["ack"] = add(packet.ack or 0, -other)
        return numbers

    # -- inbound

    def _send(self, packet: TcpPacket, text: str) -> None:
        draft = self._draft
        most = draft.options.mtu - icmp.HEADERS[draft.options.version] - TCP_HEADER.size
        if packet.length > (draft.options.mss or most):
            draft.unsaid("data that come merged, as from a card that does so", text)
            return
        self._note_room(packet)
        named = {**self._numbers(packet), "window": packet.window or 0}
        if packet.length:
            named["data"] = Octets(bytes(packet.length))
        if packet.urgent:
            named["urgent"] = packet.urgent
        options = self._inbound_options(packet)
        if options is None:
            draft.unsaid("an echo of a timestamp that the kernel has not sent", text)
            return
        if options:
            named["options"] = options
        flags = _flags(packet)
        envelope = _envelope(packet.ip)
        if envelope is None:
            draft.steps.append(Send(on=draft.peer, name="send", args=(flags,), named=named))
            return
        made = draft.name("segment")
        draft.steps.append(Send(on=draft.peer, name="make", args=(flags,), named=named, gives=(made,)))
        draft.steps.append(Send(on=draft.peer, name="send_as", args=(envelope, Ref(made))))

    def _note_room(self, packet: TcpPacket) -> None:
        """How much the other side takes in a segment: a kernel sends no more than half of its largest window."""
        window = packet.window or 0
        if flags_of(packet) & SYN:
            options = {one.name: one.numbers for one in packet.options or ()}
            self._mss = options.get("mss", (_MSS,))[0] - _STAMPS * ("TS" in options)
            (self._scale,) = options.get("wscale", (0,))
            self._window = window
        else:
            self._window = max(self._window, window << self._scale)

    def _inbound_options(self, packet: TcpPacket) -> Joined | str | None:
        """None for an echo that stands for nothing."""
        parts: list[str | Ref] = [""]
        for option in packet.options or ():
            comma = "," if parts[0] else ""
            if option.name == "TS" and flags_of(packet) & ACK and option.numbers[1]:
                if (echo := self._draft.echo(option.numbers[1])) is None:
                    return None
                parts[-1] = f"{parts[-1]}{comma}TS val {option.numbers[0]} ecr "
                parts += [echo, ""]
            else:
                parts[-1] = f"{parts[-1]}{comma}{_option(option)}"
        return Joined(tuple(part for part in parts if part)) if len(parts) > 1 else str(parts[0])

    def _icmp(self, packet: IcmpPacket, text: str) -> None:
        kind = _error(packet, self._draft.options.version)
        if kind is None or packet.echoed is None:
            self._draft.unsaid("this message of ICMP", text)
            return
        about = Made("Segment", {"flags": as_value(ACK), "seq": packet.echoed.start})
        named: dict[str, Value] = {"mtu": packet.mtu} if packet.mtu else {}
        self._draft.steps.append(Send(on=self._draft.peer, name="send_icmp", args=(kind, about), named=named))

    # -- outbound

    def _expect(self, packet: TcpPacket, text: str, bounds: dict[str, Value]) -> None:
        draft = self._draft
        named = self._numbers(packet)
        if packet.length:
            named["length"] = packet.length
        if packet.window is not None:
            named["window"] = packet.window
        named |= _looked_at(packet)
        for what in _unseen(packet, draft.options.tick_ns):
            draft.unsaid(what, text, needed=False)
        gives: tuple[str, ...] = ()
        if stamp := timestamp(packet.options or ()):
            gives = (draft.name("answer"),)
            draft.echoes.pop(stamp[0], None)
            draft.echoes[stamp[0]] = f"{gives[0]}.timestamp"
        several = packet.length > min(self._mss, self._window // 2) and not draft.options.strict_segments
        name = "expect_pieces" if several else "expect"
        named |= bounds
        draft.steps.append(Expect(on=draft.peer, name=name, args=(_flags(packet),), named=named, gives=gives))


def _lacking(packet: Packet) -> str:
    """What of a packet no step says at all; empty for nothing."""
    options = packet.options or () if isinstance(packet, TcpPacket) else ()
    told: dict[str, object] = {"UDP": isinstance(packet, UdpPacket), "encapsulation": packet.outer}
    told["a message of ICMP from the kernel"] = isinstance(packet, IcmpPacket) and not packet.inbound
    told["a Fast Open cookie, which rests on the script's addresses"] = packet.inbound and any(
        one.name in ("FO", "FOEXP") and one.octets for one in options
    )
    if isinstance(packet, TcpPacket):
        told["ports of a packet's own"] = packet.ports
    return untaken(packet) or next((what for what, there in told.items() if there), "")


def _unseen(packet: TcpPacket, tick_ns: int) -> Iterator[str]:
    """What a script looks at in a segment of the kernel's and a scenario does not."""
    if packet.urgent:
        yield "the urgent pointer of the next segment"
    if packet.ip is not None:
        yield "the IP header of the next segment"
    if tick_ns and timestamp(packet.options or ()):
        yield "the values of the kernel's timestamps"


def _looked_at(packet: TcpPacket) -> dict[str, Value]:
    """Of the options: which have to be there, with their values, and which must not."""
    if packet.options is None:
        return {}
    there = [Option("TS") if one.name == "TS" else _option(one) for one in packet.options if one.name not in _PADDING]
    there = [Option(one.name) if one.name in _COOKIES else one for one in there]
    names = {one.name for one in packet.options}
    absent = ",".join(name for name in (_OF_SYN if flags_of(packet) & SYN else _OF_OTHERS) if name not in names)
    return {**({"options": format_options(there)} if there else {}), **({"without": absent} if absent else {})}


def _option(spec: OptionSpec) -> Option:
    (found, *_) = decode_options(encoded((spec,)))
    return found


def _error(packet: IcmpPacket, version: int) -> str | None:
    """The name of an error; None for another message, or one that there is none of."""
    with suppress(FinwaitError):
        number = echoes.numbers(packet, version)
        return next((name for name, kind in icmp.KINDS.items() if kind[version == 6] == number), None)
    return None


def _envelope(ip: IpInfo | None) -> Value:
    """The IP header that an inbound packet is given; None for the usual one."""
    if ip is None:
        return None
    envelope = Envelope(traffic_class=traffic_class(ip))
    return as_value(envelope if ip.ttl is None else msgspec.structs.replace(envelope, ttl=ip.ttl))


def _flags(packet: TcpPacket) -> Value:
    """ACK is not named beside others: a number of it implies it."""
    flags = flags_of(packet)
    return as_value(Flags(flags & ~ACK or flags))
