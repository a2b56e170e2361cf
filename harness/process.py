"""Run processes on the host: their output line by line, a limit in real time, and nothing left behind."""

from __future__ import annotations

import contextlib
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


class Leashed:
    """A process with no input on a leash; a context manager, after which nothing of it is left.

    Whatever it started is killed with it, also when this process is killed. It inherits the file descriptors
    ``pass_fds`` under their own numbers.
    """

    def __init__(
        self, argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str], pass_fds: tuple[int, ...] = ()
    ) -> None:
        lifeline, self._held = os.pipe()
        try:
            self._process = subprocess.Popen(
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
            os.close(self._held)
            raise
        finally:
            os.close(lifeline)
        self._whole: deque[str] = deque()
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def lines(self, deadline: float, stop: Stop | None = None) -> Iterator[str | None]:
        """Lines without their end as they come; None, as the last, when the deadline (monotonic) came first.

        Raises:
            FinwaitError: ``stop`` said so.
        """
        assert self._process.stdout is not None  # noqa: S101  it is a pipe
        source = self._process.stdout.fileno()
        waiting = select.poll()
        waiting.register(source, select.POLLIN)
        if stop is not None:
            waiting.register(stop, select.POLLIN)
        while True:
            while self._whole:
                yield self._whole.popleft()
            ready = waiting.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ready:
                break
            if stop is not None and any(one == stop.fileno() for one, _ in ready):
                raise FinwaitError("interrupted: its result is not known")
            piece = os.read(source, _PIECE)
            if not piece:
                if self._rest:
                    yield _text(self._rest)
                return
            *whole, self._rest = (self._rest + piece).split(b"\n")
            self._whole.extend(map(_text, whole))
        if self._rest:
            yield _text(self._rest)
        yield None

    def hold(self) -> None:
        """Stop the process where it is; it takes no processor time until it goes on."""
        os.write(self._held, leash.HOLD)

    def go_on(self) -> None:
        """Let it go on."""
        with contextlib.suppress(BrokenPipeError):  # it has ended, which its lines will tell
            os.write(self._held, leash.GO_ON)

    def end(self) -> int:
        """End it, if it has not ended; its exit status, 128 + N when signal N ended it."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
        code = self._process.returncode
        return code if code >= 0 else 128 - code


def run_to_end(
    argv: tuple[str, ...],
    *,
    limit: float,
    cwd: Path,
    env: Mapping[str, str],
    console: Callable[[str], None] | None = None,
    stop: Stop | None = None,
) -> Ended:
    """Run ``argv`` on a leash until it ends or ``limit`` seconds of real time are over.

    Raises:
        FinwaitError: ``stop`` said so.
    """
    started = time.monotonic()
    kept: deque[str] = deque(maxlen=KEPT_LINES)
    hung = False
    with Leashed(argv, cwd=cwd, env=env) as process:
        for line in process.lines(started + limit, stop):
            if line is None:
                hung = True
                break
            kept.append(line)
            if console is not None:
                console(line)
        status = process.end()
    return Ended(None if hung else status, tuple(kept), time.monotonic() - started)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r")
