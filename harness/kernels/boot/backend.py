"""What every way of having a kernel offers to the rest: run one command under that kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

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
        reads: further host files and folders the command reads, for backends that do not show the host's whole tree.
        unneeded: folders below ``cwd`` that the command does not read, for the same backends: what was recorded there
            before can be larger than the guest's memory.
        real_limit: seconds of real time after which the kernel is ended and called hung.
        virtual_limit: seconds of the kernel's own clock with the same effect, where that clock runs apart.
        stop: ends the job from another thread.
    """

    argv: tuple[str, ...]
    cwd: Path
    output: Path
    env: Mapping[str, str] = field(default_factory=dict)
    reads: tuple[Path, ...] = ()
    unneeded: tuple[Path, ...] = ()
    real_limit: float = 120.0
    virtual_limit: float | None = None
    stop: Stop | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a job.

    ``status`` is the command's exit status, and None exactly when ``lost`` says why there is none: the kernel
    panicked, hung or never booted. A dead kernel is not a TCP failure, so the two are never mixed.
    """

    status: int | None
    lost: str | None
    console: tuple[str, ...]
    seconds: float


class Backend(Protocol):
    """A way of having a kernel: nothing to do, a process, an emulated machine."""

    name: str

    def available(self) -> str | None:
        """None when a job can be run now; otherwise one line that says what is missing and how to get it."""

    def run(self, job: Job, console: Callable[[str], None] | None = None) -> Run:
        """Boot, run the job, end. ``console`` is called with each console line as it comes.

        Raises:
            FinwaitError: the machine lacks what the backend needs, or the job was stopped.
        """
