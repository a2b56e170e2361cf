"""Run one process on the host: its output line by line, a limit in real time, and nothing left behind."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness import leash
from harness.errors import FinwaitError

KEPT_LINES = 2000
_PIECE = 65536


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended.

    ``status`` is its exit status, 128 + N when signal N ended it, and None when the limit did; ``lines``
    are its last 2000 lines of output; ``seconds`` is real time.
    """

    status: int | None
    lines: tuple[str, ...]
    seconds: float


class Stop:
    """Ends from another thread what runs to its end; a context manager."""

    def __enter__(self) -> Self:
        self._event = os.eventfd(0, os.EFD_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._event)

    def now(self) -> None:
        """End it all, and what begins from now on at once."""
        os.eventfd_write(self._event, 1)

    def fileno(self) -> int:
        """Readable once ``now`` was called."""
        return self._event


def run_to_end(
    argv: tuple[str, ...],
    *,
    limit: float,
    cwd: Path,
    env: Mapping[str, str],
    console: Callable[[str], None] | None = None,
    pass_fds: tuple[int, ...] = (),
    stop: Stop | None = None,
) -> Ended:
    """Run ``argv`` with no input until it ends or ``limit`` seconds of real time are over.

    Whatever the process started is killed with it, also when this process is killed or ``console`` raises. It
    inherits the file descriptors ``pass_fds`` under their own numbers.

    Raises:
        FinwaitError: ``stop`` said so.
    """
    started = time.monotonic()
    kept: deque[str] = deque(maxlen=KEPT_LINES)
    lifeline, held = os.pipe()
    try:
        process = subprocess.Popen(
            leash.command(argv, lifeline),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(env),
            pass_fds=(lifeline, *pass_fds),
            start_new_session=True,  # Ctrl-C is for the harness, which then lets go of the lifeline
        )
    except BaseException:  # Ctrl-C too: without a process nothing would ever let go of the lifeline
        os.close(held)
        raise
    finally:
        os.close(lifeline)
    assert process.stdout is not None  # noqa: S101  it is a pipe
    hung = False
    try:
        for line in _lines(process.stdout.fileno(), started + limit, stop):
            if line is None:
                hung = True
                break
            kept.append(line)
            if console is not None:
                console(line)
    finally:
        os.close(held)
        process.wait()
        process.stdout.close()
    status = process.returncode if process.returncode >= 0 else 128 - process.returncode
    return Ended(None if hung else status, tuple(kept), time.monotonic() - started)


def _lines(source: int, deadline: float, stop: Stop | None) -> Iterator[str | None]:
    """Lines without their end as they come; None, as the last, when the deadline (monotonic) came first."""
    waiting = select.poll()
    waiting.register(source, select.POLLIN)
    if stop is not None:
        waiting.register(stop, select.POLLIN)
    rest = b""
    while ready := waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
        if stop is not None and any(one == stop.fileno() for one, _ in ready):
            raise FinwaitError("interrupted: its result is not known")
        piece = os.read(source, _PIECE)
        if not piece:
            if rest:
                yield _text(rest)
            return
        *whole, rest = (rest + piece).split(b"\n")
        yield from map(_text, whole)
    if rest:
        yield _text(rest)
    yield None


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
