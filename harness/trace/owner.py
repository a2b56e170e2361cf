"""Under sudo, what a run makes is the caller's: records as they are made, caches when the process ends."""

from __future__ import annotations

import atexit
import functools
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from netns.enter import in_user_namespace

_CACHES = {"__pycache__", ".pytest_cache", ".hypothesis", ".mypy_cache", ".ruff_cache"}
_TICK = 0.1  # seconds; a file's time is that of the kernel's last tick


def hand_back(path: Path) -> None:
    """Under sudo, give what was just made to the user who called it."""
    user, group = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
    if os.geteuid() == 0 and user and group and not in_user_namespace():
        os.chown(path, int(user), int(group), follow_symlinks=False)


def hand_back_tree(folder: Path) -> None:
    """The same for a folder that this run made, with all that a kernel left in it."""
    for path, found in _below(folder) if os.environ.get("SUDO_UID") else ():
        if found.st_uid == 0:
            hand_back(path)


def hand_back_caches(checkout: Path, since: float, below: Path | None = None) -> None:
    """The same for what Python, pytest and hypothesis keep in a checkout of the caller's.

    Args:
        checkout: nothing outside of it is touched.
        since: what is older, in seconds since 1970, was not made by this run.
        below: the only folder in it to look at; None for all.
    """
    if str(checkout.stat().st_uid) != os.environ.get("SUDO_UID"):
        return
    for path, found in _below(below or checkout):
        # of a file with several names one may lie elsewhere
        ours = found.st_uid == 0 and found.st_ctime >= since and (stat.S_ISDIR(found.st_mode) or found.st_nlink == 1)
        if ours and not _CACHES.isdisjoint(path.relative_to(checkout).parts):
            hand_back(path)


@functools.cache
def hand_back_caches_at_the_end(checkout: Path, below: Path | None = None) -> None:
    """Hand back what this process and those it starts will have cached, once all of it is written."""
    if os.environ.get("SUDO_UID") and "PYTEST_XDIST_WORKER" not in os.environ:
        atexit.register(hand_back_caches, checkout, _started() - _TICK, below)


def _below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """A folder and all in it, no link followed and no other file system entered; gone in the meantime is no error."""
    try:
        found = folder.lstat()
        yield folder, found
        with os.scandir(folder) as entries:
            inside = list(entries)
    except OSError:
        return
    for entry in inside:
        try:
            own = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if not entry.is_dir(follow_symlinks=False):
            yield Path(entry.path), own
        elif own.st_dev == found.st_dev and entry.name != ".git":
            yield from _below(Path(entry.path))


def _started() -> float:
    """When this process began, in seconds since 1970: field 22 of proc(5)'s stat, in ticks since boot."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    up = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - up
