"""A system call of a script that blocks: made on a thread beside, while the script goes on."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from harness.packetdrill.tested import Differs
from harness.tcp.timing import SECOND

MOST_WAIT = SECOND
"""For which another call, or the end of the script, waits for one, as with packetdrill."""

# nothing says everywhere that a thread has fallen asleep: the scheduler's tracepoint does to root alone, and
# perf_event_open(2) not in most containers, nor where perf_event_paranoid is above 2
_LOOK_SECONDS = 50e-6

# futex(2), in which a thread waits for the interpreter's lock: in asm/unistd_64.h of x86, and in asm-generic/unistd.h,
# which Arm has and every architecture since
_FUTEX = "202 " if os.uname().machine == "x86_64" else "98 "


class CallThread:
    """The thread for one call at a time."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._number = 0

    def begin(self, make: Callable[[], int], judge: Callable[[int, int, int, int], None]) -> None:
        """Make a call beside, where none is under way; back when it sleeps, or is over.

        Args:
            make: the call.
            judge: is given its result, its errno, when it was seen to have returned, ns since the epoch, and for
                how long it may have been unseen, ns, for want of a processor; what it raises, ``check`` raises again.
        """
        begun = threading.Event()

        def run() -> None:
            self._number = threading.get_native_id()
            begun.set()
            waited = _delays()
            result = make()
            number, at = ctypes.get_errno(), time.time_ns()
            try:
                judge(result, number, at, _delays() - waited)
            except BaseException as failure:  # whatever it is: with this thread it would be lost
                self._failure = failure

        self._thread = threading.Thread(target=run, name="blocking call", daemon=True)
        self._thread.start()
        begun.wait()
        while self._thread.is_alive() and not self._sleeps():
            time.sleep(_LOOK_SECONDS)

    def _sleeps(self) -> bool:
        task = Path(f"/proc/self/task/{self._number}")
        try:
            if (task / "stat").read_text().rpartition(")")[2].split()[0] != "S":
                return False
            return not (task / "syscall").read_text().startswith(_FUTEX)
        except OSError:  # it has ended
            return False

    def check(self) -> None:
        """Raise what the last call was found to have wrong."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def wait(self) -> None:
        """Until the call is over.

        Raises:
            Differs: it is not, within ``MOST_WAIT``.
        """
        if self._thread is not None:
            self._thread.join(MOST_WAIT.ns / 1e9)
            if self._thread.is_alive():
                raise Differs(f"a call that blocks is not back after {MOST_WAIT}")
            self._thread = None
        self.check()

    def abandon(self, wake: Callable[[], None]) -> None:
        """End it, whatever it waits for: ``wake`` does what makes it return."""
        if self._thread is not None and self._thread.is_alive():
            wake()
            self._thread.join(MOST_WAIT.ns / 1e9)


def _delays() -> int:
    """How long this process's threads have waited for a processor so far, ns; 0 where the kernel does not count it."""
    total = 0
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # the thread has ended, or CONFIG_SCHED_INFO is not set
            total += int((task / "schedstat").read_text().split()[1])
    return total
