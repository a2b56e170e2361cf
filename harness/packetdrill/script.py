"""A packetdrill script as frozen records: options, commands, and events in order. Pure.

Every record has the line and the column where it stands, both counted from 1. Symbols of ``-D`` are replaced already.
Times are whole nanoseconds. Numbers are as written: sequence numbers of a SYN are absolute, others relative.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from harness.packetdrill.expressions import Expression, GreHeader, MplsStack, Node

OptionName = Literal["nop", "eol", "mss", "wscale", "sackOK", "sack", "TS", "FO", "FOEXP", "md5", "ECN"]
"""The options that the language has names for."""

Counter = Literal["e0b", "e1b", "ceb"]
"""Octets that arrived with ECT(0), with ECT(1), with CE (RFC 9768 3.2.3)."""


class EventTime(Node, frozen=True, kw_only=True):
    """When an event has to happen.

    Args:
        kind: ``any`` is ``*``.
        start_ns: since the start of the script, or since the event before where ``kind`` begins with relative.
        end_ns: of a range, counted as ``start_ns`` is.
    """

    kind: Literal["absolute", "relative", "any", "absolute range", "relative range"]
    start_ns: int = 0
    end_ns: int | None = None


class IpInfo(Node, frozen=True, kw_only=True):
    """``[ect0]``, ``(tos 0x10)``, ``[ttl 64]``, ``[ect1, flowlabel 0x12]``: what is None is not looked at.

    Args:
        ecn: ``ect01`` is either of the two, of outbound packets alone.
    """

    ecn: Literal["noecn", "ect0", "ect1", "ect01", "ce"] | None = None
    tos: int | None = None
    ttl: int | None = None
    flow_label: int | None = None


class OuterIp(Node, frozen=True, kw_only=True, tag="outer"):
    """``ipv4 1.2.3.4 > 5.6.7.8:`` around a packet."""

    version: Literal[4, 6]
    source: str
    destination: str
    ip: IpInfo | None = None


class OptionSpec(Node, frozen=True, kw_only=True):
    """One TCP option.

    ======== =========================================================================================================
    name     numbers
    ======== =========================================================================================================
    nop, eol none
    mss      one
    wscale   one
    sackOK   none
    sack     left and right edge of each block
    TS       value, echo
    ECN      counters in the order of ``counters``, of which ``e0b`` or ``e1b`` is the first
    ======== =========================================================================================================

    FO, FOEXP and md5 have ``octets`` instead; an empty cookie is a request for one.

    Args:
        valid: ``md5 valid``, as FreeBSD's packetdrill writes it: the right digest, whichever it is.
    """

    name: OptionName
    numbers: tuple[int, ...] = ()
    octets: bytes = b""
    counters: tuple[Counter, ...] = ()
    valid: bool = False


class PacketFields(Node, frozen=True, kw_only=True):
    """What every packet has.

    Args:
        inbound: to the kernel under test; else it has to send it.
        ip: of the innermost header of IP.
        outer: encapsulation, the outermost first.
    """

    inbound: bool
    ip: IpInfo | None = None
    outer: tuple[OuterIp | GreHeader | MplsStack, ...] = ()


class TcpPacket(PacketFields, frozen=True, kw_only=True, tag="tcp"):
    """A segment, or several of the kernel's that together are this one.

    Args:
        flags: of ``.FSRPEWAU``, in the order written, the dot for ACK; empty for ``-``.
        ace: the three bits of ECN as the counter of Accurate ECN, where a digit stood among the flags.
        ack: None where it is not written.
        window: None where it is not written and so not looked at.
        urgent: None where it is not written.
        options: in order; None for ``<...>``, any.
        ports: source and destination where the script names them.
        psp_spi: ``encap psp spi N``.
        absolute: ``!`` behind the sequence numbers, as FreeBSD's packetdrill writes it: they are not relative.
        unnumbered: ``...(0)`` instead of numbers, as FreeBSD's packetdrill writes it: only the length is looked at.
        over_udp: ``/udp(1 > 2)``, as FreeBSD's packetdrill writes it: the ports of a header of UDP around the segment.
    """

    flags: str
    ace: int | None = None
    start: int
    end: int
    length: int
    ack: int | None = None
    window: int | None = None
    urgent: int | None = None
    options: tuple[OptionSpec, ...] | None = ()
    ports: tuple[int, int] | None = None
    psp_spi: int | None = None
    absolute: bool = False
    unnumbered: bool = False
    over_udp: tuple[int, int] | None = None


class UdpPacket(PacketFields, frozen=True, kw_only=True, tag="udp"):
    """A datagram of ``length`` octets of payload."""

    length: int
    ports: tuple[int, int] | None = None


class EchoedPart(Node, frozen=True, kw_only=True):
    """What an ICMP error echoes: the segment ``start:end(length)``, or ``udp (length)`` or ``raw (length)``.

    Args:
        over_udp: see ``TcpPacket``.
    """

    protocol: Literal["tcp", "udp", "raw"]
    start: int = 0
    length: int
    over_udp: tuple[int, int] | None = None


class IcmpPacket(PacketFields, frozen=True, kw_only=True, tag="icmp"):
    """A message of ICMP or ICMPv6 by packetdrill's names of type and code, such as ``unreachable`` ``frag_needed``."""

    kind: str
    code: str | None = None
    mtu: int | None = None
    echo_id: int | None = None
    echoed: EchoedPart | None = None


def untaken(packet: TcpPacket | UdpPacket | IcmpPacket) -> str:
    """What of a packet is read and nothing more; empty for nothing."""
    lacking: dict[str, object] = {}
    if isinstance(packet, TcpPacket):
        lacking = {"PSP": packet.psp_spi is not None, "TCP over UDP": packet.over_udp}
        lacking |= {"numbers with '!'": packet.absolute, "a segment without numbers": packet.unnumbered}
        lacking["md5 valid"] = any(one.valid for one in packet.options or ())
    elif isinstance(packet, IcmpPacket):
        lacking["TCP over UDP"] = packet.echoed and packet.echoed.over_udp
    return next((what for what, there in lacking.items() if there), "")


class SystemCall(Node, frozen=True, kw_only=True, tag="call"):
    """A system call and what it has to give.

    Args:
        end_ns: of one that blocks, when it returns: counted as the event's time is. None for one that returns at once.
        result: the number, or Anything.
        errno: its name where it stands there.
        note: the words in parentheses behind it, which mean nothing.
    """

    name: str
    arguments: tuple[Expression, ...]
    result: Expression
    end_ns: int | None = None
    errno: str | None = None
    note: str | None = None


class ShellCommand(Node, frozen=True, kw_only=True, tag="command"):
    """What stands between backticks, for ``/bin/sh -c``."""

    text: str


class CodeBlock(Node, frozen=True, kw_only=True, tag="code"):
    """Python between ``%{`` and ``}%``, without the blanks at both ends."""

    text: str


Packet = TcpPacket | UdpPacket | IcmpPacket
Action = Packet | SystemCall | ShellCommand | CodeBlock
"""What an event is."""


class ScriptEvent(Node, frozen=True, kw_only=True):
    """Something that happens at a time."""

    time: EventTime
    action: Action


class ScriptOption(Node, frozen=True, kw_only=True):
    """``--name=value`` at the head of a script; a value that was a text has no quotation marks.

    ``--define=NAME=VALUE`` stands in ``Script.defines`` as well, its value as written.
    """

    name: str
    value: str | None = None


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """A whole script.

    Args:
        defines: the symbols that were replaced and by what: those of the script, then those of whoever read it.
    """

    options: tuple[ScriptOption, ...]
    defines: dict[str, str]
    init: ShellCommand | None
    events: tuple[ScriptEvent, ...]
    cleanup: ShellCommand | None
