"""What is known of differences before a search: the changes of docs/changes.md, as data."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise

import msgspec

from harness.explore.differences import ALLOWED, Signature

_ANYTHING = ".*"

Version = tuple[int, int]
"""Of a kernel, such as 6 and 12."""


class KnownChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change between two kernels, by what its differences have in common.

    Args:
        number: in docs/changes.md.
        what: its name there.
        until: the last version without it, as ``6.12``.
        since: the first one with it, of those that were compared.
        state: a regular expression for the whole of the state before the step; so are the others.
        step: what kind of step it was.
        older: what the older kernel answers.
        newer: what the newer one answers.
    """

    number: int
    what: str
    until: str
    since: str
    state: str = _ANYTHING
    step: str = _ANYTHING
    older: str = _ANYTHING
    newer: str = _ANYTHING

    def explains(self, signature: Signature, answers: Sequence[str], versions: Sequence[Version | None]) -> bool:
        """Whether two kernels' answers may differ by it; where a version is not known, whichever is the older."""
        if not (re.fullmatch(self.state, signature.state) and re.fullmatch(self.step, signature.step)):
            return False
        ways = [pair for pair, order in ((answers, versions), (answers[::-1], versions[::-1])) if self._between(*order)]
        return any(re.fullmatch(self.older, one) and re.fullmatch(self.newer, other) for one, other in ways)

    def _between(self, older: Version | None, newer: Version | None) -> bool:
        return (older is None or older <= _version(self.until)) and (newer is None or newer >= _version(self.since))


def _version(text: str) -> Version:
    first, second = text.split(".")
    return int(first), int(second)


def versions_of(names: Sequence[str]) -> list[Version | None]:
    """The versions of kernels that are named by them, as ``uml-virtual:6.12``; None of others."""
    found = (re.search(r":(\d+\.\d+)(,|$)", name) for name in names)
    return [_version(one[1]) if one else None for one in found]


@cache
def changes() -> tuple[KnownChange, ...]:
    """All that are known."""
    text = files("harness.explore").joinpath("data/changes.toml").read_text(encoding="utf-8")
    return tuple(msgspec.convert(tomllib.loads(text)["change"], list[KnownChange]))


def known_changes(signature: Signature, names: Sequence[str] = ()) -> list[KnownChange]:
    """The changes that a difference shows, by the first that explains it for each two kernels beside each other.

    Args:
        signature: of the difference.
        names: of the kernels, where they are known: a change is told of those alone between which it came.
    """
    if signature.answers[-1].startswith(ALLOWED):
        return []  # no second kernel, so no change between two: whoever explores one is to see what is new
    found: dict[int, KnownChange] = {}
    versions = versions_of(names) if names else [None] * len(signature.answers)
    for answers, pair in zip(pairwise(signature.answers), pairwise(versions), strict=True):
        if answers[0] != answers[1] or signature.other:
            change = next((one for one in changes() if one.explains(signature, answers, pair)), None)
            found |= {change.number: change} if change else {}
    return list(found.values())
