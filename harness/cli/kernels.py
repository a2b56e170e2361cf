"""What ``finwait kernels`` does: list, fetch, build, remove, verify."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

from rich.console import Console

from harness.errors import FinwaitError
from harness.kernels.boot.uml_virtual import source_tarball
from harness.kernels.supply import build
from harness.kernels.supply.apt import Source
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.counting import CODE_COVERAGE, options_of
from harness.kernels.supply.fragments import VIRTUAL_UML
from harness.kernels.supply.provide import pinned, provide
from harness.kernels.supply.sources import remove_sources
from harness.kernels.supply.spec import COUNTS, KernelKind, KernelSpec, known, parse
from harness.run.jobs import backend_of
from reports.grid import Cell, Grid, Section
from reports.lines import show

_MIB = 1 << 20


_KINDS = {
    KernelKind.HOST: "the running kernel",
    KernelKind.UML: "a process, real time",
    KernelKind.UML_VIRTUAL: "a process, virtual time",
    KernelKind.DEBIAN: "an emulated machine",
}


def listing(cache: Cache) -> Grid:
    """Every kernel that has a name: what it is, its version, what is downloaded for it, and whether it is here."""
    rows = tuple(_row(spec, cache) for spec in known())
    return Grid(("kernel", "runs as", "version", "download", "here"), (Section("", rows),), right=frozenset({3}))


def _row(spec: KernelSpec, cache: Cache) -> tuple[Cell, ...]:
    fetched = pinned(spec, cache)
    version = os.uname().release if spec.kind is KernelKind.HOST else fetched[0].version if fetched else spec.series
    size = f"{spec.megabytes} MB" if spec.megabytes else ""
    state = ("yes", "green") if backend_of(spec, cache).available() is None else ("no", "dim")
    if state[0] == "no" and spec.kind is KernelKind.UML_VIRTUAL:
        state = ("source only; to be built" if fetched else "no; built from source", "dim")
    return (spec.name, "bold"), (_KINDS[spec.kind], ""), (version, ""), (size, ""), state


def fetch(name: str, cache: Cache, source: Source, console: Console, *, renew: bool = False) -> KernelSpec:
    """Have a kernel's packages in the cache; nothing is downloaded that is there.

    Raises:
        FinwaitError: there is no such kernel, or its packages cannot be fetched.
    """
    spec = parse(name)
    if spec.kind is KernelKind.HOST:
        return spec
    with console.status(f"fetching {spec.name}"):
        provide(spec, cache, source, renew=renew)
    return spec


def after_fetching(spec: KernelSpec) -> str:
    """What a user has once the packages are in the cache: a kernel, or only the source to build one from."""
    if spec.kind is KernelKind.UML_VIRTUAL:
        return f"only the source of {spec.name} is here; next: finwait kernels build {spec.name}"
    return f"{spec.name} is here"


def have(spec: KernelSpec, cache: Cache, source: Callable[[], Source], console: Console) -> None:
    """Fetch a kernel where it is not here; one that is needs no network, and no apt either.

    Raises:
        FinwaitError: it cannot be fetched, or has to be built first.
    """
    if backend_of(spec, cache).available() is None:
        return
    if spec.kind is KernelKind.UML_VIRTUAL:
        raise FinwaitError(f"{spec.name} is not built yet", hint=f"finwait kernels build {spec.name}")
    if spec.path is None:
        fetch(spec.name, cache, source(), console)


def build_kernel(options: argparse.Namespace, cache: Cache, source: Callable[[], Source], console: Console) -> None:
    """Build User Mode Linux with virtual time, from the distribution's source or from a tree.

    Raises:
        FinwaitError: the kernel is not one that is built, a tool is missing, or the build failed.
    """
    name, tree, counts = options.name, options.tree, options.code_coverage
    if not name and not tree:
        raise FinwaitError(
            "neither a kernel nor a source tree to build is named",
            hint="finwait kernels build uml-virtual:7.2, or --tree DIR",
        )
    jobs = options.jobs or len(os.sched_getaffinity(0))
    with console.status("building") as status:
        progress = lambda line: status.update(f"building: {line.strip()[:70]}")  # noqa: E731
        if tree is not None:
            asked = CODE_COVERAGE if counts else VIRTUAL_UML
            built = build.build(tree, cache, jobs=jobs, progress=progress, options=asked)
        else:
            spec = parse(name + COUNTS if counts and not name.endswith(COUNTS) else name)
            if spec.kind is not KernelKind.UML_VIRTUAL:
                raise FinwaitError(
                    f"{name} is fetched and not built",
                    hint=f"finwait kernels fetch {name}, or build uml-virtual:{spec.series or '7.2'}",
                )
            provide(spec, cache, source())
            asked, tarball = options_of(spec), source_tarball(spec, cache)
            built = build.build_tarball(tarball, cache, jobs=jobs, progress=progress, options=asked)
    console.print(f"built {built.binary}", soft_wrap=True)
    if counts and not tree:
        console.print(f"it is named {spec.name}", soft_wrap=True)


def remove(name: str, cache: Cache) -> int:
    """Take a kernel's packages, trees and builds out of the cache; how many entries went.

    What another kernel's name stands for as well stays.

    Raises:
        FinwaitError: there is no such kernel.
    """
    spec = parse(name)
    packages = {package.sha256 for package in pinned(spec, cache)} if spec.path is None else set()
    shared = {package.sha256 for other in known() if other.name != spec.name for package in pinned(other, cache)}
    keys = [(kind, key) for key in packages - shared for kind in ("tree", "deb")]
    sources = False
    if spec.kind is KernelKind.UML_VIRTUAL and spec.path is None and packages:
        keys.insert(0, (build.KIND, build.tarball_key(source_tarball(spec, cache), options_of(spec))))
        sources = remove_sources(source_tarball(spec, cache), cache)
    return sources + sum(cache.remove(kind, key) for kind, key in keys)


def verify(cache: Cache, console: Console) -> int:
    """Recompute every hash in the cache and clear away what killed runs left; 1 where a file is not as stored."""
    for name in cache.sweep():
        console.print(f"cleared unfinished {name}", soft_wrap=True)
    wrong = cache.verify()
    for line in wrong:
        console.print(line, soft_wrap=True)
    entries = cache.entries()
    size = sum(entry.size for entry in entries) / _MIB
    console.print(
        f"{len(entries)} entries, {size:.0f} MiB in {cache.root}: {len(wrong)} files are damaged", soft_wrap=True
    )
    return 1 if wrong else 0


def print_listing(cache: Cache, console: Console) -> None:
    """The list, a row each."""
    show(console, listing(cache).lines())
    console.print("to get one: finwait kernels fetch NAME, or build NAME, which takes minutes", soft_wrap=True)
    console.print("your own: PATH or NAME=PATH of a bzImage, a User Mode Linux binary or a .deb;", soft_wrap=True)
    console.print("          PATH,modules=DIR", soft_wrap=True)
