"""Ordinary pytest as jobs for kernels: how one is made, and several at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness.errors import FinwaitError
from harness.kernels.boot.backend import Backend, Job, Run
from harness.kernels.boot.host import Host
from harness.kernels.boot.qemu import Qemu
from harness.kernels.boot.uml import Uml
from harness.kernels.boot.uml_virtual import UmlVirtual
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, KernelSpec
from harness.process import Stop
from harness.run.progress import Display, Watch
from harness.run.selection import select
from harness.trace.folder import RESULTS, default_parent

MEMORY_EACH = 1280 << 20
"""Bytes of memory that one kernel may take, with what boots it: 1 GiB for an emulated machine and its own needs."""

# What a guest has no use for: hypothesis and xdist alone take half a second of imports, more where they are emulated.
_WITHOUT = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:xdist", "-p", "no:xdist.looponfail")

# Names of what deviated are enough: all else is in the run folder, and a guest's console is slow.
_BRIEFLY = ("-q", "--tb=no", "-rfE")

REAL_LIMIT = 900.0
"""Seconds of real time that one kernel gets for all its scenarios."""

VIRTUAL_LIMIT = 40 * 86400.0
"""Seconds of a virtual clock that it gets: each scenario waits for the next phase of the timer wheel, some for hours,
and one for the 24 days after which a connection's timestamps count no more (RFC 7323 5.5).

Below 49.7 days, where the kernel's clock of timestamps, which counts milliseconds, begins anew.
"""


@dataclass(frozen=True, slots=True)
class Task:
    """A pytest for a kernel.

    Args:
        spec: which kernel.
        folder: the run folder that pytest is to make; its parent exists.
        arguments: for pytest; none for all scenarios.
        reads: files beside the scenarios that pytest reads.
        real_limit: seconds after which the kernel is called hung.
    """

    spec: KernelSpec
    folder: Path
    arguments: Sequence[str]
    reads: tuple[Path, ...] = ()
    real_limit: float = REAL_LIMIT


@dataclass(frozen=True, slots=True)
class KernelRun:
    """What came of one kernel.

    Args:
        spec: which kernel.
        folder: its run folder; there is none when pytest never got to make it.
        run: how the job ended; None when it was not begun.
        error: why it was not begun, or empty.
    """

    spec: KernelSpec
    folder: Path
    run: Run | None
    error: str = ""

    @property
    def lost(self) -> str:
        """Why the kernel did not finish; empty when it did."""
        return self.error or (self.run.lost or "" if self.run else "")

    @property
    def said(self) -> str:
        """The last line of a pytest that never got as far as a run folder."""
        lines = [line for line in self.run.console if line.strip()] if self.run else []
        return lines[-1].removeprefix("ERROR: ") if lines else ""


def backend_of(spec: KernelSpec, cache: Cache) -> Backend:
    """What boots a kernel."""
    match spec.kind:
        case KernelKind.HOST:
            return Host()
        case KernelKind.UML:
            return Uml(spec, cache)
        case KernelKind.UML_VIRTUAL:
            return UmlVirtual(spec, cache)
        case KernelKind.DEBIAN:
            return Qemu(spec, cache)


def folder_name(spec: KernelSpec) -> str:
    """A kernel's name as a folder can have it."""
    name = spec.path.name if spec.path and "/" in spec.name else spec.name
    return name.replace(":", "-")


def pytest_job(task: Task, checkout: Path, stop: Stop) -> Job:
    """Ordinary pytest for a kernel.

    Args:
        task: what to run.
        checkout: the folder with pyproject.toml, which pytest starts in.
        stop: ends it.
    """
    spec, output = task.spec, task.folder.parent
    timing = "virtual" if spec.kind is KernelKind.UML_VIRTUAL else "calibrated"
    selection = select(task.arguments, checkout)
    argv = (
        sys.executable,
        *("-m", "pytest", *_WITHOUT, *_BRIEFLY, "--color=no"),
        *("--run-dir", str(output), "--run-name", task.folder.name),
        *("--kernel-name", spec.name, "--timing", timing),
        *selection.arguments,
    )
    # the checkout may not be this user's, or not writable in a guest
    env = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(checkout)}
    env |= {name: os.environ[name] for name in ("SUDO_UID", "SUDO_GID") if name in os.environ}
    return Job(
        argv,
        checkout,
        output,
        env,
        reads=(*selection.outside, *task.reads),
        unneeded=(default_parent().resolve(),),
        real_limit=task.real_limit,
        virtual_limit=VIRTUAL_LIMIT,
        stop=stop,
    )


def room() -> int:
    """How many kernels at a time: one a processor, and memory for each."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(len(os.sched_getaffinity(0)), free // MEMORY_EACH))


def run_all(
    tasks: Sequence[Task], checkout: Path, cache: Cache, console: Console, *, at_once: int | None = None
) -> list[KernelRun]:
    """Run each task; a kernel that dies or cannot be booted does not stop the others.

    Args:
        tasks: in the order of the results; the kernels' files are in the cache.
        checkout: the folder with pyproject.toml.
        cache: where fetched and built kernels are.
        console: shows how it goes on.
        at_once: how many at a time; by default as many as processors and memory allow.
    """
    workers = max(1, min(len(tasks), at_once or room()))
    alone = len({task.spec.name for task in tasks}) == len(tasks)
    with Stop() as stop, Display(console) as display, ThreadPoolExecutor(workers) as pool:

        def one(task: Task) -> KernelRun:
            name = task.spec.name if alone else task.folder.name
            job, backend = pytest_job(task, checkout, stop), backend_of(task.spec, cache)
            return _run_one(task, job, backend, lambda text: display.tell(name, text))

        running = [pool.submit(one, task) for task in tasks]
        try:
            return [each.result() for each in running]
        except BaseException:  # Ctrl-C above all: nothing more is begun, and nobody waits for what was
            for each in running:
                each.cancel()
            stop.now()
            raise


def _run_one(task: Task, job: Job, backend: Backend, tell: Callable[[str], None]) -> KernelRun:
    tell("booting" if task.spec.kind is not KernelKind.HOST else "starting")
    try:
        with Watch(task.folder / RESULTS, tell):
            run = backend.run(job)
    except FinwaitError as error:
        tell(str(error))
        return KernelRun(task.spec, task.folder, None, str(error))
    if task.folder.is_dir():
        (task.folder / "console.txt").write_text("\n".join(run.console) + "\n")
    tell(run.lost or f"done in {run.seconds:.1f} s")
    return KernelRun(task.spec, task.folder, run)
