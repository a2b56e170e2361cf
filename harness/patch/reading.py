"""Reads a patch as developers send it: a diff, a mail, a series of them, or a range of commits."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.code.changes import files_of, in_tree
from harness.errors import FinwaitError


@dataclass(frozen=True, slots=True)
class Patch:
    """A change of the kernel's sources.

    Args:
        name: what to call it.
        text: one diff or several one after the other; what is no UTF-8 in it as lone surrogates.
        touched: the files that it names, as they are called before and after it.
    """

    name: str
    text: str
    touched: tuple[str, ...]


def read_patch(given: str) -> Patch:
    """A file, a folder of ``git format-patch``, or ``-`` for standard input.

    Raises:
        FinwaitError: it cannot be read, is no patch, or changes nothing.
    """
    name = "standard input" if given == "-" else Path(given).name
    text = _content(given)
    ends = (end for one in files_of(text, name) for end in (one.source_file, one.target_file) if end != "/dev/null")
    plain = dict.fromkeys(map(in_tree, ends))
    return Patch(name, text, tuple(file for file in plain if ".." not in PurePosixPath(file).parts))


def commit_range(given: str) -> tuple[str, str] | None:
    """The two names of ``A..B``, HEAD where one is left out; None for what is no range."""
    before, dots, after = given.partition("..")
    if not dots or given == ".." or Path(given).exists():
        return None
    return before or "HEAD", after or "HEAD"


def _content(given: str) -> str:
    if given == "-":
        return sys.stdin.buffer.read().decode(errors="surrogateescape")
    path = Path(given)
    try:
        files = sorted(path.glob("*.patch")) if path.is_dir() else [path]
        return "".join(file.read_bytes().decode(errors="surrogateescape") for file in files)
    except OSError as error:
        hint = "a file, a folder of git format-patch, or - for standard input; A..B needs --tree DIR"
        raise FinwaitError(f"cannot read the patch {given!r}", why=error.strerror or "", hint=hint) from error
