"""Unpacks a kernel's sources."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import FinwaitError
from harness.process import run_to_end

UNPACK_LIMIT = 1800.0


def unpacked(tarball: Path, into: Path) -> Path:
    """The one folder that a source tarball holds, in a new folder.

    Raises:
        FinwaitError: it cannot be unpacked, or holds something else.
    """
    into.mkdir()
    ended = run_to_end(
        ("tar", "-xf", str(tarball)),
        limit=UNPACK_LIMIT,
        cwd=into,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
    )
    folders = list(into.iterdir())
    if ended.status != 0 or len(folders) != 1:
        raise FinwaitError(
            f"cannot unpack {tarball}",
            why=ended.lines[-1] if ended.lines else f"it holds {len(folders)} folders at its top",
            hint="a linux-source-*.tar.xz, with xz-utils installed",
        )
    return folders[0]
