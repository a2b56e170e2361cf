"""The running kernel: nothing to boot."""

from __future__ import annotations

import os
from collections.abc import Callable

from harness.kernels.boot import guest
from harness.kernels.boot.backend import Job, Run
from harness.process import run_to_end


class Host:
    """The kernel this process runs on, with this user's rights."""

    name = "host"

    def available(self) -> str | None:
        """Always there."""
        return None

    def run(self, job: Job, console: Callable[[str], None] | None = None) -> Run:
        """Run the job as a process of this machine; what it started is ended with it.

        Raises:
            FinwaitError: the job cannot be run.
        """
        guest.check(job)
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
            last = f"; last line: {ended.lines[-1]}" if ended.lines else "; it said nothing"
            lost = f"hung: not done after {job.real_limit:g} s of real time{last}"
        return Run(ended.status, lost, ended.lines, ended.seconds)
