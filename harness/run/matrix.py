"""Runs the same pytest on several kernels, and joins what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelSpec
from harness.run.jobs import KernelRun, Task, folder_name, run_all
from harness.tcp.verdict import Outcome
from harness.trace.folder import make_folder
from harness.trace.runs import LoadedRun, load


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a job on several kernels.

    Args:
        folder: where the run folders lie together.
        runs: of the kernels that got as far as a run folder; what they did not finish is lost in it.
        failures: why others, or parts of them, are missing: a line each.
        unlike: names of the kernels that do not do what the baseline says, where one was given.
    """

    folder: Path
    runs: tuple[LoadedRun, ...]
    failures: tuple[str, ...]
    unlike: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every verdict was reached, whatever it was."""
        results = [result for run in self.runs for result in run.results.values()]
        return bool(results) and not self.failures and all(one.outcome != Outcome.LOST for one in results)


def run_on(
    specs: Sequence[KernelSpec],
    checkout: Path,
    folder: Path,
    arguments: Sequence[str],
    cache: Cache,
    console: Console,
    *,
    at_once: int | None = None,
) -> Found:
    """Run the same pytest on each kernel; one that dies or cannot be booted does not stop the others.

    Args:
        specs: the kernels, in the order of the results; their files are in the cache.
        checkout: the folder with pyproject.toml.
        folder: a new folder is made of it, for the run folders.
        arguments: for pytest; none for all scenarios.
        cache: where fetched and built kernels are.
        console: shows how it goes on.
        at_once: how many kernels at a time; by default as many as processors and memory allow.

    Raises:
        FinwaitError: the folder cannot be made.
    """
    output = make_folder(folder).absolute()
    tasks = [Task(spec, output / folder_name(spec), arguments) for spec in specs]
    ended = run_all(tasks, checkout, cache, console, at_once=at_once)
    strict = any(argument.startswith("--baseline") for argument in arguments)
    return _collect(output, ended, strict=strict)


def _collect(output: Path, ended: Sequence[KernelRun], *, strict: bool) -> Found:
    runs, failures = [], []
    for one in ended:
        try:
            runs.append(load(one.folder))
        except FinwaitError as error:
            failures.append(f"{one.spec.name}: {one.lost or one.said or error}")
        else:
            failures += [f"{one.spec.name}: {one.lost}"] if one.lost else []
    # a deviation alone is a result and no failure; against a baseline pytest's own status says whether it holds
    unlike = tuple(one.spec.name for one in ended if strict and one.run and one.run.status not in (0, None))
    return Found(output, tuple(runs), tuple(failures), unlike)
