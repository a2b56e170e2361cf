"""What ``finwait kernels`` does: list, fetch, build, remove, verify."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness.errors import FinwaitError
from harness.kernels.boot.uml_virtual import source_tarball
from harness.kernels.supply import build
from harness.kernels.supply.apt import Source
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.provide import pinned, provide
from harness.kernels.supply.spec import KernelKind, KernelSpec, known, parse
from harness.run.jobs import backend_of
from reports.lines import Line, show

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a kernel can be run, and what there is to do when not."""

    spec: KernelSpec
    missing: str

    def line(self) -> Line:
        """For the list."""
        if not self.missing:
            return [(f"{self.spec.name:<18}", "bold"), ("here", "green")]
        verb = "build" if self.spec.kind is KernelKind.UML_VIRTUAL else "fetch"
        return [(f"{self.spec.name:<18}", "bold"), (f"finwait kernels {verb} {self.spec.name}", "dim")]


def listing(cache: Cache) -> Iterator[Availability]:
    """Every kernel that has a name."""
    for spec in known():
        yield Availability(spec, backend_of(spec, cache).available() or "")


def fetch(name: str, cache: Cache, source: Source, console: Console, *, renew: bool = False) -> KernelSpec:
    """Have a kernel's packages in the cache; nothing is downloaded that is there.

    Raises:
        FinwaitError: there is no such kernel, or its packages cannot be had.
    """
    spec = parse(name)
    if spec.kind is KernelKind.HOST:
        return spec
    with console.status(f"fetching {spec.name}"):
        provide(spec, cache, source, renew=renew)
    return spec


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


def build_kernel(
    name: str,
    cache: Cache,
    source: Callable[[], Source],
    console: Console,
    *,
    jobs: int | None,
    tree: Path | None,
) -> None:
    """Build User Mode Linux with virtual time, from the distribution's source or from a tree.

    Raises:
        FinwaitError: the kernel is not one that is built, a tool is missing, or the build failed.
    """
    jobs = jobs or len(os.sched_getaffinity(0))
    with console.status("building") as status:
        progress = lambda line: status.update(f"building: {line.strip()[:70]}")  # noqa: E731
        if tree is not None:
            built = build.build(tree, cache, jobs=jobs, progress=progress)
        else:
            spec = parse(name)
            if spec.kind is not KernelKind.UML_VIRTUAL:
                raise FinwaitError(
                    f"{name} is not built but fetched",
                    hint=f"finwait kernels fetch {name}, or build uml-virtual:{spec.series or '7.2'}",
                )
            provide(spec, cache, source())
            built = build.build_tarball(source_tarball(spec, cache), cache, jobs=jobs, progress=progress)
    console.print(f"built {built.binary}", soft_wrap=True)


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
    if spec.kind is KernelKind.UML_VIRTUAL and spec.path is None and packages:
        keys.insert(0, (build.KIND, build.tarball_key(source_tarball(spec, cache))))
    return sum(cache.remove(kind, key) for kind, key in keys)


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
        f"{len(entries)} entries, {size:.0f} MiB in {cache.root}: {len(wrong)} files are wrong", soft_wrap=True
    )
    return 1 if wrong else 0


def print_listing(cache: Cache, console: Console) -> None:
    """The list, a line each."""
    show(console, [one.line() for one in listing(cache)])
    console.print("or a path: to a bzImage, a User Mode Linux binary or a .deb; PATH,modules=DIR for its modules")
