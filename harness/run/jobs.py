"""Ordinary pytest as jobs for kernels: how one is made, and several at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console

from harness.errors import FinwaitError
from harness.kernels.boot.backend import Backend, Job
from harness.kernels.boot.host import Host
from harness.kernels.boot.qemu import Qemu
from harness.kernels.boot.uml import Uml
from harness.kernels.boot.uml_virtual import UmlVirtual
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, KernelSpec
from harness.process import Stop
from harness.run.progress import Display, Watch
from harness.run.request import KernelReply, Request
from harness.trace.folder import RESULTS, default_parent, write_whole

MEMORY_EACH = 1280 << 20
"""Bytes of memory that one kernel may take, with what boots it: 1 GiB for an emulated machine and its own needs."""

# What a guest has no use for: hypothesis and xdist alone take half a second of imports, more where they are emulated.
_WITHOUT = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:xdist", "-p", "no:xdist.looponfail")

# Names of what deviated are enough: all else is in the run folder, and a guest's console is slow.
_BRIEFLY = ("-q", "--tb=no", "-rfE")


@dataclass(frozen=True, slots=True)
class Task:
    """A request, and who answers it where.

    Args:
        spec: which kernel.
        folder: the run folder that pytest is to make; its parent exists.
        request: what is asked.
    """

    spec: KernelSpec
    folder: Path
    request: Request


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
    request, output = task.request, task.folder.parent
    number, parts = request.part
    more = [f"--part={number}/{parts}"] if parts > 1 else []
    reads = [(checkout / path).resolve() for path in request.outside]
    if request.plan:
        plan = output / f"{task.folder.name}-plan.json"
        write_whole(plan, msgspec.json.encode(request.plan))
        more.append(f"--mutations={plan}")
        reads.append(plan)
    argv = (
        sys.executable,
        *("-m", "pytest", *_WITHOUT, *_BRIEFLY, "--color=no"),
        *("--run-dir", str(output), "--run-name", task.folder.name),
        *("--kernel-name", request.kernel, "--timing", request.timing),
        *more,
        *request.arguments,
    )
    # the checkout may not be this user's, or not writable in a guest
    env = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(checkout)}
    env |= {name: os.environ[name] for name in ("SUDO_UID", "SUDO_GID") if name in os.environ}
    return Job(
        argv,
        checkout,
        output,
        env,
        reads=tuple(reads),
        unneeded=(default_parent().resolve(),),
        real_limit=request.real_limit,
        virtual_limit=request.virtual_limit,
        stop=stop,
    )


def room() -> int:
    """How many kernels at a time: one a processor, and memory for each."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(len(os.sched_getaffinity(0)), free // MEMORY_EACH))


def run_all(
    tasks: Sequence[Task], checkout: Path, cache: Cache, console: Console, *, at_once: int | None = None
) -> list[KernelReply]:
    """Run each task; a kernel that dies or cannot be booted does not stop the others.

    Args:
        tasks: in the order of the results; the kernels' files are in the cache.
        checkout: the folder with pyproject.toml.
        cache: where fetched and built kernels are.
        console: shows how it goes on.
        at_once: how many at a time; by default as many as processors and memory allow.
    """
    workers = max(1, min(len(tasks), at_once or room()))
    names = {task.folder: _shown(task, tasks) for task in tasks}
    with Stop() as stop, Display(console) as display, ThreadPoolExecutor(workers) as pool:

        def one(task: Task) -> KernelReply:
            job, backend = pytest_job(task, checkout, stop), backend_of(task.spec, cache)
            return _run_one(task, job, backend, lambda text: display.tell(names[task.folder], text))

        running = [pool.submit(one, task) for task in tasks]
        try:
            return [each.result() for each in running]
        except BaseException:  # Ctrl-C above all: nothing more is begun, and nobody waits for what was
            for each in running:
                each.cancel()
            stop.now()
            raise


def _run_one(task: Task, job: Job, backend: Backend, tell: Callable[[str], None]) -> KernelReply:
    tell("booting" if task.spec.kind is not KernelKind.HOST else "starting")
    try:
        with Watch(task.folder / RESULTS, tell):
            run = backend.run(job)
    except FinwaitError as error:
        tell(str(error))
        return KernelReply(lost=str(error))
    if task.folder.is_dir():
        (task.folder / "console.txt").write_text("\n".join(run.console) + "\n")
    tell(run.lost or f"done in {run.seconds:.1f} s")
    made = str(task.folder) if task.folder.is_dir() else ""
    return KernelReply(status=run.status, lost=run.lost or "", console=run.console, seconds=run.seconds, folder=made)


def _shown(task: Task, tasks: Sequence[Task]) -> str:
    """What to call a task while it runs: by its kernel, its part, or its folder, as tells it from the others."""
    number, parts = task.request.part
    if parts > 1:
        return f"{task.spec.name} {number}/{parts}"
    alone = sum(other.spec.name == task.spec.name for other in tasks) == 1
    return task.spec.name if alone else task.folder.name
