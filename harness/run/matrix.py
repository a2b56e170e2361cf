"""Runs the same pytest on several kernels, and joins the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import FinwaitError
from harness.kernels.supply.spec import KernelSpec
from harness.run.jobs import Task, folder_name
from harness.run.parts import ask_in_parts
from harness.run.request import KernelReply, ask
from harness.run.resume import RunAsked, run_folder
from harness.run.workers import Opener, TakesTasks
from harness.tcp.verdict import Outcome
from harness.trace.runs import LoadedRun, load

_JUDGING = ("--baseline", "--strict", "--rfc", "--fail-on")
"""Options that say what fails."""


@dataclass(frozen=True, slots=True)
class Found:
    """The results of a job on several kernels.

    Args:
        folder: where the run folders lie together.
        runs: of the kernels that got as far as a run folder; what they did not finish is lost in it.
        failures: why others, or parts of them, are missing: a line each.
        red: names of the kernels that did not pass, where the arguments say by what to judge.
    """

    folder: Path
    runs: tuple[LoadedRun, ...] = ()
    failures: tuple[str, ...] = ()
    red: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every verdict was reached, whatever it was."""
        results = [result for run in self.runs for result in run.results.values()]
        return bool(results) and not self.failures and all(one.outcome != Outcome.LOST for one in results)


def run_on(
    specs: Sequence[KernelSpec],
    folder: Path,
    arguments: Sequence[str],
    open_workers: Opener,
    *,
    split: bool = False,
    resume: bool = False,
) -> Found:
    """Run the same pytest on each kernel; one that dies or cannot be booted does not stop the others.

    Args:
        specs: the kernels, in the order of the results; their files are in the cache.
        folder: a new folder is made of it, for the run folders.
        arguments: for pytest; none for all scenarios.
        open_workers: brings whoever is asked.
        split: whether a kernel, where there are fewer than may run at a time, is booted several times, for a part of
            the scenarios each.
        resume: whether the folder is that of a run that ended early, of which only the rest is asked.

    Raises:
        FinwaitError: a kernel is named twice, the folder cannot be made or gone on with, or pytest does not take the
            arguments.
        KeyboardInterrupt: see ``run_with``.
    """
    titles = [spec.title for spec in specs]
    if twice := next((title for title in titles if titles.count(title) > 1), None):
        raise FinwaitError(f"the kernel {twice} is named twice", hint="name each once; NAME=PATH names a kernel's file")
    asked = RunAsked.of("matrix", specs, arguments)
    with run_folder(folder, asked, again=resume) as output, open_workers(output) as workers:
        return run_with(workers, specs, output, arguments, split=split)


def run_with(
    workers: TakesTasks,
    specs: Sequence[KernelSpec],
    output: Path,
    arguments: Sequence[str],
    *,
    split: bool = False,
    more: bool = False,
) -> Found:
    """The same with kernels that may be up already.

    Args:
        workers: who are asked.
        specs: the kernels, in the order of the results.
        output: a folder below the workers', for the run folders.
        arguments: for pytest; none for all scenarios.
        split: see ``run_on``.
        more: whether the kernels will be asked again.

    Raises:
        FinwaitError: pytest does not take the arguments.
        KeyboardInterrupt: with where what was recorded until then can be read.
    """
    boots = max(1, workers.at_once // max(1, len(specs))) if split else 1
    tasks = [Task(spec, output / folder_name(spec), ask(spec, arguments, workers.checkout)) for spec in specs]
    try:
        replies = ask_in_parts(workers, tasks, boots, more=more)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"what was recorded is in {output}") from None
    judged = any(argument.partition("=")[0] in _JUDGING for argument in arguments)
    found = Found(output)
    for task, ended in zip(tasks, replies, strict=True):
        found = _with_kernel(found, task.spec, task.folder, ended, judged=judged)
    return found


def _with_kernel(found: Found, spec: KernelSpec, folder: Path, ended: Sequence[KernelReply], *, judged: bool) -> Found:
    lost = dict.fromkeys(f"{spec.title}: {reply.lost}" for reply in ended if reply.lost)
    runs = list(found.runs)
    try:
        runs.append(load(folder))
    except FinwaitError as error:
        said = next((reply.said for reply in ended if reply.said), error)
        lost = lost or {f"{spec.title}: {said}": None}
    # a deviation alone is a result and no failure; where the user says by what to judge, pytest's own status counts
    red = (spec.title,) if judged and any(reply.status not in (0, None) for reply in ended) else ()
    return Found(found.folder, tuple(runs), (*found.failures, *lost), (*found.red, *red))
