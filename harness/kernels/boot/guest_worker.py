"""A guest that is up: gives it one job after the other, and holds it in between, so that its clock stands still."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Protocol

from harness.errors import FinwaitError
from harness.kernels.boot import guest, guest_jobs
from harness.kernels.boot.backend import Backend, Job, Run, Worker
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelSpec
from harness.process import KEPT_LINES, Ended, Leashed

LONGEST_UPTIME = 49 * 86400.0
"""Seconds that a guest's clock may count: after 49.7 days TCP's clock of milliseconds begins anew."""


class Channel(Protocol):
    """How the host and a guest's first process speak with each other."""

    def ask(self, number: int, job: Job, *, last: bool) -> None:
        """Hand over an order; they are numbered from 1 on."""

    def answer(self, number: int) -> guest.GuestReply:
        """What the guest has answered to it so far."""

    def take(self) -> None:
        """Take in what came from the guest: called at each of its console lines."""


class GuestWorker(Worker):
    """A guest on its leash.

    Args:
        name: of the kernel.
        booted_for: the job that it was booted for.
        process: the kernel itself, or the machine that it runs on.
        channel: the way to its first process.
    """

    def __init__(self, name: str, booted_for: Job, process: Leashed, channel: Channel) -> None:
        self._name = name
        self._booted_for = booted_for
        self._process = process
        self._channel = channel
        self._uptime = 0.0
        self._asked = 0

    def has_room_for(self, job: Job) -> bool:
        """Whether the job ends, at the latest, while the clock of TCP's timestamps has not begun anew."""
        return self._uptime + (job.virtual_limit or 0.0) <= LONGEST_UPTIME

    def run(self, job: Job, console: Callable[[str], None] | None = None, *, last: bool = False) -> Run:
        """See ``Worker.run``."""
        self._check(job)
        self._asked += 1
        self.alive = False  # until it has answered
        self._process.go_on()
        self._channel.ask(self._asked, job, last=last)
        ended = self._follow(job, console)
        self._channel.take()
        answer = self._channel.answer(self._asked)
        self._uptime = answer.uptime
        return guest.judge(self._name, job, ended, answer)

    def _check(self, job: Job) -> None:
        guest.check(job)
        if not self.alive:
            raise FinwaitError(f"{self._name} is no longer running", hint="boot it again")
        first = self._booted_for
        same = (job.cwd, job.reads, job.unneeded) == (first.cwd, first.reads, first.unneeded)
        if not same or not job.output.is_relative_to(first.output):
            raise FinwaitError(f"{self._name} was booted for a job that sees other folders of the host")

    def _follow(self, job: Job, console: Callable[[str], None] | None) -> Ended:
        """Follow its console until it has answered, has ended, or its time is over."""
        started = time.monotonic()
        kept: deque[str] = deque(maxlen=KEPT_LINES)
        done = f"{guest_jobs.DONE}{self._asked}"
        for line in self._process.lines(started + job.real_limit, job.stop):
            if line is None:
                self._process.end()
                return Ended(None, tuple(kept), time.monotonic() - started)
            self.alive = line.endswith(done)
            said = line.removesuffix(done)
            if said or not self.alive:
                self._channel.take()
                kept.append(said)
                if console is not None:
                    console(said)
            if self.alive:
                self._process.hold()
                return Ended(0, tuple(kept), time.monotonic() - started)
        return Ended(self._process.end(), tuple(kept), time.monotonic() - started)


class GuestBackend(Backend):
    """What boots a kernel of its own, from files that the cache has.

    Args:
        spec: which kernel: a name whose packages were fetched or whose source was built, or the user's own file.
        cache: where these are.
        memory: the guest's memory in MB; it decides the default sizes of TCP's buffers (tcp_init in net/ipv4/tcp.c).
    """

    MEMORY_MB = 256

    def __init__(self, spec: KernelSpec, cache: Cache, *, memory: int = 0) -> None:
        self.name = spec.name
        self.spec = spec
        self.cache = cache
        self.memory = memory or self.MEMORY_MB

    def available(self) -> str | None:
        """None when its files are here; otherwise what is missing."""
        try:
            self._files()
        except FinwaitError as error:
            return str(error)
        return None

    @abstractmethod
    def _files(self) -> object:
        """The files that it boots from.

        Raises:
            FinwaitError: they are not here.
        """
