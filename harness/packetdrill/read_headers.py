"""Reads what stands around a packet: what IP says, and encapsulation. Pure."""

from __future__ import annotations

import ipaddress
from typing import Literal

from harness.packetdrill.expressions import GreHeader, MplsLabel, MplsStack
from harness.packetdrill.lexer import Tokens
from harness.packetdrill.script import IpInfo, OuterIp

_ECN = ("noecn", "ect0", "ect1", "ect01", "ce")
_CLOSING = {"(": ")", "[": "]"}
_GRE_FLAGS = {"none": 0, "checksum": 0x8000, "key": 0x2000, "sequence": 0x1000}
_MOST_LABELS = 16


def ip_info(tokens: Tokens, inbound: bool) -> IpInfo | None:
    """``[ect0]``, ``(tos 0x10)`` and the like; None where nothing of the kind stands."""
    if not tokens.at("(", "["):
        return None
    line, column = tokens.place()
    closing = _CLOSING[tokens.take().text]
    found: dict[str, int | str] = {}
    while True:
        place = tokens.place()
        name, value = _ip_field(tokens, inbound)
        if name in found:
            tokens.fail(f"one {name}", place, "another")
        found[name] = value
        if not tokens.skip(","):
            break
    tokens.need(closing)
    return IpInfo(line=line, column=column, **found)  # type: ignore[arg-type]  # ecn alone is no number


def _ip_field(tokens: Tokens, inbound: bool) -> tuple[str, int | str]:
    if tokens.at(*_ECN):
        if inbound and tokens.at("ect01"):
            tokens.fail("one of noecn, ect0, ect1, ce in an inbound packet")
        return "ecn", tokens.take().text
    if tokens.skip("tos") or tokens.skip("class"):
        return "tos", tokens.number("a number", most=0xFF)
    if tokens.skip("ttl") or tokens.skip("hlim"):
        return "ttl", tokens.number("a number", most=0xFF)
    if tokens.skip("flowlabel"):
        return "flow_label", tokens.number("a number", most=0xFFFFF)
    return tokens.fail("one of noecn, ect0, ect1, ect01, ce, tos, ttl, flowlabel")


def outer_headers(tokens: Tokens, inbound: bool) -> tuple[OuterIp | GreHeader | MplsStack, ...]:
    """Encapsulation, each header with a colon behind it."""
    found: list[OuterIp | GreHeader | MplsStack] = []
    while tokens.at("ipv4", "ipv6", "gre", "GREv0", "mpls"):
        line, column = tokens.place()
        kind = tokens.take().text
        if kind in ("ipv4", "ipv6"):
            version: Literal[4, 6] = 4 if kind == "ipv4" else 6
            ip = ip_info(tokens, inbound)
            source = address(tokens, version)
            tokens.need(">")
            destination = address(tokens, version)
            outer = OuterIp(line=line, column=column, version=version, source=source, destination=destination, ip=ip)
            found.append(outer)
        elif kind == "mpls":
            found.append(mpls_stack(tokens))
        else:
            tokens.skip(",")
            found.append(gre_header(tokens))
        tokens.need(":")
    return tuple(found)


def address(tokens: Tokens, version: int) -> str:
    """An address of this version of IP."""
    place = tokens.place()
    text = tokens.kind(f"ipv{version}", f"an address of IPv{version}")
    return right_address(tokens, text, version, place)


def right_address(tokens: Tokens, text: str, version: int, place: tuple[int, int]) -> str:
    """The text, if it is an address of this version of IP."""
    try:
        ipaddress.IPv4Address(text) if version == 4 else ipaddress.IPv6Address(text)
    except ValueError:
        tokens.fail(f"an address of IPv{version}", place, f"'{text[:60]}'")
    return text


def mpls_stack(tokens: Tokens) -> MplsStack:
    """Labels in parentheses, one behind the other."""
    line, column = tokens.place()
    labels: list[MplsLabel] = []
    while tokens.at("("):
        if len(labels) == _MOST_LABELS:
            tokens.fail(f"at most {_MOST_LABELS} labels")
        labels.append(_mpls_label(tokens))
    return MplsStack(line=line, column=column, labels=tuple(labels))


def _mpls_label(tokens: Tokens) -> MplsLabel:
    line, column = tokens.place()
    tokens.need("(", "label")
    label = tokens.number("a label", most=0xFFFFF)
    tokens.need(",", "tc")
    traffic_class = tokens.number("a class", most=7)
    tokens.need(",")
    bottom = tokens.at("[")
    if bottom:
        tokens.need("[", "S", "]", ",")
    tokens.need("ttl")
    ttl = tokens.number("a time to live", most=0xFF)
    tokens.need(")")
    return MplsLabel(line=line, column=column, label=label, traffic_class=traffic_class, bottom=bottom, ttl=ttl)


def gre_header(tokens: Tokens) -> GreHeader:
    """``flags [checksum present, key present], sum 1, off 2, key=3, seq 4``, or nothing; commas may lack."""
    line, column = tokens.place()
    if not tokens.at("flags", "Flags"):
        return GreHeader(line=line, column=column)
    tokens.take()
    flags = _gre_flags(tokens) if tokens.skip("[") else tokens.number("flags", most=0xFFFF)
    tokens.skip(",")
    tokens.need("sum")
    checksum = tokens.number("a checksum", most=0xFFFF)
    tokens.skip(",")
    tokens.need("off")
    offset = tokens.number("an offset", most=0xFFFF)
    tokens.skip(",")
    tokens.need("key")
    tokens.skip("=")
    key = tokens.number("a key")
    tokens.skip(",")
    tokens.need("seq")
    sequence = tokens.number("a sequence number")
    return GreHeader(
        line=line, column=column, flags=flags, checksum=checksum, offset=offset, key=key, sequence=sequence
    )


def _gre_flags(tokens: Tokens) -> int:
    flags = 0
    while True:
        if not tokens.at(*_GRE_FLAGS):
            tokens.fail("one of none, checksum present, key present, sequence# present")
        name = tokens.take().text
        flags |= _GRE_FLAGS[name]
        if name == "sequence":
            tokens.need("#")
        if name != "none":
            tokens.need("present")
        if not tokens.skip(","):
            break
    tokens.need("]")
    return flags
