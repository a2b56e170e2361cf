"""What ``finwait bisect`` halves: the commits of a kernel tree, or the releases of one kind that can be had."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console

from harness.cli.kernels import have
from harness.errors import FinwaitError
from harness.kernels.supply.apt import Source
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.git import Clone
from harness.kernels.supply.provide import pinned
from harness.kernels.supply.sources import Sources
from harness.kernels.supply.spec import KernelKind, KernelSpec, known
from harness.patch.bisecting import Bisection, NothingLearnt
from harness.patch.building import built_at
from harness.patch.judging import KeptRun, spec_of
from harness.run.matrix import run_with
from harness.run.workers import TakesTasks
from harness.trace.runs import LoadedRun

_SHORT = 12  # digits of a commit


class History(Protocol):
    """Kernels in an order of time, by name."""

    kept: str
    """What Ctrl-C leaves, and what to do then."""
    one: str
    """What one of them is called."""

    def named(self, end: str) -> str:
        """The name of one that the user names."""

    def candidates(self, good: Iterable[str], bad: str) -> list[str]:
        """Those of which one is the first bad one, the one first that halves them best."""

    def ask(self, name: str, workers: TakesTasks, folder: Path, arguments: Sequence[str]) -> LoadedRun:
        """What a kernel does; it is built or fetched first."""

    def title(self, name: str) -> str:
        """What to call it, in a line."""

    def before(self, found: Bisection) -> str:
        """The good one that stands right before what was found."""

    def story(self, name: str) -> str:
        """What there is to say of what was found; empty for nothing."""


class Commits:
    """The commits of a git clone, each built for virtual time.

    Args:
        tree: the clone; it is not changed.
        cache: where kernels are kept.
        console: for progress.

    Raises:
        FinwaitError: it is no clone.
    """

    kept = "the kernels that were built are kept, and the same command goes on with them"
    one = "commit"

    def __init__(self, tree: Path, cache: Cache, console: Console) -> None:
        self._clone, self._cache, self._console = Clone(tree), cache, console
        self._sources = Sources.of_clone(self._clone, cache)

    def named(self, end: str) -> str:
        """A commit by any name that git knows; raises FinwaitError where it knows none."""
        return self._clone.commit(end)

    def candidates(self, good: Iterable[str], bad: str) -> list[str]:
        """By git-rev-list(1)."""
        return self._sources.candidates(good, bad)

    def ask(self, name: str, workers: TakesTasks, folder: Path, arguments: Sequence[str]) -> LoadedRun:
        """What a commit's kernel does.

        Raises:
            NotBuilt: it cannot be built.
            NothingLearnt: it ran nothing.
        """
        short = name[:_SHORT]
        with self._console.status(f"building {short}") as status:
            tell = lambda line: status.update(f"building {short}: {line.strip()[:60]}")  # noqa: E731
            built = built_at(self._sources, name, self._cache, tell)
        kept = KeptRun(self._cache, short, built, arguments, workers.checkout)
        if run := kept.known():
            return run
        found = run_with(workers, [spec_of(short, built)], folder, arguments)
        if found.complete:
            kept.keep(found.runs[0])
        if not found.runs:
            raise NothingLearnt(f"the kernel of {self.title(name)} ran nothing", why="; ".join(found.failures))
        return found.runs[0]

    def title(self, name: str) -> str:
        """Its hash and what its message begins with."""
        return self._clone.ask("show", "-s", "--format=%h %s", f"--abbrev={_SHORT}", name)

    def before(self, found: Bisection) -> str:
        """A parent that was asked, else the last good one."""
        parents = self._clone.ask("rev-parse", f"{found.bad}^@").splitlines()
        return next((one for one in parents if one in found.runs), found.good[-1])

    def story(self, name: str) -> str:
        """Its message, and the files that it changes."""
        return self._clone.ask("show", "--stat", "--format=medium", name)


class Releases:
    """The releases of one kind of kernel that can be had, each fetched where it is not here.

    Args:
        kind: which kind.
        cache: where kernels are kept.
        source: whom packages are fetched from.
        console: for progress.
    """

    kept = "the kernels that were fetched are kept"
    one = "release"

    def __init__(self, kind: KernelKind, cache: Cache, source: Callable[[], Source], console: Console) -> None:
        self._kind, self._cache, self._source, self._console = kind, cache, source, console
        specs = sorted((spec for spec in known() if spec.kind is kind), key=_age)
        self._specs = {spec.name: spec for spec in specs}

    def named(self, end: str) -> str:
        """A release by its series, such as ``6.12``, or by its whole name.

        Raises:
            FinwaitError: there is none of this kind; it names those that there are.
        """
        name = f"{self._kind}:{end.removeprefix(f'{self._kind}:')}"
        if name not in self._specs:
            raise FinwaitError(f"there is no release {end} of {self._kind}", hint=", ".join(self._specs))
        return name

    def candidates(self, good: Iterable[str], bad: str) -> list[str]:
        """Those behind the newest good one, up to the bad one."""
        order = list(self._specs)
        left = order[max(map(order.index, good)) + 1 : order.index(bad) + 1]
        middle = len(left) // 2 - 1
        return sorted(left, key=lambda name: abs(left.index(name) - middle))

    def ask(self, name: str, workers: TakesTasks, folder: Path, arguments: Sequence[str]) -> LoadedRun:
        """What a release does.

        Raises:
            NothingLearnt: it cannot be had any more, or ran nothing.
        """
        spec = self._specs[name]
        try:
            have(spec, self._cache, self._source, self._console)
        except FinwaitError as error:
            raise NothingLearnt(error.what, why=error.why, hint=error.hint) from error
        found = run_with(workers, [spec], folder, arguments, more=True)
        if not found.runs:
            raise NothingLearnt(f"{name} ran nothing", why="; ".join(found.failures))
        return found.runs[0]

    def title(self, name: str) -> str:
        """Its name, and the version of its packages where they are here."""
        fetched = pinned(self._specs[name], self._cache)
        return f"{name} ({fetched[0].version})" if fetched else name

    def before(self, found: Bisection) -> str:
        """The newest good one."""
        order = list(self._specs)
        return max(found.good, key=order.index)

    def story(self, name: str) -> str:  # noqa: ARG002
        """Nothing: what changed between two releases is more than a page."""
        return ""


def _age(spec: KernelSpec) -> list[int]:
    return [int(part) for part in spec.series.split(".")]
