"""Debian's order of version numbers (deb-version(7)): pure."""

from __future__ import annotations

import re
from itertools import zip_longest

_PARTS = re.compile(r"(\D*)(\d*)")


def newer_first(version: str) -> SortKey:
    """A key for ``sorted``: the newest version comes first."""
    return SortKey(version)


class SortKey:
    """Compares as the newer version being the smaller, so that a plain sort puts it first."""

    __slots__ = ("version",)

    def __init__(self, version: str) -> None:
        self.version = version

    def __lt__(self, other: SortKey) -> bool:
        return compare(self.version, other.version) > 0


def compare(one: str, other: str) -> int:
    """Below 0, 0 or above 0 as ``one`` is older than, the same as, or newer than ``other``."""
    for left, right in zip(_fields(one), _fields(other), strict=True):
        order = _compare_field(left, right)
        if order:
            return order
    return 0


def _fields(version: str) -> tuple[str, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-")
    return (epoch, upstream, revision) if upstream else (epoch, rest, "")


def _compare_field(one: str, other: str) -> int:
    """Runs of non-digits and digits in turn: ``~``, the end, letters, other marks; digits as numbers."""
    pairs = zip_longest(_PARTS.findall(one), _PARTS.findall(other), fillvalue=("", ""))
    for (text, number), (other_text, other_number) in pairs:
        for left, right in zip_longest(text, other_text, fillvalue=""):
            if left != right:
                return _weight(left) - _weight(right)
        if int(number or 0) != int(other_number or 0):
            return int(number or 0) - int(other_number or 0)
    return 0


def _weight(character: str) -> int:
    if character == "~":
        return -1
    if not character:
        return 0
    return ord(character) if character.isalpha() else ord(character) + 256
