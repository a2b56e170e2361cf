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


class KnownChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change between two kernels, by what its differences have in common.

    Args:
        number: in docs/changes.md.
        what: its name there.
        state: a regular expression for the whole of the state before the step; so are the others.
        step: what kind of step it was.
        older: what the older kernel answers.
        newer: what the newer one answers.
    """

    number: int
    what: str
    state: str = _ANYTHING
    step: str = _ANYTHING
    older: str = _ANYTHING
    newer: str = _ANYTHING

    def explains(self, signature: Signature, answers: Sequence[str]) -> bool:
        """Whether two kernels' answers may differ by it, whichever of them is the older."""
        if not (re.fullmatch(self.state, signature.state) and re.fullmatch(self.step, signature.step)):
            return False
        ways = (answers, answers[::-1])
        return any(re.fullmatch(self.older, one) and re.fullmatch(self.newer, other) for one, other in ways)


@cache
def changes() -> tuple[KnownChange, ...]:
    """All that are known."""
    text = files("harness.explore").joinpath("data/changes.toml").read_text(encoding="utf-8")
    return tuple(msgspec.convert(tomllib.loads(text)["change"], list[KnownChange]))


def known_changes(signature: Signature) -> list[KnownChange]:
    """The changes that a difference shows, by the first that explains it for each two kernels beside each other."""
    if signature.answers[-1].startswith(ALLOWED):
        return []  # no second kernel, so no change between two: whoever explores one is to see what is new
    found: dict[int, KnownChange] = {}
    for answers in pairwise(signature.answers):
        if answers[0] != answers[1] or signature.other:
            change = next((one for one in changes() if one.explains(signature, answers)), None)
            found |= {change.number: change} if change else {}
    return list(found.values())
