"""What every way of running a kernel offers to the rest: a kernel that runs one command after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from harness.process import Stop


@dataclass(frozen=True, slots=True)
class Job:
    """One command to run under a kernel, as root of that kernel.

    Args:
        argv: the command; its first word is an absolute path on the host (usually ``sys.executable``).
        cwd: the folder it starts in, an absolute path that exists on the host (usually the checkout).
        output: an existing host folder; what the command writes below this same path is on the host afterwards,
            whatever becomes of the kernel: a file is there once the command closed it.
        env: added to a minimal environment (PATH, HOME, LANG).
        files: texts that the command finds in ``output``, by name.
        reads: further host files and folders the command reads, for backends that do not show the host's whole tree.
        unneeded: folders below ``cwd`` that the command does not read, for the same backends: what was recorded there
            before can be larger than the guest's memory.
        real_limit: seconds of real time after which the kernel is ended and called hung.
        virtual_limit: seconds of the kernel's own clock with the same effect, where that clock runs apart.
        stop: ends the job from another thread.
        keep: what it leaves running in a guest goes on during the jobs that follow.
    """

    argv: tuple[str, ...]
    cwd: Path
    output: Path
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    reads: tuple[Path, ...] = ()
    unneeded: tuple[Path, ...] = ()
    real_limit: float = 120.0
    virtual_limit: float | None = None
    stop: Stop | None = None
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """The result of a job.

    ``status`` is the command's exit status, and None exactly when ``lost`` says why there is none: the kernel
    panicked, hung or never booted. A dead kernel is not a TCP failure, so the two are never mixed.
    """

    status: int | None
    lost: str | None
    console: tuple[str, ...]
    seconds: float


class Worker(ABC):
    """A kernel that is there, and can be asked again and again.

    ``alive`` is whether it can be asked once more; a kernel that is lost cannot.
    """

    alive = True

    @abstractmethod
    def run(self, job: Job, console: Callable[[str], None] | None = None, *, last: bool = False) -> Run:
        """Run a job, which nothing of it outlives unless it is to be kept; its own clock then stands still.

        Args:
            job: it sees the host as the one that the kernel was booted for, and writes below the same output.
            console: called with each console line as it comes.
            last: the kernel ends itself afterwards; what goes wrong on the way down counts.

        Raises:
            FinwaitError: the job cannot be run, or was stopped.
            Unsupported: the kernel has no veth, no IPv6 or no network namespaces.
        """

    def has_room_for(self, job: Job) -> bool:  # noqa: ARG002
        """Whether its clock has not run too far for the job."""
        return True


class Backend(ABC):
    """A way of running a kernel: nothing to do, a process, an emulated machine."""

    name: str

    @abstractmethod
    def available(self) -> str | None:
        """None when a job can be run now; otherwise one line that says what is missing and how to get it."""

    @abstractmethod
    def boot(self, job: Job) -> AbstractContextManager[Worker]:
        """Boot the kernel, for this job and others like it; it is gone when this is left.

        Raises:
            FinwaitError: the machine lacks what the backend needs, or the job cannot be run.
        """

    def run(self, job: Job, console: Callable[[str], None] | None = None) -> Run:
        """Boot, run the job, end; raises what ``boot`` and ``Worker.run`` do."""
        with self.boot(job) as worker:
            return worker.run(job, console, last=True)
