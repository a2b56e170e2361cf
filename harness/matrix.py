"""Runs the same pytest on several kernels, as many at once as memory and processors allow."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness.errors import FinwaitError
from harness.kernels.backend import Backend, Job, Run
from harness.kernels.cache import Cache
from harness.kernels.host import Host
from harness.kernels.qemu import Qemu
from harness.kernels.spec import KernelSpec, Kind
from harness.kernels.uml import Uml
from harness.kernels.uml_virtual import UmlVirtual
from harness.progress import Display, Watch
from harness.runfolder import RESULTS, default_parent, make_folder, write_whole
from harness.selection import select
from harness.verdict import Outcome
from reports.lines import show, width_of
from reports.matrix import join
from reports.runs import LoadedRun, load

MEMORY_EACH = 1280 << 20
"""Bytes of memory that one kernel may take, with what boots it: 1 GiB for an emulated machine and its own needs."""

# What a guest has no use for: hypothesis and xdist alone take half a second of imports, more where they are emulated.
_WITHOUT = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:xdist", "-p", "no:xdist.looponfail")

REAL_LIMIT = 900.0
"""Seconds of real time that one kernel gets for all its scenarios."""

VIRTUAL_LIMIT = 20 * 86400.0
"""Seconds of a virtual clock that it gets: each scenario waits for the next phase of the timer wheel, some for hours.

Below 24.8 days, where millisecond timestamps of a long-lived lab would turn around (RFC 7323 5.5).
"""

Progress = Callable[[KernelSpec, str], None]
"""Called with what became of a kernel last; from several threads."""


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


def backend_of(spec: KernelSpec, cache: Cache) -> Backend:
    """What boots a kernel."""
    match spec.kind:
        case Kind.HOST:
            return Host()
        case Kind.UML:
            return Uml(spec, cache)
        case Kind.UML_VIRTUAL:
            return UmlVirtual(spec, cache)
        case Kind.DEBIAN:
            return Qemu(spec, cache)


def folder_name(spec: KernelSpec) -> str:
    """A kernel's name as a folder can have it."""
    name = spec.path.name if spec.path else spec.name
    return name.replace(":", "-")


def pytest_job(spec: KernelSpec, checkout: Path, output: Path, arguments: Sequence[str]) -> Job:
    """Ordinary pytest for a kernel, its run folder in ``output``.

    Args:
        spec: which kernel.
        checkout: the folder with pyproject.toml, which pytest starts in.
        output: an existing folder.
        arguments: further ones for pytest; by default it runs all scenarios.
    """
    timing = "virtual" if spec.kind is Kind.UML_VIRTUAL else "calibrated"
    selection = select(arguments, checkout)
    argv = (
        sys.executable,
        *("-m", "pytest", *_WITHOUT, "--color=no"),
        *("--run-dir", str(output), "--run-name", folder_name(spec)),
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
        reads=selection.outside,
        unneeded=(default_parent().resolve(),),
        real_limit=REAL_LIMIT,
        virtual_limit=VIRTUAL_LIMIT,
    )


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a job on several kernels.

    Args:
        folder: where the run folders lie together.
        runs: of the kernels that got as far as a run folder; what they did not finish is lost in it.
        failures: why others, or parts of them, are missing: a line each.
        unlike: names of the kernels that do not do what the baseline says, where one was given.
    """

    folder: Path
    runs: tuple[LoadedRun, ...]
    failures: tuple[str, ...]
    unlike: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every verdict was reached, whatever it was."""
        results = [result for run in self.runs for result in run.results.values()]
        return bool(results) and not self.failures and all(one.outcome != Outcome.LOST for one in results)


def run_on(
    specs: Sequence[KernelSpec],
    checkout: Path,
    folder: Path,
    arguments: Sequence[str],
    cache: Cache,
    console: Console,
    *,
    at_once: int | None = None,
) -> Found:
    """Run the same pytest on each kernel; one that dies or cannot be booted does not stop the others.

    Args:
        specs: the kernels, in the order of the results; their files are in the cache.
        checkout: the folder with pyproject.toml.
        folder: a new folder is made of it, for the run folders.
        arguments: for pytest; none for all scenarios.
        cache: where fetched and built kernels are.
        console: shows how it goes on.
        at_once: how many kernels at a time; by default as many as processors and memory allow.

    Raises:
        FinwaitError: the folder cannot be made.
    """
    output = make_folder(folder).absolute()
    workers = max(1, min(len(specs), at_once or _room()))
    with Display(console) as display, ThreadPoolExecutor(workers) as pool:
        ended = list(
            pool.map(
                lambda spec: _run_one(
                    spec, pytest_job(spec, checkout, output, arguments), backend_of(spec, cache), display.tell
                ),
                specs,
            )
        )
    strict = any(argument.startswith("--baseline") for argument in arguments)
    return _collect(output, ended, strict=strict)


def _room() -> int:
    """How many kernels at a time: one a processor, and memory for each."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(len(os.sched_getaffinity(0)), free // MEMORY_EACH))


def _collect(output: Path, ended: Sequence[KernelRun], *, strict: bool) -> Found:
    runs, failures = [], []
    for one in ended:
        try:
            runs.append(load(one.folder))
        except FinwaitError as error:
            failures.append(f"{one.spec.name}: {one.lost or _said(one) or error}")
        else:
            failures += [f"{one.spec.name}: {one.lost}"] if one.lost else []
    # a deviation alone is a result and no failure; against a baseline pytest's own status says whether it holds
    unlike = tuple(one.spec.name for one in ended if strict and one.run and one.run.status not in (0, None))
    return Found(output, tuple(runs), tuple(failures), unlike)


def _said(one: KernelRun) -> str:
    """The last line of a pytest that never got as far as a run folder."""
    lines = [line for line in one.run.console if line.strip()] if one.run else []
    return lines[-1].removeprefix("ERROR: ") if lines else ""


def present(found: Found, console: Console) -> int:
    """Print the joined matrix and write it beside the run folders; the exit status.

    Returns:
        0 when every verdict was reached, whatever it was, and every kernel does what the baseline says, where one was
        given; else 1.
    """
    if found.runs:
        joined = join(found.runs)
        show(console, joined.lines(width_of(console)))
        write_whole(found.folder / "matrix.json", joined.json())
    show_failures(found, console)
    console.print(f"run folders and matrix.json in {found.folder}", soft_wrap=True)
    for name in found.unlike:
        console.print(
            f"{name} does not do what the baseline says: console.txt in its run folder names the scenarios",
            soft_wrap=True,
        )
    return 0 if found.complete and not found.unlike else 1


def show_failures(found: Found, console: Console) -> None:
    """A line for each kernel that did not finish, and where its console's last lines are."""
    for failure in found.failures:
        show(console, [[("lost ", "bold magenta"), (failure, "")]])


def _run_one(spec: KernelSpec, job: Job, backend: Backend, progress: Progress) -> KernelRun:
    folder = job.output / folder_name(spec)
    watch = Watch(folder / RESULTS, lambda text: progress(spec, text))
    progress(spec, "booting" if spec.kind is not Kind.HOST else "starting")
    try:
        with watch:
            run = backend.run(job)
    except FinwaitError as error:
        progress(spec, str(error))
        return KernelRun(spec, folder, None, str(error))
    if folder.is_dir():
        (folder / "console.txt").write_text("\n".join(run.console) + "\n")
    progress(spec, run.lost or f"done in {run.seconds:.1f} s")
    return KernelRun(spec, folder, run)
