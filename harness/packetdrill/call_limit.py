"""Has a system call return that a script does not say blocks: the kernel may let it wait for ever."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from harness.packetdrill.tested import Differs
from harness.tcp.timing import PROGRAM_LIMIT


class CallLimit:
    """For calls of the main thread, which alone a signal reaches; of another thread a call waits as long as it does."""

    def __init__(self) -> None:
        self._rang = False

    @contextmanager
    def kept(self) -> Iterator[None]:
        """While this is entered, a call that takes too long is interrupted."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGALRM, self._ring)  # from Python: a call is not begun again (siginterrupt(3))
        try:
            yield
        finally:
            signal.signal(signal.SIGALRM, before)

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        self._rang = True

    def make(self, call: Callable[[], int]) -> int:
        """Make a call, within ``PROGRAM_LIMIT``.

        Raises:
            Differs: it was not back by then.
        """
        self._rang = False
        signal.setitimer(signal.ITIMER_REAL, PROGRAM_LIMIT.ns / 1e9)
        try:
            result = call()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if self._rang:
            raise Differs(f"the call was not back after {PROGRAM_LIMIT}, and is not said to block")
        return result
