"""What a machine of a cluster does: takes an errand, asks a kernel, and brings back what was recorded."""

from __future__ import annotations

import compileall
import io
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, TypeVar

import msgspec
from distributed import Worker, WorkerPlugin, get_worker
from rich.console import Console

from harness import __version__
from harness.cluster.errand import Brought, Errand, ScenariosErrand
from harness.cluster.parcels import pack, unpack
from harness.errors import FinwaitError
from harness.kernels.boot.qemu import QEMU
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind
from harness.run.jobs import Task, room
from harness.run.workers import Workers
from harness.trace.folder import make_folder

KERNELS_AT_ONCE = "finwait-kernels"
"""The resource that a kernel takes one of, as dask counts them."""

E = TypeVar("E", bound=Errand)


class Stoppable(Protocol):
    """What can be ended from another thread."""

    def stop(self) -> None:
        """End it."""


_under_way: dict[str, set[Stoppable]] = {}


@dataclass(frozen=True, slots=True)
class Workplace:
    """What a machine has for an errand: its cache with the kernel, the checkout, and a folder for the time of a run."""

    cache: Cache
    checkout: Path
    scratch: Path


def resource(kind: KernelKind) -> str:
    """The resource that a machine has where it can run kernels of a kind."""
    return f"finwait-{kind}"


class Capabilities(WorkerPlugin):
    """Tells the scheduler what a machine can do, when it comes."""

    name = "finwait"

    async def setup(self, worker: Worker) -> None:
        """Declare how many kernels may be up at once, unless whoever began the worker has said it, and which kinds."""
        can = {resource(kind): 1.0 * _MANY for kind in KernelKind if not lacks(kind)}
        if KERNELS_AT_ONCE not in worker.state.total_resources:
            can[KERNELS_AT_ONCE] = float(min(room(), worker.state.nthreads))
        await worker.set_resources(**can)


_MANY = 1 << 20  # dask counts resources down; that a machine can do something is not used up


def lacks(kind: KernelKind) -> str:
    """What a machine lacks for kernels of a kind; empty where it can run them."""
    if platform.machine() != "x86_64" and kind is not KernelKind.HOST:
        return f"this machine is {platform.machine()}, and the kernels are for x86_64"
    if kind is KernelKind.DEBIAN and shutil.which(QEMU) is None:
        return f"there is no {QEMU}"
    return ""


def describe() -> tuple[str, str]:
    """The machine's version of finwait and its name."""
    return __version__, platform.node()


def absent(parcels: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of the parcels, by kind and key, that the machine's cache has not."""
    cache = Cache.of_user()
    return [(kind, key) for kind, key in parcels if not kind or cache.content(kind, key) is None]


async def stop(run: str) -> None:
    """End what is under way of a run, at once; a coroutine, so that nobody has to wait for it."""
    for one in tuple(_under_way.get(run, ())):
        one.stop()


def see_to(errand: bytes, *parcels: bytes) -> bytes:
    """See to an errand for scenarios.

    Args:
        errand: encoded.
        parcels: what it names, in that order.

    Returns:
        An encoded ``Brought``.
    """
    return carry_out(msgspec.msgpack.decode(errand, type=ScenariosErrand), parcels, _judged)


def carry_out(errand: E, parcels: Sequence[bytes], does: Callable[[E, Workplace], Brought]) -> bytes:
    """Do what an errand asks once all is there that it needs.

    Args:
        errand: decoded.
        parcels: what it names, in that order.
        does: asks the kernel.

    Returns:
        An encoded ``Brought``; where this machine could not do it, with its fault.
    """
    here = get_worker()
    try:
        brought = _seen_to(errand, parcels, Path(here.local_directory), does)
    except (FinwaitError, OSError) as error:  # the machine's fault, and another may do better
        brought = Brought(fault=str(error))
    named = msgspec.structs.replace(brought, machine=platform.node(), address=here.address)
    return msgspec.msgpack.encode(named)


def _seen_to(errand: E, parcels: Sequence[bytes], scratch: Path, does: Callable[[E, Workplace], Brought]) -> Brought:
    if errand.version != __version__:  # a machine that came later
        return Brought(fault=f"this machine has finwait {__version__}, and {errand.version} was needed")
    cache = Cache.of_user()
    for (kind, key), content in zip(errand.parcels, parcels, strict=True):
        if kind:
            cache.fill(kind, key, lambda folder, content=content: unpack(content, folder))  # type: ignore[misc]
        else:
            _unpacked(content, scratch / key)
    needed = [*errand.kernel.entries, *((("", errand.files),) if errand.files else ())]
    if missing := [one for one in needed if not (cache.content(*one) if one[0] else (scratch / one[1]).is_dir())]:
        return Brought(missing=tuple(missing))
    checkout = scratch / errand.files / errand.checkout if errand.files else Path(errand.checkout)
    return does(errand, Workplace(cache, checkout, scratch))


def _judged(errand: ScenariosErrand, at: Workplace) -> Brought:
    with TemporaryDirectory(dir=at.scratch) as place:
        folder = make_folder(Path(place) / "out")
        console = Console(file=io.StringIO())
        with Workers(folder, at.checkout, at.cache, console, at_once=1) as workers, stoppable(errand.run, workers):
            (reply,) = workers.ask([Task(errand.kernel.spec(at.cache), folder / errand.folder, errand.request)])
        return Brought(reply=reply, archive=pack(folder, sorted(folder.iterdir())))


def _unpacked(content: bytes, folder: Path) -> None:
    if not folder.is_dir():
        with TemporaryDirectory(dir=folder.parent) as place:
            whole = Path(place) / "whole"
            unpack(content, whole)
            compileall.compile_dir(whole, quiet=2)  # once here, and not in each guest
            whole.rename(folder)


@contextmanager
def stoppable(run: str, one: Stoppable) -> Iterator[None]:
    """It is ended when its run is."""
    _under_way.setdefault(run, set()).add(one)
    try:
        yield
    finally:
        _under_way[run].discard(one)
