"""Runs the same scenarios on the kernels before and after a change; what the one before did is kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from harness.kernels.supply.build import Built
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelSpec, parse
from harness.patch.building import Builds
from harness.run import judges
from harness.run.matrix import Found, run_with
from harness.run.request import ask
from harness.run.workers import TakesTasks
from harness.tcp.verdict import JUDGED
from harness.trace.records import Result
from harness.trace.runs import LoadedRun, load

_KIND = "judged"


def spec_of(name: str, built: Built) -> KernelSpec:
    """A kernel that was built, under a name for its column."""
    return parse(f"{name}={built.binary}")


def both(builds: Builds) -> list[KernelSpec]:
    """The kernels before and after a change, under these names."""
    return [spec_of("before", builds.before), spec_of("after", builds.after)]


class KeptRun:
    """What a kernel did, kept: time is virtual, so it would do the same again.

    Args:
        cache: where it is kept.
        name: what the kernel is called in it.
        kernel: which one.
        arguments: what its pytest is given; none for all scenarios.
        checkout: the folder with pyproject.toml.
    """

    def __init__(self, cache: Cache, name: str, kernel: Built, arguments: Sequence[str], checkout: Path) -> None:
        asked = ask(spec_of(name, kernel), arguments, checkout)
        self._cache = cache
        # of files elsewhere nobody knows whether they are the same next time
        self._key = "" if asked.outside else judges.digest(checkout, name, kernel.folder.parent.name, *asked.arguments)

    def known(self) -> LoadedRun | None:
        """The run; None where there was none, or another version of finwait made it."""
        kept = self._key and self._cache.content(_KIND, self._key)
        return load(kept) if kept else None

    def keep(self, run: LoadedRun) -> None:
        """Keep a run that came to its end."""

        def copy(folder: Path) -> None:
            shutil.copytree(run.path, folder, dirs_exist_ok=True)

        if self._key:
            self._cache.fill(_KIND, self._key, copy)


def judged(
    workers: TakesTasks, builds: Builds, arguments: Sequence[str], output: Path, known: LoadedRun | None, *, more: bool
) -> Found:
    """The runs of both kernels, named before and after.

    Args:
        workers: who boot the kernels.
        builds: the kernels.
        arguments: for pytest; none for all scenarios.
        output: a folder below the workers', for the run folders.
        known: the first one's run, where it is known.
        more: whether the kernels will be asked again.
    """
    specs = both(builds)
    found = run_with(workers, specs[1:] if known else specs, output, arguments, split=True, more=more)
    return replace(found, runs=(known, *found.runs)) if known else found


def noticed(before: LoadedRun, after: Iterable[LoadedRun], names: Iterable[str]) -> bool:
    """Whether a scenario that was judged ends otherwise; also where the kernel dies, or loses the scenario.

    Args:
        before: without the change.
        after: with it, one run or more.
        names: the scenarios that were asked.
    """
    ends = {name: _end(result) for one in after for name, result in one.results.items()}
    known = (before.results[name] for name in names if name in before.results)
    return any(_end(one) != ends.get(one.scenario) for one in known if one.outcome in JUDGED)


def _end(result: Result) -> tuple[str, str, tuple[str, ...]]:
    return result.outcome, result.answer, result.choices
