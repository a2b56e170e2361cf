"""What one machine of a cluster is to do, and what it brings back; neither names a path of the machine that asks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import msgspec

from harness.cluster.parcels import Parcel, checkout_files
from harness.explore.attempt import CodeReached, Order
from harness.kernels.boot.uml_virtual import binary_of
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.provide import pinned, provided
from harness.kernels.supply.spec import KernelKind, KernelSpec, parse
from harness.run.request import KernelReply, Request

KERNELS, TREES = "carried", "tree"
"""The kinds of entries of a cache that a kernel's files are kept in."""


class CarriedKernel(msgspec.Struct, frozen=True, kw_only=True):
    """A kernel, by what its files are known by.

    Args:
        title: what it is called.
        kind: how it runs.
        series: its first two numbers.
        pins: the packages that its name stands for, as they are pinned in a cache.
        files: the key of its own files, where it is not made of packages.
        path: its file among them.
        modules: the folder with its modules among them.
    """

    title: str
    kind: KernelKind
    series: str = ""
    pins: tuple[dict[str, str | int], ...] = ()
    files: str = ""
    path: str = ""
    modules: str = ""

    @property
    def entries(self) -> tuple[tuple[str, str], ...]:
        """Kind and key of what has to be in a machine's cache."""
        if self.files:
            return ((KERNELS, self.files),)
        return tuple((TREES, str(one["sha256"])) for one in self.pins)

    def spec(self, cache: Cache) -> KernelSpec:
        """The same in a machine's cache, where its files are."""
        if self.files:
            content = cache.content(KERNELS, self.files) or Path()
            modules = content / self.modules if self.modules else None
            return KernelSpec(self.title, self.kind, self.series, path=content / self.path, modules=modules)
        if self.pins:
            cache.pin(self.title, list(self.pins))
        return parse(self.title)


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine needs for whatever it is to ask a kernel.

    Args:
        version: of finwait, which has to be the machine's.
        run: which run it is of: by that it can be stopped.
        kernel: which kernel is asked.
        checkout: where in the files the checkout lies; a path of the machine where ``files`` is empty.
        files: the key of what travels for this run.
        parcels: kind and key of each parcel that is handed over with this.
    """

    version: str
    run: str
    kernel: CarriedKernel
    checkout: str
    files: str = ""
    parcels: tuple[tuple[str, str], ...] = ()


class ScenariosErrand(Errand, frozen=True, kw_only=True):
    """One request for scenarios; ``folder`` is the name of the run folder."""

    folder: str
    request: Request


class ProgramsErrand(Errand, frozen=True, kw_only=True):
    """Programs that nobody wrote, for a kernel that may be up already.

    Args:
        order: the programs.
        boot: how often the kernel was to be booted anew before; one from an earlier boot is not asked.
    """

    order: Order
    boot: int


class RanPrograms(msgspec.Struct, frozen=True, kw_only=True):
    """What became of programs.

    Args:
        noted: of each; None where it killed the kernel.
        why_lost: how the kernel died, by the program's place in the order.
        code: what was reached, where the order asked that: for some programs each, by their places.
    """

    noted: tuple[bytes | None, ...]
    why_lost: dict[int, str] = {}
    code: tuple[tuple[tuple[int, ...], CodeReached], ...] = ()


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """What an errand came to.

    Args:
        machine: who saw to it, by its name.
        address: where that is in the cluster.
        reply: of the kernel; None where the machine could not even ask it.
        ran: the same of programs that nobody wrote.
        fault: why it could not.
        missing: kind and key of what it would have needed.
        archive: what was recorded, packed.
    """

    machine: str = ""
    address: str = ""
    reply: KernelReply | None = None
    ran: RanPrograms | None = None
    fault: str = ""
    missing: tuple[tuple[str, str], ...] = ()
    archive: bytes = b""


def carried(spec: KernelSpec, cache: Cache) -> tuple[CarriedKernel, list[Parcel]]:
    """A kernel and what has to travel for it.

    Raises:
        FinwaitError: its files are not in the cache.
    """
    plain = CarriedKernel(title=spec.title, kind=spec.kind, series=spec.series)
    if spec.kind is KernelKind.HOST:
        return plain, []
    if spec.path is None and spec.kind is not KernelKind.UML_VIRTUAL:
        packages = pinned(spec, cache)
        parcels = [
            Parcel(TREES, tree, tuple(sorted(tree.iterdir())), package.sha256)
            for package, tree in zip(packages, provided(spec, cache), strict=True)
        ]
        return msgspec.structs.replace(plain, pins=tuple(map(asdict, packages))), parcels
    path = spec.path or binary_of(spec, cache)
    files = [path, spec.modules] if spec.modules else [path]
    base = Path(os.path.commonpath([one.parent for one in files]))
    parcel = Parcel(KERNELS, base, tuple(files))
    modules = str(spec.modules.relative_to(base)) if spec.modules else ""
    named = msgspec.structs.replace(plain, files=parcel.key, path=str(path.relative_to(base)), modules=modules)
    return named, [parcel]


def files_of_run(checkout: Path, outside: Sequence[str]) -> tuple[Parcel, str]:
    """What a run needs beside kernels: its checkout, and what lies outside of that.

    Args:
        checkout: the folder with pyproject.toml.
        outside: see ``Request``.

    Returns:
        The parcel, and where in it the checkout is.
    """
    others = [(checkout / path).resolve() for path in outside]
    base = Path(os.path.commonpath([checkout.parent, *(one.parent for one in others)]))
    beside = [file for one in others for file in (checkout_files(one) if one.is_dir() else (one,))]
    parcel = Parcel("", base, (*checkout_files(checkout), *beside))
    return parcel, str(checkout.relative_to(base))
