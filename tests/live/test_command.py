"""Programs in a namespace: what becomes of their leash, and what they say."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from harness.live.command import Command
from harness.live.session import Session


def descriptors() -> set[tuple[str, str]]:
    """The open descriptors and what they are; those that labs before had may be closed meanwhile."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add((entry.name, str(entry.readlink())))
    return {(number, what) for number, what in found if "/proc/" not in what}


def test_program_that_cannot_be_started_leaves_no_descriptor(opened: Session) -> None:
    before = descriptors()
    with pytest.raises(OSError, match="Argument list too long"), Command(("true", "x" * (1 << 22)), opened.lab.kernel):
        pass
    assert descriptors() - before == set()
