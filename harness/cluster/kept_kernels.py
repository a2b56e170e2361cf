"""What a machine of a cluster does for a search: runs programs on kernels that it keeps up between batches."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from harness.cluster.errand import Brought, ProgramsErrand, RanPrograms
from harness.cluster.machine import Workplace, carry_out, stoppable
from harness.explore.attempt import Attempt, CodeReached
from harness.explore.kernels import AskedKernel
from harness.explore.reached import ReachedCode
from harness.process import Stop

_IDLE_SECONDS = 60.0
"""How long a kernel is kept that nobody asks: whoever searches may be gone without a word."""


class _HandedOn(ReachedCode):
    """What is told of a kernel's code, for whoever has its notes."""

    def __init__(self) -> None:
        super().__init__(())
        self.told: list[tuple[Sequence[Attempt], CodeReached]] = []

    def take(self, attempts: Sequence[Attempt], code: CodeReached) -> None:
        """Keep what the kernel told of an order."""
        self.told.append((attempts, code))


class _Kept:
    """A kernel that is up, or will be with the first question; ``stop`` ends it for good."""

    def __init__(self, errand: ProgramsErrand, at: Workplace) -> None:
        self.run, self.title, self.boot = errand.run, errand.kernel.title, errand.boot
        self._lock = threading.Lock()
        self._busy = self._ended = False
        self._idle = threading.Timer(0, self.stop)
        with ExitStack() as opening:
            opening.enter_context(stoppable(self.run, self))
            folder = Path(opening.enter_context(TemporaryDirectory(dir=at.scratch)))
            stop = opening.enter_context(Stop())
            spec = errand.kernel.spec(at.cache)
            kernel = AskedKernel(spec, at.cache, at.checkout, folder / "asked", stop)
            self._kernel = opening.enter_context(kernel)
            self._held = opening.pop_all()

    def take(self) -> bool:
        """Take it for a batch; False where another has, or where it was ended."""
        with self._lock:
            if self._busy or self._ended:
                return False
            self._idle.cancel()
            self._busy = True
            return True

    def leave(self) -> None:
        """The batch is done: it is kept for the next, for a while."""
        with self._lock:
            self._busy = False
            self._idle = threading.Timer(_IDLE_SECONDS, self.stop)
            self._idle.daemon = True
            self._idle.start()
            ended = self._ended
        if ended:
            self._close()

    def stop(self) -> None:
        """End it: at once where nobody asks it, else whoever does is told and closes it."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            if self._busy:
                self._kernel.stop()
                return
        self._close()

    def _close(self) -> None:
        self._idle.cancel()
        _kept.discard(self)
        self._held.close()

    def answers(self, errand: ProgramsErrand) -> RanPrograms:
        """What became of an order's programs."""
        asked, told = errand.order, _HandedOn() if errand.order.counts else None
        self._kernel.code = told
        self._kernel.why_lost.clear()
        noted = self._kernel.ask(asked.attempts, asked.ignored)
        numbers = {program: number for number, program in enumerate(asked.attempts)}
        return RanPrograms(
            noted=tuple(noted),
            why_lost={numbers[program]: why for program, why in self._kernel.why_lost.items()},
            code=tuple((tuple(numbers[one] for one in some), code) for some, code in told.told) if told else (),
        )


_kept: set[_Kept] = set()


def run_programs(errand: bytes, *parcels: bytes) -> bytes:
    """See to an errand for programs; see ``machine.see_to``."""
    return carry_out(msgspec.msgpack.decode(errand, type=ProgramsErrand), parcels, ran)


def ran(errand: ProgramsErrand, at: Workplace) -> Brought:
    """Ask a kernel that is up, or else boot one, and keep it for the next batch.

    Raises:
        FinwaitError: it cannot be booted or asked, or was stopped.
    """
    kernel = _taken(errand, at)
    try:
        return Brought(ran=kernel.answers(errand))
    except BaseException:  # whatever cut the batch short: its kernel would answer the next with what is left of this
        kernel.stop()
        raise
    finally:
        kernel.leave()


def _taken(errand: ProgramsErrand, at: Workplace) -> _Kept:
    """A kernel that is up and that nobody asks, or else a new one."""
    for one in tuple(_kept):  # at one look: other threads put theirs in
        if (one.run, one.title) != (errand.run, errand.kernel.title):
            continue
        if one.boot == errand.boot and one.take():
            return one
        if one.boot < errand.boot:
            one.stop()
    made = _Kept(errand, at)
    made.take()
    _kept.add(made)
    return made
