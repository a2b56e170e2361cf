"""Reads arguments and results of system calls. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from harness.packetdrill.expressions import (
    Anything,
    Array,
    BitOr,
    Braced,
    Expression,
    InternetAddress,
    NamedValue,
    Number,
    PortNumber,
    Structure,
    Text,
    Word,
)
from harness.packetdrill.lexer import Tokens
from harness.packetdrill.read_headers import gre_header, mpls_stack, right_address

MOST_DEEP = 30  # the language knows four; Python's own end of recursion would be a traceback

_STRUCTURES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "sa_family": ("sockaddr", ("sa_family", "sin_port", "sin_addr")),
    "msg_name": ("msghdr", ("msg_name", "msg_iov", "msg_flags", "msg_control?")),
    "cmsg_level": ("cmsg", ("cmsg_level", "cmsg_type", "cmsg_data")),
    "scm_sec": ("scm_timestamping", ("scm_sec", "scm_nsec")),
    "ee_errno": ("sock_extended_err", ("ee_errno", "ee_origin", "ee_type", "ee_code", "ee_info", "ee_data")),
    "fd": ("pollfd", ("fd", "events", "revents?")),
    "events": ("epoll_event", ("events", "fd|ptr|u32|u64")),
    "onoff": ("linger", ("onoff", "linger")),
}
"""The structures by their first field: a name, and the fields in order; a question mark behind one that may lack."""

_SIGNED = 2**63


def expressions(tokens: Tokens, closing: str, depth: int = 0) -> tuple[Expression, ...]:
    """Expressions with commas between them, up to the closing sign, which is taken."""
    if tokens.skip(closing):
        return ()
    found = [expression(tokens, depth)]
    while tokens.skip(","):
        found.append(expression(tokens, depth))
    if not tokens.skip(closing):
        tokens.fail(f"',' or '{closing}'")
    return tuple(found)


def expression(tokens: Tokens, depth: int = 0) -> Expression:
    """One expression."""
    if depth > MOST_DEEP:
        tokens.fail(f"brackets at most {MOST_DEEP} deep")
    line, column = tokens.place()
    left = _operand(tokens, depth)
    while tokens.skip("|"):
        left = BitOr(line=line, column=column, left=left, right=_operand(tokens, depth))
    return left


def _operand(tokens: Tokens, depth: int) -> Expression:
    line, column = tokens.place()
    match tokens.next:
        case ("number" | "hex", *_):
            value = tokens.number("a number", least=-_SIGNED, most=2 * _SIGNED - 1)
            found: Expression = Number(line=line, column=column, value=value)
        case ("text", *_):
            found = _text(tokens)
        case ("word", *_):
            found = _word(tokens, depth)
        case ("sign", "...", *_):
            tokens.take()
            found = Anything(line=line, column=column)
        case ("sign", "[", *_):
            tokens.take()
            found = Array(line=line, column=column, items=expressions(tokens, "]", depth + 1))
        case ("sign", "{", *_):
            tokens.take()
            found = _braced(tokens, line, column, depth + 1)
        case _:
            tokens.fail("an argument or a result")
    return found


def _text(tokens: Tokens) -> Text:
    line, column = tokens.place()
    parts = []
    while tokens.next.kind == "text":
        parts.append(tokens.take().text[1:-1])
    return Text(line=line, column=column, value="".join(parts), goes_on=tokens.skip("..."))


def _word(tokens: Tokens, depth: int) -> Expression:
    line, column = tokens.place()
    name = tokens.take().text
    if tokens.at("(") and name in ("inet_addr", "inet6_addr"):
        return _address(tokens, 4 if name == "inet_addr" else 6, line, column)
    if tokens.at("(") and name == "htons":
        return _port(tokens, line, column)
    if tokens.skip("="):
        return NamedValue(line=line, column=column, name=name, value=expression(tokens, depth + 1))
    return Word(line=line, column=column, name=name)


def _port(tokens: Tokens, line: int, column: int) -> PortNumber:
    tokens.need("(")
    at_line, at_column = tokens.place()
    value = Number(line=at_line, column=at_column, value=tokens.number("a port", most=0xFFFF))
    tokens.need(")")
    return PortNumber(line=line, column=column, value=value)


def _address(tokens: Tokens, version: int, line: int, column: int) -> InternetAddress:
    tokens.need("(")
    place = tokens.place()
    value = right_address(tokens, tokens.kind("text", "an address as a text")[1:-1], version, place)
    tokens.need(")")
    return InternetAddress(line=line, column=column, version=4 if version == 4 else 6, value=value)


def _braced(tokens: Tokens, line: int, column: int, depth: int) -> Expression:
    if tokens.next.kind == "word" and tokens.next.text in _STRUCTURES:
        return _structure(tokens, line, column, depth)
    if tokens.at("flags", "Flags") or tokens.at("("):
        header = gre_header(tokens) if tokens.next.kind == "word" else mpls_stack(tokens)
        tokens.need("}")
        return header
    items = expressions(tokens, "}", depth)
    match items:
        case (Anything() as base, Number() as length):
            return Structure(line=line, column=column, kind="iovec", fields={"iov_base": base, "iov_len": length})
    return Braced(line=line, column=column, items=items)


def _structure(tokens: Tokens, line: int, column: int, depth: int) -> Structure:
    kind, names = _STRUCTURES[tokens.next.text]
    fields: dict[str, Expression] = {}
    counted: dict[str, Expression] = {}
    for position, allowed in enumerate(names):
        if allowed.endswith("?") and tokens.at("}"):
            continue
        if position:
            tokens.need(",")
        one_of = allowed.rstrip("?").split("|")
        if not tokens.at(*one_of):
            tokens.fail(" or ".join(f"'{name}'" for name in one_of))
        name = tokens.take().text
        if kind == "msghdr" and tokens.skip("("):
            counted[name] = expression(tokens, depth)
            tokens.need(")")
        tokens.need("=")
        fields[name] = _field(tokens, name, fields, depth)
    tokens.need("}")
    return Structure(line=line, column=column, kind=kind, fields=fields, counted=counted)


def _field(tokens: Tokens, name: str, fields: Mapping[str, Expression], depth: int) -> Expression:
    """The value of a field; ``inet_addr`` holds an address of the family that came before."""
    line, column = tokens.place()
    family = fields.get("sa_family")
    if name == "sin_addr" and tokens.at("inet_addr") and isinstance(family, Word) and family.name == "AF_INET6":
        tokens.take()
        return _address(tokens, 6, line, column)
    return expression(tokens, depth)
