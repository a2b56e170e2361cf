"""``finwait mutate --kernel-source``: a kernel is built with one line changed, and the scenarios must notice."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from rich.console import Console

from harness.cli.affected import index_of
from harness.cli.workers import opener
from harness.code.index import ChangedLines, CodeIndex, load_index
from harness.code.mutants import KernelMutant, drawn
from harness.errors import FinwaitError
from harness.kernels.boot.uml_virtual import binary_of, fetch_source
from harness.kernels.supply.apt import Source
from harness.kernels.supply.build import KIND
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.counting import CODE
from harness.kernels.supply.make import NotBuilt
from harness.kernels.supply.sources import Sources
from harness.kernels.supply.spec import COUNTS, KernelSpec, parse
from harness.patch.building import builds
from harness.patch.judging import noticed, spec_of
from harness.patch.reading import Patch
from harness.run.matrix import run_with
from harness.run.workers import TakesTasks
from harness.trace.folder import make_folder
from harness.trace.runs import LoadedRun, load

_CORE = ("tcp_input", "tcp_output", "tcp_timer", "tcp_minisocks", "tcp_recovery", "inet_timewait_sock")
_FILES = tuple(f"net/ipv4/{name}.c" for name in _CORE)
_STAGES = (50, 500)  # scenarios that are asked first, before more are
_SAMPLE = 20


class _Fate(StrEnum):
    """What came of a change."""

    NOTICED = "noticed"
    UNNOTICED = "not noticed"
    SAME = "the same kernel"
    NOT_BUILT = "does not compile"


def mutate_kernel(
    options: argparse.Namespace, source: Callable[[], Source], folder: Path, checkout: Path, console: Console
) -> int:
    """Change a kernel in one line at a time, and name the changes that no scenario noticed.

    Args:
        options: as ``finwait mutate`` takes them.
        source: where the kernel's source is fetched from.
        folder: a new folder for the run folders.
        checkout: the folder with pyproject.toml.
        console: shows how it goes on, and what was found; also what was until Ctrl-C.

    Returns:
        0 where each was noticed, else 1.

    Raises:
        FinwaitError: the kernel is not built from a source, its build that counts is not here, or there is no index.
    """
    if options.rest:
        raise FinwaitError(f"{options.rest[0]}: the scenarios are those that reach a line", hint="--file, --sample")
    if options.resume:
        raise FinwaitError("--resume goes on with changed answers", hint="a new run, for changed kernels")
    cache, spec = Cache.of_user(), parse(options.kernel_source)
    path = index_of(options, checkout)
    run, index = load(path if path.is_dir() else path.parent), load_index(path)
    tarball = fetch_source(spec, cache, source)
    counting = binary_of(parse(spec.fetched_as + COUNTS), cache)
    texts = _texts(counting.parent / CODE, options.file or _FILES, index)
    mutants = drawn(index, texts, options.sample or _SAMPLE, options.seed)
    open_workers = opener(options, checkout, console)
    output = make_folder(folder).absolute()
    with console.status("sources"):
        sources = Sources.of_tarball(tarball, cache)
    with open_workers(output) as workers:
        return try_all(MutantTrial(workers, sources, cache, run, index), mutants, texts, output, console)


def try_all(
    trial: MutantTrial, mutants: Iterable[KernelMutant], texts: Mapping[str, str], output: Path, console: Console
) -> int:
    """Try one change after the other, and print what came of each, and the sum; also of those until Ctrl-C.

    Args:
        trial: tries them.
        mutants: the changes.
        texts: the files that they change, by name.
        output: for the run folders.
        console: takes it.

    Returns:
        0 where each was noticed, else 1.
    """
    fates: list[_Fate] = []
    try:
        for number, mutant in enumerate(mutants):
            patch = Patch("mutant", mutant.patch(texts[mutant.file]), (mutant.file,))
            fates.append(trial.fate(mutant, patch, output / f"{number:03}", console))
            console.print(f"{fates[-1]}: {_shown(mutant)}", soft_wrap=True, markup=False, highlight=False)
    finally:
        seen, unseen = fates.count(_Fate.NOTICED), fates.count(_Fate.UNNOTICED)
        console.print(f"{seen} of {seen + unseen} changes of the kernel were noticed", soft_wrap=True)
    return 1 if unseen else 0


def _texts(code: Path, names: Iterable[str], index: CodeIndex) -> dict[str, str]:
    for name in names:
        if name not in index.files:
            near = ", ".join(one for one in index.files if one.endswith(".c"))
            raise FinwaitError(f"--file {name}: no code of it was counted", hint=near)
    return {name: (code / name).read_text(encoding="utf-8") for name in names}


@dataclass(frozen=True, slots=True)
class MutantTrial:
    """Builds a changed kernel and asks it what reaches the change.

    Args:
        workers: who boot it.
        sources: what it is built from.
        cache: where it is kept.
        run: what the scenarios found without the change.
        index: who reaches what.
    """

    workers: TakesTasks
    sources: Sources
    cache: Cache
    run: LoadedRun
    index: CodeIndex

    def fate(self, mutant: KernelMutant, patch: Patch, folder: Path, console: Console) -> _Fate:
        """Build, and run more and more of the scenarios that reach the line, until one notices."""
        try:
            with console.status("building"):
                built = builds(self.sources, self.sources.base, patch, self.cache, lambda _: None)
        except NotBuilt:
            return _Fate.NOT_BUILT
        if isinstance(built, str) or built.same:
            return _Fate.SAME
        near = self.index.affected([ChangedLines(mutant.file, mutant.line, mutant.line)]).scenarios
        names = [one.scenario for one in near if one.changed]
        bounds = [0, *(stage for stage in _STAGES if stage < len(names)), len(names)]
        try:
            kernel = spec_of("mutant", built.after)
            parts = ((names[low:high], folder / str(high)) for low, high in pairwise(bounds))
            seen = any(self._noticed(kernel, part, place) for part, place in parts)
        finally:
            self.cache.remove(KIND, built.after.folder.parent.name)  # nobody asks for it again
        return _Fate.NOTICED if seen else _Fate.UNNOTICED

    def _noticed(self, kernel: KernelSpec, names: Sequence[str], folder: Path) -> bool:
        output = make_folder(folder)
        asked = [str(self.workers.checkout / name) for name in names]
        found = run_with(self.workers, [kernel], output, ["--captures=none", *asked], split=True, more=True)
        return noticed(self.run, found.runs, names)


def _shown(mutant: KernelMutant) -> str:
    return f"{mutant.file}:{mutant.line} ({mutant.kind}) {mutant.before.strip()} -> {mutant.after.strip()}"
