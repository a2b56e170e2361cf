"""Reads packets: TCP, UDP, ICMP. Pure."""

from __future__ import annotations

from typing import Literal

from harness.packetdrill.lexer import Tokens
from harness.packetdrill.read_headers import ip_info, outer_headers
from harness.packetdrill.read_options import options
from harness.packetdrill.script import EchoedPart, IcmpPacket, TcpPacket, UdpPacket

_FLAGS = ".FSRPEWAU"
_ACE = "01234567"
_MOST_U16 = 0xFFFF


def packet(tokens: Tokens) -> TcpPacket | UdpPacket | IcmpPacket:
    """A packet, of which ``<`` or ``>`` is the next token."""
    line, column = tokens.place()
    inbound = tokens.take().text == "<"
    outer = outer_headers(tokens, inbound)
    ip = ip_info(tokens, inbound)
    if tokens.skip("udp"):
        ports = _ports(tokens)
        tokens.need("(")
        length = tokens.number("a length", most=_MOST_U16)
        tokens.need(")")
        return UdpPacket(line=line, column=column, inbound=inbound, outer=outer, ip=ip, ports=ports, length=length)
    if tokens.skip("icmp"):
        kind = tokens.kind("word", "a type of ICMP")
        code = tokens.take().text if tokens.next.kind == "word" and not tokens.at("mtu", "id") else None
        return IcmpPacket(
            line=line,
            column=column,
            inbound=inbound,
            outer=outer,
            ip=ip,
            kind=kind,
            code=code,
            mtu=tokens.number("an MTU") if tokens.skip("mtu") else None,
            echo_id=tokens.number("a number", most=_MOST_U16) if tokens.skip("id") else None,
            echoed=_echoed(tokens),
        )
    psp_spi = None
    if tokens.skip("encap"):
        tokens.need("psp", "spi")
        psp_spi = tokens.number("a number")
    ports = _ports(tokens)
    flags, ace = _flags(tokens)
    unnumbered = tokens.at("...")
    start, end, length = _length_alone(tokens) if unnumbered else _sequence(tokens)
    return TcpPacket(
        line=line,
        column=column,
        inbound=inbound,
        outer=outer,
        ip=ip,
        psp_spi=psp_spi,
        ports=ports,
        flags=flags,
        ace=ace,
        start=start,
        end=end,
        length=length,
        absolute=tokens.skip("!"),
        unnumbered=unnumbered,
        ack=tokens.number("a sequence number") if tokens.skip("ack") else None,
        window=_window(tokens, inbound),
        urgent=tokens.number("an urgent pointer", most=_MOST_U16) if tokens.skip("urg") else None,
        options=options(tokens, inbound),
        over_udp=_over_udp(tokens),
    )


def _window(tokens: Tokens, inbound: bool) -> int | None:
    if not tokens.skip("win"):
        return tokens.fail("'win' in an inbound packet") if inbound else None
    return tokens.number("a window", most=_MOST_U16)


def _ports(tokens: Tokens) -> tuple[int, int] | None:
    if tokens.next.kind != "number":
        return None
    source = tokens.number("a port", most=_MOST_U16)
    tokens.need(">")
    return source, tokens.number("a port", most=_MOST_U16)


def _over_udp(tokens: Tokens) -> tuple[int, int] | None:
    if not tokens.skip("/"):
        return None
    tokens.need("udp", "(")
    ports = _ports(tokens)
    if ports is None:
        tokens.fail("a port")
    tokens.need(")")
    return ports


def _flags(tokens: Tokens) -> tuple[str, int | None]:
    """The flags' letters, and the counter of Accurate ECN: ``S``, ``P.``, ``.``, ``-``, ``SEWA``, ``P.5``."""
    expected = "flags of TCP ('.', '-', or some of FSRPEWAU and one of 0 to 7), udp or icmp"
    place = tokens.place()
    if tokens.skip("-"):
        return "", None
    written = tokens.take().text if tokens.next.kind == "word" else ""
    if tokens.next.kind == "decimal" and tokens.next.text.startswith("."):
        written += tokens.take().text
    elif tokens.skip("."):
        written += "."
    if not written:
        tokens.fail(expected)
    letters = "".join(letter for letter in written if letter in _FLAGS)
    digits = "".join(letter for letter in written if letter in _ACE)
    if len(letters) + len(digits) != len(written):
        tokens.fail(expected, place, f"'{written[:40]}'")
    if len(digits) > 1 or (digits and set(letters) & set("EWA")):
        tokens.fail("either one digit or some of E, W and A among the flags", place, f"'{written[:40]}'")
    return letters, int(digits) if digits else None


def _sequence(tokens: Tokens) -> tuple[int, int, int]:
    """``start:end(length)``."""
    place = tokens.place()
    start = tokens.number("a sequence number")
    tokens.need(":")
    end = tokens.number("a sequence number")
    tokens.need("(")
    length = tokens.number("a length", most=_MOST_U16)
    tokens.need(")")
    if end != start + length:
        tokens.fail(f"{start}:{start + length}({length})", place, f"{start}:{end}({length})")
    return start, end, length


def _length_alone(tokens: Tokens) -> tuple[int, int, int]:
    """``...(length)``."""
    tokens.need("...", "(")
    length = tokens.number("a length", most=_MOST_U16)
    tokens.need(")")
    return 0, length, length


def _echoed(tokens: Tokens) -> EchoedPart | None:
    if not tokens.skip("["):
        return None
    line, column = tokens.place()
    if tokens.at("udp", "raw"):
        protocol: Literal["udp", "raw"] = "udp" if tokens.take().text == "udp" else "raw"
        tokens.need("(")
        length = tokens.number("a length", most=_MOST_U16)
        tokens.need(")", "]")
        return EchoedPart(line=line, column=column, protocol=protocol, length=length)
    start, _, length = _sequence(tokens)
    over_udp = _over_udp(tokens)
    tokens.need("]")
    return EchoedPart(line=line, column=column, protocol="tcp", start=start, length=length, over_udp=over_udp)
