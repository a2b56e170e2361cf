"""``finwait patch``: what a patch of the kernel changes in its behaviour."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from harness.cli import report
from harness.cli.matrix import show_failures
from harness.errors import FinwaitError
from harness.kernels.boot.uml_virtual import source_tarball
from harness.kernels.supply.apt import Source
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.provide import provide
from harness.kernels.supply.sources import Clone, Sources
from harness.kernels.supply.spec import KernelKind, parse
from harness.patch.building import Builds, builds
from harness.patch.judging import judged
from harness.patch.reading import Patch, commit_range, read_patch
from harness.run.matrix import Found
from harness.run.rehearsal import rehearse
from harness.run.workers import Workers
from harness.trace.folder import make_folder
from reports.compare import Comparison, compare, render

_NEWEST = "uml-virtual:7.2"
_NAMED = 5  # files


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
    report.prepare(options)
    began, cache = time.monotonic(), Cache.of_user()
    change = _change(options)
    rehearse(options.rest, checkout)
    with console.status("sources") as status:
        sources, base, after = _sources(options, change, source, cache)
        tell = lambda line: status.update(f"building: {line.strip()[:70]}")  # noqa: E731
        built = builds(sources, base, after, cache, tell)
    name = change.name if isinstance(change, Patch) else options.patch
    if isinstance(built, str):
        return _without_effect(name, built, console)
    if built.same:
        return _without_effect(
            name, f"the kernel that it makes is the same to the octet ({_list(built.names)})", console
        )
    console.print(f"{name} changes {_list(built.names)}; built in {time.monotonic() - began:.0f} s", soft_wrap=True)
    found = _run(built, options.rest, folder, checkout, cache, console)
    if len(found.runs) < 2:
        console.print(f"{name}: worse: the kernel gets as far as no result", style="bold red")
        return 1
    comparison = compare(*found.runs)
    render(comparison, console)
    report.write_asked(options, found.runs, checkout, console, comparison)
    return _conclude(name, comparison, time.monotonic() - began, console)


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
    spec = parse(options.kernel or _NEWEST)
    if spec.kind is not KernelKind.UML_VIRTUAL or spec.path is not None:
        raise FinwaitError(f"{spec.title} is not built from a source", hint=f"--kernel {_NEWEST}, or --tree DIR")
    provide(spec, cache, source())
    sources = Sources.of_tarball(source_tarball(spec, cache), cache)
    assert isinstance(change, Patch)  # noqa: S101  a range has a tree
    return sources, sources.base, change


def _run(built: Builds, rest: list[str], folder: Path, checkout: Path, cache: Cache, console: Console) -> Found:
    output = make_folder(folder).absolute()
    with Workers(output, checkout, cache, console) as workers:
        found = judged(workers, cache, built.before, built.after, rest, output)
    show_failures(found, console)
    return found


def _without_effect(name: str, why: str, console: Console) -> int:
    console.print(f"{name}: nothing changes: {why}", soft_wrap=True)
    return 0


def _conclude(name: str, comparison: Comparison, seconds: float, console: Console) -> int:
    worse = len(comparison.regressions) + sum(one.doubt for one in comparison.uncompared)
    other, better = len(comparison.changed), len(comparison.fixes)
    if not worse + other + better + comparison.same:
        raise FinwaitError(f"{name}: no scenario was judged on both kernels", hint="other scenarios")
    verdict = "worse" if worse else "other" if other else "better" if better else "nothing changes"
    style = {"worse": "bold red", "other": "bold yellow", "better": "bold green"}.get(verdict, "")
    counts = f"{worse} worse, {better} better, {other} other, {comparison.same} the same"
    console.print(f"{name}: {verdict}: {counts}, in {seconds:.0f} s", style=style, soft_wrap=True)
    return 1 if worse or other else 0


def _list(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
