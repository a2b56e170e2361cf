"""Runs the same pytest on several kernels, as many at once as memory and processors allow."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness.errors import FinwaitError
from harness.kernels.backend import Backend, Job, Run
from harness.kernels.cache import Cache
from harness.kernels.host import Host
from harness.kernels.spec import KernelSpec, Kind
from harness.kernels.uml import Uml
from harness.runfolder import RESULTS

REAL_LIMIT = 900.0
"""Seconds of real time that one kernel gets for all its scenarios."""

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
    if spec.kind is Kind.HOST:
        return Host()
    return Uml(spec, cache)


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
    argv = (
        sys.executable,
        *("-m", "pytest", "-p", "no:cacheprovider", "--color=no"),
        *("--run-dir", str(output), "--run-name", folder_name(spec)),
        *("--kernel-name", spec.name, "--timing", timing),
        *(arguments or ("scenarios",)),
    )
    # the checkout may not be this user's, or not writable in a guest
    env = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(checkout)}
    env |= {name: os.environ[name] for name in ("SUDO_UID", "SUDO_GID") if name in os.environ}
    return Job(argv, checkout, output, env, real_limit=REAL_LIMIT)


def run_matrix(
    specs: Sequence[KernelSpec],
    job: Callable[[KernelSpec], Job],
    cache: Cache,
    progress: Progress,
    *,
    at_once: int | None = None,
) -> list[KernelRun]:
    """Run a job on each kernel; one that dies or cannot be booted does not stop the others.

    Args:
        specs: the kernels, in the order of the results.
        job: makes the job for a kernel.
        cache: where fetched kernels are.
        progress: told what happens.
        at_once: how many kernels at a time; by default one a processor.
    """
    workers = max(1, min(len(specs), at_once or len(os.sched_getaffinity(0))))
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda spec: _run_one(spec, job(spec), backend_of(spec, cache), progress), specs))


def _run_one(spec: KernelSpec, job: Job, backend: Backend, progress: Progress) -> KernelRun:
    folder = job.output / folder_name(spec)
    watch = _Watch(folder / RESULTS, lambda text: progress(spec, text))
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


class _Watch:
    """Counts the results of a run while it goes on, for the eye only."""

    _EVERY_SECONDS = 0.2

    def __init__(self, results: Path, tell: Callable[[str], None]) -> None:
        self._results = results
        self._tell = tell
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        seen = 0
        while not self._over.wait(self._EVERY_SECONDS):
            try:
                count = self._results.read_bytes().count(b"\n")
            except OSError:
                continue
            if count != seen:
                seen = count
                self._tell(f"{count} scenarios judged")
