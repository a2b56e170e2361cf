"""Kernels that are asked one request after the other: each is booted once, and again only when it has to be."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from errno import EDQUOT, ENOSPC
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console

from harness.errors import FinwaitError
from harness.kernels.boot.backend import Job, Worker
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, KernelSpec
from harness.process import Stop
from harness.run.jobs import Task, backend_of, deliver, pytest_job, room
from harness.run.progress import Display, Watch
from harness.run.request import KernelReply
from harness.trace.folder import CONSOLE, RESULTS, Unwritable, write_whole
from harness.trace.owner import hand_back_tree

_Seen = tuple[KernelSpec, tuple[str, ...]]
"""What two requests must have in common to be asked of the same kernel: which, and what it sees of the host."""


@dataclass(slots=True)
class _Place:
    """Where one kernel at a time is up."""

    asks: _Seen | None = None
    booted_for: _Seen | None = None
    kernel: Worker | None = None
    held: ExitStack = field(default_factory=ExitStack)

    def leave(self) -> None:
        """End the kernel."""
        self.booted_for = self.kernel = None
        self.held.close()

    def kernel_for(self, job: Job) -> Worker | None:
        """The kernel, when it is up and the job can be asked of it."""
        fits = self.kernel and self.kernel.alive and self.booted_for == self.asks and self.kernel.has_room_for(job)
        return self.kernel if fits else None


class TakesTasks(Protocol):
    """Kernels of this machine, or of many, that tasks are given to."""

    @property
    def checkout(self) -> Path:
        """The folder with pyproject.toml."""

    @property
    def at_once(self) -> int:
        """How many kernels may be up at a time."""

    def ask(self, tasks: Sequence[Task], *, more: bool = False) -> list[KernelReply]:
        """See ``Workers.ask``."""


Opener = Callable[[Path], AbstractContextManager[TakesTasks]]
"""Brings them, for what is recorded below a folder."""


def on_this_machine(checkout: Path, console: Console, *, at_once: int | None = None) -> Opener:
    """Brings as many kernels as there is room for, of the user's cache; see ``Workers``."""
    return lambda folder: Workers(folder, checkout, Cache.of_user(), console, at_once=at_once)


class Workers:
    """Several kernels at a time; a context manager, after which none is up.

    Args:
        folder: what is recorded lies below it.
        checkout: the folder with pyproject.toml.
        cache: where fetched and built kernels are.
        console: shows how it goes on.
        at_once: how many kernels at a time; by default as many as processors and memory allow.
    """

    def __init__(
        self, folder: Path, checkout: Path, cache: Cache, console: Console, *, at_once: int | None = None
    ) -> None:
        self.checkout = checkout
        self._folder = folder
        self._cache = cache
        self._console = console
        self._places = [_Place() for _ in range(at_once or room())]
        self._lock = threading.Lock()
        self._stop = Stop()
        self._stopped = False

    def __enter__(self) -> Self:
        self._stop.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for place in self._places:
            place.leave()
        self._stop.__exit__(kind, error, at)
        hand_back_tree(self._folder)  # under sudo, what a guest leaves on this machine is root's, and it cannot tell

    def stop(self) -> None:
        """End what is under way, from another thread: nothing more is begun, and nobody waits for what was."""
        self._stopped = True
        self._stop.now()

    @property
    def at_once(self) -> int:
        """How many kernels may be up at a time."""
        return len(self._places)

    def ask(self, tasks: Sequence[Task], *, more: bool = False) -> list[KernelReply]:
        """Have each task done; a kernel that dies or cannot be booted does not stop the others.

        Args:
            tasks: in the order of the replies; the kernels' files are in the cache.
            more: whether others will follow, for which kernels are kept.
        """
        waiting = dict(enumerate(tasks))
        replies: dict[int, KernelReply] = {}
        busy = self._places[: max(1, len(tasks))]
        with Display(self._console) as display, ThreadPoolExecutor(len(busy)) as pool:

            def work(place: _Place) -> None:
                while (number := self._next(place, waiting)) is not None:
                    task = tasks[number]
                    with self._lock:
                        last = not more and not any(_seen(other) == _seen(task) for other in waiting.values())
                    tell = partial(display.tell, _shown(task, tasks))
                    replies[number] = self._answer(place, task, tell, last=last)

            running = [pool.submit(work, place) for place in busy]
            try:
                for each in running:
                    each.result()
            except BaseException:  # Ctrl-C above all
                self.stop()
                raise
        return [replies[number] for number in range(len(tasks))]

    def _next(self, place: _Place, waiting: dict[int, Task]) -> int | None:
        """Take a task: one for the kernel that is up here, or else for one that nobody asks."""
        with self._lock:
            if not waiting or self._stopped:
                return None
            asked = {other.asks for other in self._places if other is not place}

            def rank(number: int) -> tuple[bool, bool, int]:
                seen = _seen(waiting[number])
                return seen != place.booted_for, seen in asked, number

            number = min(waiting, key=rank)
            place.asks = _seen(waiting.pop(number))
            return number

    def _answer(self, place: _Place, task: Task, tell: Callable[[str], None], *, last: bool) -> KernelReply:
        job = pytest_job(task, self.checkout, self._stop)
        try:
            with Watch(task.folder / RESULTS, tell):
                run = self._kernel(place, task, job, tell).run(job, last=last)
        except FinwaitError as error:
            tell(str(error))
            return KernelReply(lost=str(error))
        except OSError as error:
            if error.errno not in (ENOSPC, EDQUOT):
                raise
            raise Unwritable(task.folder.parent, error) from error
        if task.folder.is_dir():
            write_whole(task.folder / CONSOLE, ("\n".join(run.console) + "\n").encode())
        deliver(task, self.checkout)
        tell(run.lost or f"done in {run.seconds:.1f} s")
        return KernelReply(status=run.status, lost=run.lost or "", console=run.console, seconds=run.seconds)

    def _kernel(self, place: _Place, task: Task, job: Job, tell: Callable[[str], None]) -> Worker:
        if kernel := place.kernel_for(job):
            return kernel
        tell("booting" if task.spec.kind is not KernelKind.HOST else "starting")
        place.leave()
        backend = backend_of(task.spec, self._cache)
        place.kernel = place.held.enter_context(backend.boot(replace(job, output=self._folder)))
        place.booted_for = place.asks
        return place.kernel


def _seen(task: Task) -> _Seen:
    return task.spec, task.request.outside


def _shown(task: Task, tasks: Sequence[Task]) -> str:
    """What to call a task while it runs: by its kernel, its part, or its folder, as tells it from the others."""
    number, parts = task.request.part
    if parts > 1:
        return f"{task.spec.title} {number}/{parts}"
    alone = sum(other.spec.title == task.spec.title for other in tasks) == 1
    return task.spec.title if alone else task.folder.name
