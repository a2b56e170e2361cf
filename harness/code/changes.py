"""Which lines a patch changes, of what was there before it."""

from __future__ import annotations

import re

from unidiff.errors import UnidiffParseError
from unidiff.patch import Hunk, PatchSet

from harness.code.index import ChangedLines
from harness.errors import FinwaitError

_HINT = "git format-patch"
# Blank, or nothing but a comment in the kernel's style: "*" with a space behind it is no pointer there.
_SAYS_NOTHING = re.compile(r"\s*(/\*.*|\*(\s.*|/.*)?|//.*)?$")


def files_of(patch: str, name: str = "the patch") -> PatchSet:
    """The files that a patch changes.

    Args:
        patch: a unified diff, or several with text between them, as ``git format-patch`` and ``git diff`` write them.
        name: what to call it.

    Raises:
        FinwaitError: it is none, or changes nothing.
    """
    try:
        files = PatchSet(patch)
    except UnidiffParseError as error:
        said = f"{str(error)[0].lower()}{str(error)[1:]}"
        raise FinwaitError(f"{name} is a damaged patch: {said}", hint=_HINT) from error
    if not files:
        raise FinwaitError(f"{name} holds no patch" if patch.strip() else f"{name} is empty", hint=_HINT)
    return files


def in_tree(file: str) -> str:
    """A file as it is called in its tree, and not in a patch."""
    return re.sub("^[ab]/", "", file)


def changed_lines(patch: str) -> tuple[ChangedLines, ...]:
    """The lines that a patch removes, or that stand before what it adds, in each file that was there.

    Blank lines and comments count for nothing: a patch of these alone changes no line.

    Args:
        patch: as ``files_of`` takes it.

    Raises:
        FinwaitError: it is none, or changes nothing.
    """
    numbers: dict[str, set[int]] = {}
    for file in files_of(patch):
        before = numbers.setdefault(in_tree(file.source_file), set())
        before.update(one for hunk in file for one in _lines_of(hunk))
    return tuple(ChangedLines(path, *one) for path, lines in numbers.items() for one in _ranges(sorted(lines)))


def _lines_of(hunk: Hunk) -> list[int]:
    lines: list[int] = []
    before = hunk.source_start - (hunk.source_length > 0)
    for line in hunk:
        before = line.source_line_no or before
        if not line.is_context and before and not _SAYS_NOTHING.match(line.value):
            lines.append(before)
    return lines


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """Numbers that follow one another, as first and last."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] + 1 == number:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges
