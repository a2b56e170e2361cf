"""``finwait report``: several runs as static pages, with what the baselines know of their kernels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from harness.plugin.baseline import load
from harness.plugin.known_deviations import KnownDeviations
from harness.trace.records import Result
from harness.trace.runs import LoadedRun
from reports.findings import Reason
from reports.pages import write as pages


def write(runs: Sequence[LoadedRun], folder: Path, checkout: Path) -> Path:
    """Write the pages; the one to open.

    Args:
        runs: one a kernel.
        folder: see ``reports.pages.write.write``.
        checkout: the folder with the baselines.

    Raises:
        FinwaitError: a baseline cannot be read, or the folder cannot be written.
    """
    return pages.write(pages.gather(runs, known_by_baselines(checkout / "scenarios" / "baselines")), folder)


def known_by_baselines(folder: Path) -> Reason:
    """Why a deviation is known, by the baselines of a folder, whatever the run was told when it was made."""
    baselines = [load(file) for file in sorted(folder.glob("*.toml"))]

    @cache
    def of_kernel(release: str) -> KnownDeviations:
        return KnownDeviations(fixes=True, tolerated=[baseline.on(release) for baseline in baselines])

    def reason(run: LoadedRun, result: Result) -> str:
        return of_kernel(run.release).known_reason(result)

    return reason
