"""User Mode Linux in virtual time: no time passes while code runs, and none is spent waiting.

The clock of ``time-travel=inf-cpu`` (arch/um/kernel/time.c) moves on only when every process waits, and then
at once to the next timer: two hours of keepalive take a fraction of a second, and load on the machine reaches
no timer.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.errors import FinwaitError
from harness.kernels.boot.uml import Uml, UmlFiles
from harness.kernels.supply import build
from harness.kernels.supply.apt import Source
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.counting import options_of
from harness.kernels.supply.images import VIRTUAL_TIME, holds
from harness.kernels.supply.provide import provide, provided
from harness.kernels.supply.spec import KernelKind, KernelSpec

# 2020-01-01 00:00:00 UTC. A fixed start and a fixed seed leave nothing to differ between two runs but what
# the kernel takes from the host by itself (os_getrandom in arch/um, from 5.19 on: initial sequence numbers
# and cookies).
START_NS = 1_577_836_800 * 10**9


class UmlVirtual(Uml):
    """A User Mode Linux built with time travel, from ``build``; nothing else is needed of the machine."""

    UPTIME = 10.0
    SEED = bytes(range(64)).hex()
    # A job that waits without a timeout would let the clock run away; this ends it where the job says nothing else.
    VIRTUAL_LIMIT = 86400.0

    def _files(self) -> UmlFiles:
        binary = binary_of(self.spec, self.cache)
        if not holds(binary, VIRTUAL_TIME):
            raise FinwaitError(
                f"{binary} has no virtual time",
                why="it was built without CONFIG_UML_TIME_TRAVEL_SUPPORT",
                hint="finwait kernels build",
            )
        return UmlFiles(binary, None)

    def _argv(self, files: UmlFiles, control: Path) -> tuple[str, ...]:
        plain = super()._argv(files, control)
        # The faster way of system calls keeps the same time; where the host forbids it the kernel takes the
        # other.
        faster = ("seccomp=auto",) if holds(files.binary, b"seccomp=<on/auto/off>") else ()
        for_init = plain.index("--")
        return (
            *plain[:for_init],
            "time-travel=inf-cpu",
            f"time-travel-start={START_NS}",
            "root=none",
            *faster,
            *plain[for_init:],
        )


def binary_of(spec: KernelSpec, cache: Cache) -> Path:
    """The executable of a kernel in virtual time.

    Raises:
        FinwaitError: it is not built yet, or its source is not here.
    """
    if spec.path is not None:
        return spec.path
    built = build.known(source_tarball(spec, cache), cache, options_of(spec))
    if built is None:
        raise FinwaitError(f"{spec.name} is not built yet", hint=f"finwait kernels build {spec.name}")
    return built.binary


def fetch_source(spec: KernelSpec, cache: Cache, source: Callable[[], Source]) -> Path:
    """The tarball that a kernel is built from, fetched where it is not here.

    Raises:
        FinwaitError: it is not built from a source, or this cannot be fetched.
    """
    if spec.kind is not KernelKind.UML_VIRTUAL or spec.path is not None:
        raise FinwaitError(f"{spec.title} is not built from a source", hint="another, such as uml-virtual:7.2")
    provide(spec, cache, source())
    return source_tarball(spec, cache)


def source_tarball(spec: KernelSpec, cache: Cache) -> Path:
    """The source that a kernel's fetched package holds.

    Raises:
        FinwaitError: it was not fetched, or the package holds none.
    """
    (tree,) = provided(spec, cache)
    tarballs = sorted(tree.glob("usr/src/linux-source-*.tar.*"))
    if not tarballs:
        raise FinwaitError(f"{spec.name} contains no usr/src/linux-source-*", hint="a linux-source package")
    return tarballs[0]
