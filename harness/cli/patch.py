"""``finwait patch``: what a patch of the kernel changes in its behaviour."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from harness.cli import report
from harness.cli.affected import index_of, print_unreached, show_affected
from harness.cli.explore import seconds_of
from harness.cli.explore_patch import explore_patch
from harness.cli.matrix import show_failures
from harness.cli.workers import opener
from harness.code.changes import changed_lines
from harness.code.index import load_index
from harness.errors import FinwaitError
from harness.kernels.boot.uml_virtual import fetch_source
from harness.kernels.supply.apt import Source
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.git import Clone
from harness.kernels.supply.sources import Sources
from harness.kernels.supply.spec import parse
from harness.patch.building import Builds, builds
from harness.patch.judging import KeptRun, both, judged
from harness.patch.reading import Patch, commit_range, read_patch
from harness.run.matrix import Found
from harness.run.rehearsal import rehearse
from harness.trace.folder import make_folder
from reports.compare import Comparison, compare, render

_NEWEST = "uml-virtual:7.2"
_NAMED = 5  # files
_FIRST = 60  # scenarios that are run before all others


def patch(
    options: argparse.Namespace, source: Callable[[], Source], folder: Path, checkout: Path, console: Console
) -> int:
    """Judge a patch, and print what changes.

    Args:
        options: as ``finwait patch`` takes them.
        source: where a kernel's sources are fetched from.
        folder: a new folder for the run folders.
        checkout: the folder with pyproject.toml.
        console: for progress and what was found.

    Returns:
        0 where nothing got worse, 1 where something did or behaves otherwise.

    Raises:
        FinwaitError: the patch or the tree is none, it does not apply, or does not compile.
    """
    began, cache = time.monotonic(), Cache.of_user()
    change = _change(options)
    if options.affected:
        index = partial(index_of, options, checkout)
        return show_affected(_text(options, change), index, console, every=options.all)
    seconds = seconds_of(options.explore, "--explore") if options.explore else 0.0
    report.prepare(options)
    open_workers = opener(options, checkout, console)
    rehearse(options.rest, checkout)
    with console.status("sources") as status:
        sources, base, after = _sources(options, change, source, cache)
        tell = lambda line: status.update(f"building: {line.strip()[:70]}")  # noqa: E731
        built = builds(sources, base, after, cache, tell)
    name = change.name if isinstance(change, Patch) else options.patch
    if isinstance(built, str):
        return _without_effect(name, built, console)
    if built.same:
        return _without_effect(name, f"with it the kernel is the same to the octet ({_list(built.names)})", console)
    console.print(f"{name} changes {_list(built.names)}; built after {_since(began)}", soft_wrap=True)
    closest = () if options.rest else _closest(options, _text(options, change), checkout, console)
    output = make_folder(folder).absolute()
    before = KeptRun(cache, "before", built.before, options.rest, checkout)
    known = before.known()
    with open_workers(output) as workers:
        if closest:
            first = judged(workers, built, closest, make_folder(output / "closest"), known, more=True)
            _tell_of_closest(first, len(closest), began, console)
        found = judged(workers, built, options.rest, output, known, more=False)
    if found.complete and not known:
        before.keep(found.runs[0])
    search = partial(_searched, options, _text(options, change), built, seconds, checkout, console)
    return _present(name, found, options, checkout, search, began, console)


def _searched(
    options: argparse.Namespace, text: str, built: Builds, seconds: float, checkout: Path, console: Console
) -> int:
    """How many differences programs find that nobody wrote, where that is asked for."""
    if not seconds:
        return 0
    base = "" if options.tree else options.kernel or _NEWEST
    return explore_patch(both(built), base, changed_lines(text), seconds, options, checkout, console)


def _present(
    name: str,
    found: Found,
    options: argparse.Namespace,
    checkout: Path,
    search: Callable[[], int],
    began: float,
    console: Console,
) -> int:
    show_failures(found, console)
    if len(found.runs) < 2:
        console.print(f"{name}: worse: a kernel got as far as no result", style="bold red")
        return 1
    comparison = compare(*found.runs)
    render(comparison, console)
    report.write_asked(options, found.runs, checkout, console, comparison)
    counts = _Counts.of(comparison)
    if not any((counts.worse, counts.better, counts.other, comparison.same)):
        raise FinwaitError(f"{name}: no scenario was judged on both kernels", hint="other scenarios")
    more = search()
    verdict = (
        "worse"
        if counts.worse
        else "other"
        if counts.other or more
        else "better"
        if counts.better
        else "nothing changes"
    )
    style = {"worse": "bold red", "other": "bold yellow", "better": "bold green"}.get(verdict, "")
    by_search = f", {more} found by search" if options.explore else ""
    text = f"{name}: {verdict}: {counts}, {comparison.same} the same{by_search}, in {_since(began)}"
    console.print(text, style=style, soft_wrap=True)
    return 1 if counts.worse or counts.other or more else 0


class _Counts(NamedTuple):
    """How many scenarios changed how; what a kernel no longer judged is worse."""

    worse: int
    better: int
    other: int

    @classmethod
    def of(cls, comparison: Comparison) -> _Counts:
        lost = sum(one.doubt for one in comparison.uncompared)
        return cls(len(comparison.regressions) + lost, len(comparison.fixes), len(comparison.changed))

    def __str__(self) -> str:
        return f"{self.worse} worse, {self.better} better, {self.other} other"


def _tell_of_closest(found: Found, count: int, began: float, console: Console) -> None:
    if len(found.runs) > 1:
        counts = _Counts.of(compare(*found.runs))
        console.print(f"of the {count} scenarios closest to it: {counts}; after {_since(began)}", soft_wrap=True)


def _closest(options: argparse.Namespace, text: str, checkout: Path, console: Console) -> tuple[str, ...]:
    """The scenarios that reach most of what a patch changes, where there is an index."""
    try:
        found = load_index(index_of(options, checkout)).affected(changed_lines(text))
    except FinwaitError as error:
        console.print(f"which scenarios reach it is not known: {error}", style="dim", soft_wrap=True)
        return ()
    print_unreached(found, console)
    return tuple(str(checkout / one.scenario) for one in found.scenarios[:_FIRST])


def _text(options: argparse.Namespace, change: Patch | tuple[str, str]) -> str:
    if isinstance(change, Patch):
        return change.text
    clone = Clone(options.tree)
    return clone.ask("diff", "--no-ext-diff", *map(clone.commit, change))


def _since(began: float) -> str:
    return f"{time.monotonic() - began:.0f} s"


def _change(options: argparse.Namespace) -> Patch | tuple[str, str]:
    names = commit_range(options.patch)
    if names and not options.tree:
        raise FinwaitError(f"{options.patch} is a range of commits, of no tree", hint="--tree DIR")
    return names or read_patch(options.patch)


def _sources(
    options: argparse.Namespace, change: Patch | tuple[str, str], source: Callable[[], Source], cache: Cache
) -> tuple[Sources, str, Patch | str]:
    """Where the versions are checked out, the one before the change, and the change itself."""
    if options.tree:
        clone = Clone(options.tree)
        clone.check_clean()
        if isinstance(change, Patch):
            return Sources.of_clone(clone, cache), clone.commit("HEAD"), change
        return Sources.of_clone(clone, cache), clone.commit(change[0]), clone.commit(change[1])
    sources = Sources.of_tarball(fetch_source(parse(options.kernel or _NEWEST), cache, source), cache)
    assert isinstance(change, Patch)  # noqa: S101  a range has a tree
    return sources, sources.base, change


def _without_effect(name: str, why: str, console: Console) -> int:
    console.print(f"{name}: nothing changes: {why}", soft_wrap=True)
    return 0


def _list(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
