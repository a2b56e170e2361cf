"""``finwait report``: several runs as static pages, with what the baselines know of their kernels."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from rich.console import Console

from harness.model import requirements
from harness.plugin.baseline import Baseline, load
from harness.plugin.known_deviations import entry_for
from harness.trace.records import Result
from harness.trace.result_kind import ResultKind
from harness.trace.runs import LoadedRun
from reports.compare import Comparison
from reports.coverage import reasons
from reports.findings import Explained, Reason
from reports.pages import write as pages


def write(runs: Sequence[LoadedRun], folder: Path, checkout: Path, comparison: Comparison | None = None) -> Path:
    """Write the pages; the one to open.

    Args:
        runs: one a kernel.
        folder: see ``reports.pages.write.write``.
        checkout: the folder with the baselines.
        comparison: of two runs, for a page of its own.

    Raises:
        FinwaitError: a baseline cannot be read, or the folder cannot be written.
    """
    why_not = reasons(checkout / "scenarios" / "untested.toml", requirements.load())
    found = pages.gather(runs, known_by_baselines(checkout / "scenarios" / "baselines"))
    return pages.write(found, folder, why_not, comparison)


def prepare(options: argparse.Namespace) -> None:
    """Make the folder of ``--report``, before an hour is spent on what cannot be written there.

    Raises:
        FinwaitError: it cannot be made, or holds something else.
    """
    if options.report:
        pages.make_room(options.report)


def write_asked(
    options: argparse.Namespace,
    runs: Sequence[LoadedRun],
    checkout: Path,
    console: Console,
    comparison: Comparison | None = None,
) -> None:
    """Write the pages that ``--report`` asks for, and say where they are.

    Without a run they are not written, and it is for whoever ran to say by the exit status what that means.

    Raises:
        FinwaitError: see ``write``.
    """
    if options.report and not runs:
        console.print(f"there is no report in {options.report}, for no kernel got as far as a result", soft_wrap=True)
    elif options.report:
        console.print(f"the report is in {write(runs, options.report, checkout, comparison)}", soft_wrap=True)


def known_by_baselines(folder: Path) -> Reason:
    """What is known of a deviation by the baselines of a folder, whatever the run was told when it was made."""
    baselines = [load(file) for file in sorted(folder.glob("*.toml"))]

    @cache
    def of_kernel(release: str) -> list[Baseline]:
        return [baseline.on(release) for baseline in baselines]

    def known(run: LoadedRun, result: Result) -> Explained | None:
        entry = entry_for(of_kernel(run.release), result)
        if entry is None:
            return None
        return Explained(ResultKind.DEFECT if entry.fixed_by else ResultKind.KNOWN, entry.told)

    return known
