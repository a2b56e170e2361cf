"""Kernels that run programs: each booted once, asked in batches, and booted again when a program killed it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from harness.errors import FinwaitError
from harness.explore.attempt import Attempt, Order, OrderAnswer, Pause
from harness.explore.reached import ReachedCode
from harness.kernels.boot.backend import Job, Run, Worker
from harness.kernels.supply.build import builds_that_count
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, KernelSpec
from harness.process import Stop
from harness.run.jobs import backend_of
from harness.tcp.timing import MS, PHASE_NS, SECOND

_REAL_LIMIT = 120.0
"""Seconds for a batch, beside the time that its programs let pass."""

_VIRTUAL_MARGIN = 60.0
"""The same of the kernel's clock."""

_ANSWER = ("-m", "harness.explore.answer")
_PIPES = ("/tmp/explore-orders", "/tmp/explore-ends")  # noqa: S108  a guest's own
_HAND_OVER = 'printf "%s\\n%s\\n" "$2" "$3" > "$0"; read -r said < "$1"; test -z "$said" || { echo "$said"; exit 1; }'


class AskedKernel:
    """A kernel that is up; a context manager.

    Args:
        spec: which; its files are in the cache.
        cache: where they are.
        checkout: the folder with pyproject.toml.
        folder: is made, for what travels between the two.
        stop: ends what is asked from another thread.
    """

    def __init__(self, spec: KernelSpec, cache: Cache, checkout: Path, folder: Path, stop: Stop) -> None:
        self.title = spec.title
        self._is_virtual = spec.kind is KernelKind.UML_VIRTUAL
        self._is_guest = spec.kind is not KernelKind.HOST
        self._backend = backend_of(spec, cache)
        self._checkout = checkout
        self._folder = folder
        self._stop = stop
        self._held = ExitStack()
        self._kernel: Worker | None = None
        self.why_lost: dict[Attempt, str] = {}
        self.code: ReachedCode | None = None
        if spec.counts:
            self.code = ReachedCode(builds_that_count(cache))

    def __enter__(self) -> Self:
        self._folder.mkdir()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.reboot()

    def reboot(self) -> None:
        """End the kernel: the next question boots it again."""
        self._kernel = None
        self._held.close()

    def stop(self) -> None:
        """End what is being asked, from another thread; nothing can be asked any more."""
        self._stop.now()

    def ask(self, attempts: Sequence[Attempt], ignored: tuple[str, ...] = ()) -> list[bytes | None]:
        """Have each program run, and what was noted.

        A batch that kills the kernel is halved until the program stands alone.

        Raises:
            FinwaitError: the kernel cannot be booted, or does not let itself be given a lab.
        """
        answer = self._folder / "answer.json"
        answer.unlink(missing_ok=True)
        lost = self._run(attempts, ignored, answer)
        if lost is None:
            answers = msgspec.json.decode(answer.read_bytes(), type=OrderAnswer)
            if self.code is not None and answers.code is not None:
                self.code.take(attempts, answers.code)
            return [bytes(one) for one in answers.noted]
        self.reboot()
        if len(attempts) == 1:
            self.why_lost[attempts[0]] = lost
            return [None]
        half = len(attempts) // 2
        return [*self.ask(attempts[:half], ignored), *self.ask(attempts[half:], ignored)]

    def _run(self, attempts: Sequence[Attempt], ignored: tuple[str, ...], answer: Path) -> str | None:
        """Why the kernel was lost; None where it answered."""
        pauses = [[step.ms for step in one.steps if isinstance(step, Pause)] for one in attempts]
        paused = sum(map(sum, pauses)) * MS / SECOND.ns
        virtual = paused + PHASE_NS / SECOND.ns * sum(map(bool, pauses))
        order = self._folder / "order.json"
        job = Job(
            (sys.executable, *_ANSWER, "answer", str(order), str(answer)),
            self._checkout,
            self._folder,
            {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(self._checkout)},
            {
                order.name: msgspec.json.encode(
                    Order(tuple(attempts), ignored, self._is_virtual, self.code is not None)
                ).decode()
            },
            real_limit=_REAL_LIMIT + (0 if self._is_virtual else paused),
            virtual_limit=_VIRTUAL_MARGIN + virtual,
            stop=self._stop,
            keep=True,
        )
        if self._kernel is None or not self._kernel.has_room_for(job):
            self.reboot()
            self._kernel = self._held.enter_context(self._backend.boot(job))
            if self._is_guest:
                self._check(self._kernel.run(replace(job, argv=(sys.executable, *_ANSWER, "serve", *_PIPES))))
        if self._is_guest:
            job = replace(job, argv=("/bin/sh", "-c", _HAND_OVER, *_PIPES, str(order), str(answer)))
        run = self._kernel.run(job)
        self._check(run)
        return run.lost

    def _check(self, run: Run) -> None:
        if run.status not in (0, None):
            said = [line for line in run.console if line.strip()] or ["it said nothing"]
            raise FinwaitError(f"{self.title} cannot run programs", why=said[-1], hint="finwait doctor")
