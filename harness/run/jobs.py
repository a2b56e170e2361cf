"""Ordinary pytest as a job for a kernel."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.kernels.boot.backend import Backend, Job
from harness.kernels.boot.host import Host
from harness.kernels.boot.qemu import Qemu
from harness.kernels.boot.uml import Uml
from harness.kernels.boot.uml_virtual import UmlVirtual
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, KernelSpec
from harness.process import Stop
from harness.run.request import Request
from harness.trace.folder import Unwritable, default_parent
from harness.trace.owner import hand_back_tree

MEMORY_EACH = 1280 << 20
"""Bytes of memory that one kernel may take, with what boots it: 1 GiB for an emulated machine and its own needs."""

# What a guest has no use for: hypothesis and xdist alone take half a second of imports, more where they are emulated.
_WITHOUT = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:xdist", "-p", "no:xdist.looponfail")

# Names of what deviated are enough: all else is in the run folder, and a guest's console is slow.
# A scenario's own output is kept from print() on; to have its descriptors too takes twelve system calls more.
_BRIEFLY = ("-q", "--tb=no", "-rfE", "--capture=sys")


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
    return spec.title.replace(":", "-")


def pytest_job(task: Task, checkout: Path, stop: Stop) -> Job:
    """Ordinary pytest for a kernel.

    Args:
        task: what to run.
        checkout: the folder with pyproject.toml, which pytest starts in.
        stop: ends it.
    """
    request, output = task.request, task.folder.parent
    number, parts = request.part
    more = [f"--share={number}/{parts}"] if parts > 1 else []
    more += [f"{option}={_writes(task, path)}" for option, path in request.written]
    reads = [(checkout / path).resolve() for path in request.outside]
    files = {}
    for option, content in (("mutations", request.plan), ("done", request.done), ("costs", request.costs)):
        if content:
            name = f"{task.folder.name}-{option}.json"
            files[name] = msgspec.json.encode(content).decode()
            more.append(f"--{option}={output / name}")
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
    env["GITHUB_ACTIONS"] = "false"  # whoever asks several kernels tells it what they said
    return Job(
        argv,
        checkout,
        output,
        env,
        files,
        reads=tuple(reads),
        unneeded=(default_parent().resolve(),),
        real_limit=request.real_limit,
        virtual_limit=request.virtual_limit,
        stop=stop,
    )


def _writes(task: Task, path: str) -> Path:
    """Where a kernel's pytest writes a file that the user wants at ``path``: in a folder, since more may come along."""
    wanted = Path(path)
    folder = task.folder.with_name(f".{task.folder.name}-{hashlib.sha256(path.encode()).hexdigest()[:8]}")
    return folder / f"{wanted.stem}-{task.folder.name}{wanted.suffix}"


def deliver(task: Task, checkout: Path) -> None:
    """Move the files that pytest wrote beside its run folder to where the user wants them, named by the kernel.

    Raises:
        Unwritable: they cannot be there.
    """
    for _, path in task.request.written:
        wanted, made = checkout / path, _writes(task, path).parent
        if not made.is_dir():
            continue  # the kernel died before
        try:
            wanted.parent.mkdir(parents=True, exist_ok=True)
            for one in made.iterdir():
                hand_back_tree(one)
                target = wanted.parent / one.name
                if one.is_dir():
                    shutil.copytree(one, target, dirs_exist_ok=True)
                else:
                    shutil.move(one, target)
            shutil.rmtree(made)
        except OSError as error:
            raise Unwritable(wanted, error) from error


def room() -> int:
    """How many kernels at a time: one a processor, and memory for each."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(len(os.sched_getaffinity(0)), free // MEMORY_EACH))
