"""The running kernel: nothing to boot."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from harness.kernels.boot import guest
from harness.kernels.boot.backend import Backend, Job, Run, Worker
from harness.process import run_to_end


class Host(Backend):
    """The kernel this process runs on, with this user's rights."""

    name = "host"

    def available(self) -> str | None:
        """Always there."""
        return None

    def boot(self, job: Job) -> AbstractContextManager[Worker]:
        """Look at the job; the kernel is up."""
        guest.check(job)
        return nullcontext(HostWorker())


class HostWorker(Worker):
    """Jobs as processes of this machine; what one started is ended with it."""

    def run(self, job: Job, console: Callable[[str], None] | None = None, *, last: bool = False) -> Run:  # noqa: ARG002
        """Run the job; the kernel lives on whatever it is told."""
        guest.check(job)
        guest.write_files(job)
        ended = run_to_end(
            job.argv,
            limit=job.real_limit,
            stop=job.stop,
            cwd=job.cwd,
            env=guest.environment(job, os.environ.get("HOME", "/")),
            console=console,
        )
        lost = None
        if ended.status is None:
            last_line = f"; last line: {ended.lines[-1]}" if ended.lines else "; it said nothing"
            lost = f"hung: not done after {job.real_limit:g} s of real time{last_line}"
        return Run(ended.status, lost, ended.lines, ended.seconds)
