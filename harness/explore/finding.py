"""A difference as a file: the program, the kernels, and what they answered; to be run again."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from harness.errors import FinwaitError
from harness.explore.attempt import Attempt
from harness.explore.differences import Signature

T = TypeVar("T")

VERSION = 1
"""Of the file; steps of another may mean something else."""


class SavedFinding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was found.

    Args:
        kernels: names, in the order of the answers.
        attempt: the shortest program.
        signature: what kind of difference it is.
        version: of the file.
    """

    kernels: tuple[str, ...]
    attempt: Attempt
    signature: Signature
    version: int = VERSION


class _Versioned(msgspec.Struct):
    version: int


def written(finding: SavedFinding) -> str:
    """The text of its file."""
    return msgspec.json.format(msgspec.json.encode(finding)).decode() + "\n"


def read(path: Path) -> SavedFinding:
    """What a file holds.

    Raises:
        FinwaitError: it cannot be read, is no finding, or one of another version.
    """
    return read_versioned(path, SavedFinding, VERSION, "finding", "a file that finwait explore --save has written")


def read_versioned(path: Path, kind: type[T], readable: int, what: str, hint: str) -> T:
    """A record from a file of JSON, of the version that can be read.

    Args:
        path: of the file.
        kind: of the record, which has a ``version``.
        readable: that version.
        what: the record is called.
        hint: what would be one.

    Raises:
        FinwaitError: it cannot be read, is no such record, or one of another version.
    """
    try:
        data = path.read_bytes()
        version = msgspec.json.decode(data, type=_Versioned).version
        if version == readable:
            return msgspec.json.decode(data, type=kind)
    except OSError as error:
        raise FinwaitError(f"{path} cannot be read ({error.strerror})", hint=hint) from error
    except msgspec.DecodeError as error:
        raise FinwaitError(f"{path} is no {what}", why=str(error), hint=hint) from error
    raise FinwaitError(f"{path} is of version {version}", why=f"this finwait reads {readable}", hint="explore again")
