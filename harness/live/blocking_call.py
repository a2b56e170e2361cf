"""A system call that waits, made on a thread of its own, so that the peer can send what ends the wait."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from harness.live.syscalls import CallFailed, errno_name, ports_of
from harness.program.recording import step
from harness.program.steps import Call
from harness.tcp.timing import CALL_LIMIT, SECOND, Span
from harness.tcp.verdict import Due, Evidence, Mismatch
from harness.trace.events import Called, Timeline, call_text

T = TypeVar("T", bytes, int)

LIMIT = 2 * CALL_LIMIT
"""How long the call may take to come back: it has ``CALL_LIMIT`` to end by itself."""


class BlockingCall(Generic[T]):
    """One call on a socket, begun at once; see ``Endpoint.begin_receive``.

    The thread touches nothing but the socket; the call is put on the timeline by ``end``. Whether it was already asleep
    when the answer came makes no difference to what it returns.

    Args:
        sock: whose call it is.
        name: of the call, as the timeline has it.
        arguments: the same.
        call: the call.
        timeline: where it is put.
        connection: its number there.
        side: ``client`` or ``server`` where both ends are kernels.
    """

    def __init__(
        self,
        sock: socket.socket,
        name: str,
        arguments: tuple[int | str, ...],
        call: Callable[[], T],
        timeline: Timeline,
        connection: int = 1,
        side: str = "",
    ) -> None:
        self.began = self.ended = 0
        self.recording = timeline.recording
        self._sock = sock
        self._name = name
        self._arguments = arguments
        self._call: Callable[[], T] = call
        self._timeline = timeline
        self._connection = connection, side
        self._result: T | None = None
        self._error: OSError | None = None
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        self._begun.wait()

    def _run(self) -> None:
        self.began = time.time_ns()
        self._begun.set()
        try:
            self._result = self._call()
        except OSError as error:
            self._error = error
        self.ended = time.time_ns()

    @property
    def waits(self) -> bool:
        """Whether the call has not returned yet."""
        return self._thread.is_alive()

    @step(Call)
    def end(self, limit: Span = LIMIT) -> T:
        """Wait until the call returns, put it on the timeline, and give its result.

        Args:
            limit: how long to wait at most.

        Raises:
            CallFailed: it ended with an error.
            Mismatch: it does not return in time.
        """
        call = call_text(self._name, self._arguments)
        self._thread.join(limit.ns / SECOND.ns)
        if self.waits:
            due = (Due(f"  {call} returns"),)
            raise Mismatch(Evidence(expected=due, observed=f"  it is not back after {limit}", step=call))
        result, error = self._result, self._error
        self._timeline.add(
            Called(
                self.began,
                self.ended,
                self._name,
                self._arguments,
                len(result) if isinstance(result, bytes) else result or 0,
                errno_name(error) if error else "",
                self._timeline.step(call),
                *self._connection,
                ports_of(self._sock),
            )
        )
        if error:
            raise CallFailed.of(call, error) from error
        assert result is not None  # noqa: S101  (a call without an error gave it)
        return result
