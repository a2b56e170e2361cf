"""Runs a kernel's own makefiles on a tree, whose objects lie elsewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from harness.errors import FinwaitError
from harness.process import run_to_end

BUILD_LIMIT = 7200.0

Progress = Callable[[str], None]


class NotBuilt(FinwaitError):
    """It is this tree that cannot be built, and not this machine that cannot build; ``line`` says why in a line."""

    def __init__(self, what: str, line: str, *, why: str) -> None:
        super().__init__(f"{what}: {line}", why=why)
        self.line = line


def make(tree: Path, objects: Path, progress: Progress | None, *arguments: str) -> float:
    """Run make in an environment of our own, so that no outer make and no setting of a user leaks in.

    Args:
        tree: the sources, which are only read.
        objects: where all goes that is made.
        progress: called with each line that make prints.
        arguments: for make, what to make last.

    Returns:
        Seconds of real time.

    Raises:
        NotBuilt: make failed.
    """
    temporary = objects / "tmp"
    temporary.mkdir(exist_ok=True)
    ended = run_to_end(
        (
            *("make", "-C", str(tree), f"O={objects}", "ARCH=um"),
            *(f"KBUILD_KCONFIG={objects / 'Kconfig.finwait'}", *arguments),
        ),
        limit=BUILD_LIMIT,
        cwd=objects,
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(objects),
            "TMPDIR": str(temporary),  # a compiler that is killed leaves files behind
            "LC_ALL": "C",
            "KBUILD_BUILD_USER": "finwait",
            "KBUILD_BUILD_HOST": "finwait",
            "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 1970",
            "KBUILD_BUILD_VERSION": "1",  # else it counts the links of these objects
        },
        console=progress,
    )
    if ended.status != 0:
        telling = [line for line in ended.lines if re.search(r"error:|undefined reference|\*\*\* ", line)]
        line = (telling or list(ended.lines[-1:]) or ["it said nothing"])[0].strip()
        after = f"not done after {BUILD_LIMIT:g} s" if ended.status is None else f"status {ended.status}"
        raise NotBuilt(f"make {arguments[-1]} failed for {tree}", line.replace(f"{tree}/", ""), why=after)
    return ended.seconds


def drop_torn(objects: Path) -> None:
    """Drop what a killed compiler left half written: its command line is written beside it only afterwards."""
    for command in objects.rglob(".*.o.cmd"):
        made = command.with_name(command.name.removeprefix(".").removesuffix(".cmd"))
        if made.exists() and made.stat().st_mtime_ns > command.stat().st_mtime_ns:
            made.unlink()
