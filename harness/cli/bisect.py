"""``finwait bisect``: which commit of a kernel tree, or which release, changed what a scenario sees."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from harness.cli.histories import Commits, History, Releases
from harness.cli.workers import opener
from harness.kernels.supply.apt import Source
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind
from harness.patch.bisecting import Bisection, Bisector
from harness.run.rehearsal import rehearse
from harness.run.workers import TakesTasks
from harness.trace.folder import make_folder
from harness.trace.runs import LoadedRun
from reports.compare import compare, render


def bisect(
    options: argparse.Namespace, source: Callable[[], Source], folder: Path, checkout: Path, console: Console
) -> int:
    """Find the kernel that is the first to do otherwise, and print what it does.

    Args:
        options: as ``finwait bisect`` takes them.
        source: whom releases are fetched from.
        folder: a new folder for the run folders.
        checkout: the folder with pyproject.toml.
        console: for progress and what was found.

    Returns:
        0 where one is left, 1 where several are, for those between cannot be had, built or judged.

    Raises:
        FinwaitError: the tree is none, has no such commits, there are no such releases, or both ends are alike.
        KeyboardInterrupt: with what to do then.
    """
    history: History
    if options.kernels:
        history = Releases(KernelKind(options.kernels), Cache.of_user(), source, console)
    else:
        history = Commits(options.tree, Cache.of_user(), console)
    open_workers = opener(options, checkout, console)
    good, bad = (history.named(end) for end in (options.good, options.bad))
    rehearse([options.scenario, *options.rest], checkout)
    try:
        with open_workers(make_folder(folder).absolute()) as workers:
            search = _Search(history, workers, folder.absolute(), console)
            search.arguments = [options.scenario, *options.rest]
            bisector = Bisector(history.candidates, search.ask, _apart, search.note, search.trying)
            found, scenario = bisector.ends(good, bad)
            search.arguments = [scenario]
            bisector.narrow(found, scenario)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(history.kept) from None
    return _present(found, scenario, history, console)


class _Search:
    """Runs scenarios on the kernels of a history, and says how far it is."""

    def __init__(self, history: History, workers: TakesTasks, folder: Path, console: Console) -> None:
        self._history, self._workers, self._folder, self._console = history, workers, folder, console
        self.arguments: Sequence[str] = ()

    def ask(self, name: str) -> LoadedRun:
        """What a kernel does."""
        return self._history.ask(name, self._workers, self._folder, self.arguments)

    def trying(self, found: Bisection, name: str) -> None:
        """Say how far it is."""
        left, steps, title = len(found.left), found.steps, self._history.title(name)
        self._console.print(f"{left} {self._history.one}s left, about {steps} to try: {title}", soft_wrap=True)

    def note(self, name: str, became: str) -> None:
        """Say what became of a kernel."""
        self._console.print(f"{self._history.title(name)}: {became}", soft_wrap=True)


def _apart(before: LoadedRun, after: LoadedRun) -> set[str]:
    found = compare(before, after)
    return {one.scenario for one in (*found.regressions, *found.fixes, *found.changed)}


def _present(found: Bisection, scenario: str, history: History, console: Console) -> int:
    tried = f"{len(found.runs)} kernels were asked, {len(found.skipped)} skipped"
    if found.left != [found.bad]:
        console.print()
        console.print(f"one of these {len(found.left)}; {tried}:", style="bold")
        for name in found.left:
            console.print(
                f"  {history.title(name)}: {found.skipped.get(name, 'the first that is known to be bad')}",
                soft_wrap=True,
            )
        return 1
    ends = (found.runs[history.before(found)], found.runs[found.bad])  # an end was asked for more than the scenario
    before, after = (replace(run, results={scenario: run.results[scenario]}) for run in ends)
    render(compare(before, after), console)
    if story := history.story(found.bad):
        console.print()
        console.print(story, soft_wrap=True)
    console.print()
    name, *_ = history.title(found.bad).split()
    console.print(f"{name} is the first bad {history.one}; {tried}", style="bold")
    return 0
