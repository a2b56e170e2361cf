"""A difference as a file: the program, the kernels, and what they answered; to be run again."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.errors import FinwaitError
from harness.explore.attempt import Attempt
from harness.explore.differences import Signature

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
    hint = "a file that finwait explore --save has written"
    try:
        data = path.read_bytes()
        version = msgspec.json.decode(data, type=_Versioned).version
        if version == VERSION:
            return msgspec.json.decode(data, type=SavedFinding)
    except OSError as error:
        raise FinwaitError(f"{path} cannot be read ({error.strerror})", hint=hint) from error
    except msgspec.DecodeError as error:
        raise FinwaitError(f"{path} is no finding", why=str(error), hint=hint) from error
    raise FinwaitError(f"{path} is of version {version}", why=f"this finwait reads {VERSION}", hint="explore again")
