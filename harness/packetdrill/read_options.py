"""Reads the options of TCP. Pure."""

from __future__ import annotations

import re
from typing import get_args

from harness.packetdrill.lexer import Tokens
from harness.packetdrill.script import Counter, OptionName, OptionSpec

_NAMES: tuple[OptionName, ...] = get_args(OptionName)
_MOST_U16 = 0xFFFF
_MOST_OCTETS = 40  # the data offset has four bits (RFC 9293 3.1)
_LENGTHS = {"nop": 1, "eol": 1, "mss": 4, "wscale": 3, "sackOK": 2, "TS": 10, "FOEXP": 4}
_MD5 = 16
_COUNTERS: dict[Counter, tuple[Counter, ...]] = {"e0b": ("e0b", "ceb", "e1b"), "e1b": ("e1b", "ceb", "e0b")}
"""Which counters may follow the first (RFC 9768 3.2.3)."""


def options(tokens: Tokens, inbound: bool) -> tuple[OptionSpec, ...] | None:
    """Options between angle brackets; none where there are no brackets, None for any."""
    if not tokens.skip("<"):
        return ()
    if not inbound and tokens.skip("..."):
        tokens.need(">")
        return None
    begins = tokens.place()
    found = []
    room = _MOST_OCTETS
    while True:
        place = tokens.place()
        option = _option(tokens)
        found.append(option)
        room -= _length(option)
        if room < 0:
            tokens.fail(f"at most {_MOST_OCTETS} octets of options", place, "more")
        if not tokens.skip(","):
            break
    if not tokens.skip(">"):
        tokens.fail("',' or '>'")
    if room % 4:  # _MOST_OCTETS are whole words
        tokens.fail("options that fill words of 4 octets, with nop where one has to", begins, f"{_MOST_OCTETS - room}")
    return tuple(found)


def _length(option: OptionSpec) -> int:
    if option.name == "md5":
        return 2 + _MD5 if option.valid else 2 + len(option.octets)
    if option.name == "ECN":
        return 2 + 3 * len(option.numbers)
    if option.name == "sack":
        return 2 + 4 * len(option.numbers)
    return _LENGTHS.get(option.name, 2) + len(option.octets)


def _option(tokens: Tokens) -> OptionSpec:
    line, column = tokens.place()
    name = next((name for name in _NAMES if tokens.skip(name)), None)
    if name is None:
        tokens.fail(f"an option: {', '.join(_NAMES)}")
    numbers: list[int] = []
    counters: tuple[Counter, ...] = ()
    octets, valid = b"", False
    if name in ("mss", "wscale"):
        numbers = [tokens.number("a number", most=_MOST_U16 if name == "mss" else 0xFF)]
    elif name == "TS":
        tokens.need("val")
        numbers = [tokens.number("a number")]
        tokens.need("ecr")
        numbers.append(tokens.number("a number"))
    elif name == "sack":
        numbers = _blocks(tokens)
    elif name == "ECN":
        numbers, counters = _counters(tokens)
    elif name == "md5" and tokens.skip("valid"):
        valid = True
    elif name in ("FO", "FOEXP", "md5"):
        octets = _octets(tokens, name)
    return OptionSpec(
        line=line, column=column, name=name, numbers=tuple(numbers), octets=octets, counters=counters, valid=valid
    )


def _blocks(tokens: Tokens) -> list[int]:
    """``1:1001 2001:3001``."""
    edges: list[int] = []
    while not edges or tokens.next.kind == "number":
        edges.append(tokens.number("a block"))
        tokens.need(":")
        edges.append(tokens.number("a right edge"))
    return edges


def _counters(tokens: Tokens) -> tuple[list[int], tuple[Counter, ...]]:
    """``e0b 1 ceb 2 e1b 3``, or with the other order, or less of it."""
    order = next((order for first, order in _COUNTERS.items() if tokens.at(first)), None)
    if order is None:
        tokens.fail("'e0b' or 'e1b'")
    numbers = []
    for name in order:
        if not tokens.skip(name):
            break
        numbers.append(tokens.number("a counter", most=0xFFFFFF))
    return numbers, order[: len(numbers)]


def _octets(tokens: Tokens, name: OptionName) -> bytes:
    """Octets in hexadecimal, where some stand; a digest has some."""
    if tokens.next.kind not in ("word", "number"):
        if name == "md5":
            tokens.fail("octets in hexadecimal")
        return b""
    text = tokens.next.text
    most = _MD5 if name == "md5" else _MOST_OCTETS
    if len(text) % 2 or not re.fullmatch("[0-9a-fA-F]*", text) or len(text) > 2 * most:
        tokens.fail(f"at most {most} octets in hexadecimal")
    tokens.take()
    return bytes.fromhex(text)
