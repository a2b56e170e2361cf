"""Writes what CI systems read of a run: the files that are asked for, and what GitHub is told where it runs us."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from harness.ci.github import notes, summary
from harness.ci.gitlab import gitlab
from harness.ci.kcidb import kcidb
from harness.ci.ktap import ktap
from harness.trace.folder import Unwritable, write_whole
from harness.trace.owner import hand_back
from harness.trace.runs import LoadedRun


def write(run: LoadedRun, *, to_ktap: Path | None, to_kcidb: Path | None, build: str, to_gitlab: Path | None) -> None:
    """Write a run's files, with the folders above them.

    Raises:
        Unwritable: one cannot be.
    """
    if to_ktap:
        _put(to_ktap, ktap(run).encode(errors="replace"))
    if to_kcidb:
        _put(to_kcidb, kcidb(run, build))
    if to_gitlab:
        _put(to_gitlab, gitlab(run))


def _put(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unwritable(path, error) from error
    write_whole(path, content)


def on_github() -> bool:
    """Whether this is a step of GitHub Actions."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def tell_github(run: LoadedRun, verdict: str, say: Callable[[str], object]) -> None:
    """Annotations by ``say``, a line each, and a section of the job's summary.

    Raises:
        Unwritable: the summary cannot be written.
    """
    for line in notes(run):
        say(line)
    if named := os.environ.get("GITHUB_STEP_SUMMARY"):
        path = Path(named)
        try:
            with path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(summary(run, verdict))
            hand_back(path)
        except OSError as error:
            raise Unwritable(path, error) from error
