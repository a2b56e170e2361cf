"""``finwait bisect``: which commit of a kernel tree changed what a scenario sees."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from harness.cli.workers import opener
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.git import Clone
from harness.kernels.supply.sources import Sources
from harness.patch.bisecting import Bisection, Bisector, NothingLearnt
from harness.patch.building import built_at
from harness.patch.judging import KeptRun, spec_of
from harness.run.matrix import run_with
from harness.run.rehearsal import rehearse
from harness.run.workers import TakesTasks
from harness.trace.folder import make_folder
from harness.trace.runs import LoadedRun
from reports.compare import compare, render

_SHORT = 12
_KEPT = "the kernels that were built are kept, and the same command goes on with them"


def bisect(options: argparse.Namespace, folder: Path, checkout: Path, console: Console) -> int:
    """Find the commit, and print it with what it changed.

    Args:
        options: as ``finwait bisect`` takes them.
        folder: a new folder for the run folders.
        checkout: the folder with pyproject.toml.
        console: for progress and what was found.

    Returns:
        0 where one commit is left, 1 where several are, for those between cannot be built or judged.

    Raises:
        FinwaitError: the tree is none, has no such commits, or both ends are alike.
        KeyboardInterrupt: with what to do then.
    """
    clone, cache = Clone(options.tree), Cache.of_user()
    open_workers = opener(options, checkout, console)
    good, bad = (clone.commit(end) for end in (options.good, options.bad))
    rehearse([options.scenario, *options.rest], checkout)
    sources = Sources.of_clone(clone, cache)
    try:
        with open_workers(make_folder(folder).absolute()) as workers:
            search = _Search(clone, sources, cache, workers, folder.absolute(), console)
            search.arguments = [options.scenario, *options.rest]
            bisector = Bisector(sources, search.ask, _apart, search.note, search.trying)
            found, scenario = bisector.ends(good, bad)
            search.arguments = [scenario]
            bisector.narrow(found, scenario)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_KEPT) from None
    return _present(found, clone, console)


class _Search:
    """Builds commits, runs scenarios on them, and says how far it is."""

    def __init__(
        self, clone: Clone, sources: Sources, cache: Cache, workers: TakesTasks, folder: Path, console: Console
    ) -> None:
        self._clone, self._sources, self._cache = clone, sources, cache
        self._workers, self._folder, self._console = workers, folder, console
        self.arguments: Sequence[str] = ()

    def ask(self, commit: str) -> LoadedRun:
        """What a commit's kernel does.

        Raises:
            FinwaitError: it cannot be built, or nothing was learnt of it.
        """
        with self._console.status(f"building {commit[:_SHORT]}") as status:
            tell = lambda line: status.update(f"building {commit[:_SHORT]}: {line.strip()[:60]}")  # noqa: E731
            built = built_at(self._sources, commit, self._cache, tell)
        name = commit[:_SHORT]
        kept = KeptRun(self._cache, name, built, self.arguments, self._workers.checkout)
        if known := kept.known():
            return known
        found = run_with(self._workers, [spec_of(name, built)], self._folder, self.arguments)
        if found.complete:
            kept.keep(found.runs[0])
        if not found.runs:
            raise NothingLearnt(f"the kernel of {self._title(commit)} ran nothing", why="; ".join(found.failures))
        return found.runs[0]

    def trying(self, found: Bisection, commit: str) -> None:
        """Say how far it is."""
        left, steps = len(found.left), found.steps
        self._console.print(f"{left} commits left, about {steps} to try: {self._title(commit)}", soft_wrap=True)

    def note(self, commit: str, became: str) -> None:
        """Say what became of a commit."""
        self._console.print(f"{self._title(commit)}: {became}", soft_wrap=True)

    def _title(self, commit: str) -> str:
        return self._clone.ask("show", "-s", "--format=%h %s", f"--abbrev={_SHORT}", commit)


def _apart(before: LoadedRun, after: LoadedRun) -> set[str]:
    found = compare(before, after)
    return {one.scenario for one in (*found.regressions, *found.fixes, *found.changed)}


def _present(found: Bisection, clone: Clone, console: Console) -> int:
    tried = f"{len(found.runs)} kernels were asked, {len(found.skipped)} skipped"
    if found.left != [found.bad]:
        console.print()
        console.print(f"one of these {len(found.left)}; {tried}:", style="bold")
        for commit in found.left:
            title = clone.ask("show", "-s", "--format=%h %s", commit)
            console.print(f"  {title}: {found.skipped.get(commit, 'the first that is known to be bad')}")
        return 1
    parents = clone.ask("rev-parse", f"{found.bad}^@").splitlines()
    before = next((one for one in parents if one in found.runs), found.good[-1])
    render(compare(found.runs[before], found.runs[found.bad]), console)
    console.print()
    console.print(clone.ask("show", "--stat", "--format=medium", found.bad), soft_wrap=True)
    console.print()
    console.print(f"{found.bad[:_SHORT]} is the first bad commit; {tried}", style="bold")
    return 0
