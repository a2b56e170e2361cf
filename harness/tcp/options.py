"""TCP options by name, in packetdrill's notation: ``mss 1460,sackOK,TS val 3 ecr 2,nop,wscale 7``. Pure."""

from __future__ import annotations

import difflib
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import msgspec

from harness.errors import FinwaitError


@dataclass(frozen=True, slots=True)
class OptionKind:
    """One row of the table of options: its number, its name, the widths of its values in bytes, its clause."""

    kind: int
    name: str
    widths: tuple[int, ...]
    clause: str
    repeats: bool = False  # the widths may stand several times over


KINDS = (
    OptionKind(0, "eol", (), "RFC 9293 3.1"),
    OptionKind(1, "nop", (), "RFC 9293 3.1"),
    OptionKind(2, "mss", (2,), "RFC 9293 3.7.1"),
    OptionKind(3, "wscale", (1,), "RFC 7323 2.2"),
    OptionKind(4, "sackOK", (), "RFC 2018 2"),
    OptionKind(5, "sack", (4, 4), "RFC 2018 3", repeats=True),
    OptionKind(8, "TS", (4, 4), "RFC 7323 3.2"),
)
BY_NAME = {row.name: row for row in KINDS}
BY_KIND = {row.kind: row for row in KINDS}


class Option(msgspec.Struct, frozen=True, omit_defaults=True):
    """One option. ``values`` for the kinds of the table, ``raw`` (with name ``opt N``) for every other.

    In an expectation, empty ``values`` of a kind that has values match any.
    """

    name: str
    values: tuple[int, ...] = ()
    raw: bytes = b""

    def __str__(self) -> str:
        if self.name == "TS" and len(self.values) == 2:
            return "TS val {} ecr {}".format(*self.values)
        if self.name == "sack":
            blocks = zip(self.values[::2], self.values[1::2], strict=True)
            return " ".join(["sack", *(f"{left}:{right}" for left, right in blocks)])
        return " ".join([self.name, *map(str, self.values)]) + (f" {self.raw.hex()}" if self.raw else "")


def format_options(options: Iterable[Option]) -> str:
    """The options in packetdrill's notation, comma between them, without the angle brackets."""
    return ",".join(map(str, options))


@cache  # the same few stand in all scenarios
def parse_options(text: str) -> tuple[Option, ...]:
    """Options from packetdrill's notation; angle brackets around them and spaces between them are allowed.

    ``opt 253 abcd`` is an option of any other kind with its bytes in hexadecimal, ``FO abcd`` one of kind 34, as
    packetdrill names it (RFC 7413 4.1.1). A name alone stands for any
    value where an expectation takes it.

    Raises:
        FinwaitError: an unknown name, or values that the option cannot have.
    """
    words = text.strip().removeprefix("<").removesuffix(">")
    return tuple(_parse_one(part.strip()) for part in words.split(",") if part.strip())


def _parse_one(text: str) -> Option:
    name, _, rest = text.partition(" ")
    if name == "opt":
        return _parse_unknown(text, rest)
    if name == "FO":
        return _parse_unknown(text, f"34 {rest}")
    row = BY_NAME.get(name)
    if row is None:
        near = difflib.get_close_matches(name, BY_NAME, n=3, cutoff=0.3)
        raise FinwaitError(
            f"there is no TCP option named {name!r} in {text!r}",
            why=f"there are {', '.join(BY_NAME)}, FO HEX, and opt KIND HEX for any other",
            hint=" or ".join(near),
        )
    values = tuple(int(number) for number in re.findall(r"-?\d+", rest))
    left = re.sub(r"-?\d+|\bval\b|\becr\b|[:\s]", "", rest)
    count_ok = not values or (
        len(values) % len(row.widths) == 0 if row.repeats and row.widths else len(values) == len(row.widths)
    )
    limits = row.widths * max(1, len(values) // max(1, len(row.widths)))
    fits = count_ok and all(0 <= value < 256**width for value, width in zip(values, limits, strict=False))
    if left or not fits:
        raise FinwaitError(
            f"{text!r} is not a value that the option {name} can have",
            why=f"{row.clause} gives it {len(row.widths)} value(s) of {list(row.widths)} bytes",
            hint=str(Option(name, (1,) * len(row.widths))),
        )
    return Option(name, values)


def _parse_unknown(text: str, rest: str) -> Option:
    words = rest.split()
    try:
        kind = int(words[0])
        raw = bytes.fromhex(words[1]) if len(words) > 1 else b""
    except (ValueError, IndexError):
        kind, raw = -1, b""
    if not 0 <= kind <= 255 or len(raw) > 38 or len(words) > 2:
        raise FinwaitError(
            f"{text!r} is not an option",
            why="a kind has 8 bits, and 38 bytes fit beside kind and length",
            hint="opt 253 abcd",
        )
    return Option(f"opt {kind}", raw=raw)


def encode_options(options: Iterable[Option]) -> bytes:
    """The bytes of the options, padded with end-of-list to whole words of 32 bits (RFC 9293 3.1).

    Raises:
        FinwaitError: more than the 40 bytes that a header has room for, or a name without the values it needs.
    """
    encoded = b"".join(map(encode_option, options))
    encoded += bytes(-len(encoded) % 4)
    if len(encoded) > 40:
        raise FinwaitError(
            f"options of {len(encoded)} bytes do not fit: {format_options(options)}",
            why="a TCP header has 40 bytes for options",
            hint="fewer options, or raw_options with a data_offset of your own",
        )
    return encoded


def encode_option(option: Option) -> bytes:
    """The bytes of one option, without padding."""
    if option.name.startswith("opt "):
        return bytes((int(option.name[4:]), 2 + len(option.raw))) + option.raw
    row = BY_NAME[option.name]
    if row.kind < 2:
        return bytes((row.kind,))
    if row.widths and not option.values:
        raise FinwaitError(
            f"the option {option} has no value to send",
            why="a name without a value matches any value, and can only be expected, not sent",
            hint=f"{Option(option.name, (1,) * len(row.widths))}, or opt {row.kind} for an option without a body",
        )
    body = _layout(row.widths * (len(option.values) // max(1, len(row.widths)))).pack(*option.values)
    return bytes((row.kind, 2 + len(body))) + body


_NOP, _STAMP, _STAMPED = Option("nop"), b"\1\1\x08\x0a", 12  # as RFC 7323 appendix A has it
_STAMPS = struct.Struct("!II").unpack_from


def decode_options(raw: bytes) -> tuple[Option, ...]:
    """Options from the bytes of a header; what cannot be read is one last ``opt KIND`` with the bytes that are left.

    An end-of-list is kept where it stands and ends the reading.
    """
    if not raw:
        return ()
    if len(raw) == _STAMPED and raw.startswith(_STAMP):  # of most segments, and five times as fast
        return (_NOP, _NOP, Option("TS", _STAMPS(raw, len(_STAMP))))
    found: list[Option] = []
    while raw:
        kind = raw[0]
        if kind < 2:
            found.append(Option(BY_KIND[kind].name))
            raw = raw[1:] if kind else b""
            continue
        length = raw[1] if len(raw) > 1 else 0
        if not 2 <= length <= len(raw):
            return (*found, Option(f"opt {kind}", raw=raw[1:]))
        found.append(_decode_one(kind, raw[2:length]))
        raw = raw[length:]
    return tuple(found)


def _decode_one(kind: int, body: bytes) -> Option:
    row = BY_KIND.get(kind)
    unit = sum(row.widths) if row else 0
    whole = row is not None and (len(body) % unit == 0 if row.repeats and unit and body else len(body) == unit)
    if row is None or not whole:
        return Option(f"opt {kind}", raw=body)
    return Option(row.name, _layout(row.widths * (len(body) // unit if unit else 0)).unpack(body))


@cache
def _layout(widths: tuple[int, ...]) -> struct.Struct:
    return struct.Struct("!" + "".join({1: "B", 2: "H", 4: "I"}[width] for width in widths))
