"""A system call that waits, made on a thread of its own, so that the peer can send what ends the wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from harness.live.endpoint import DEADLINE_SECONDS, Endpoint
from harness.live.session import Session
from harness.live.syscalls import errno_of, ports_of
from harness.tcp.verdict import Due, Evidence, Mismatch
from harness.trace.events import Called, call_text


class BlockingCall:
    """One call of an endpoint's socket, begun at once.

    The thread touches nothing but the socket; the call is put on the timeline by ``end``. Whether it was already asleep
    when the answer came makes no difference to what it returns.

    Args:
        session: whose timeline it is put on.
        endpoint: whose call it is.
        name: of the call, as the timeline has it.
        arguments: the same.
        call: the call, on ``endpoint.socket``; bytes and numbers that it returns are kept.
    """

    def __init__(
        self,
        session: Session,
        endpoint: Endpoint,
        name: str,
        arguments: tuple[int | str, ...],
        call: Callable[[], object],
    ) -> None:
        session.recording.gap(f"{name}() on a thread of its own")
        self.error = ""
        self.result: object = None
        self.began = self.ended = 0
        self._session = session
        self._endpoint = endpoint
        self._name = name
        self._arguments = arguments
        self._call = call
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        self._begun.wait()

    def _run(self) -> None:
        def make() -> None:
            self.result = self._call()

        self.began = time.time_ns()
        self._begun.set()
        self.error = errno_of(make)
        self.ended = time.time_ns()

    @property
    def waits(self) -> bool:
        """Whether the call has not returned yet."""
        return self._thread.is_alive()

    def end(self) -> object:
        """Wait until the call returns, and give its result; ``error`` then names its errno, if any.

        Raises:
            Mismatch: it does not return in time.
        """
        call = call_text(self._name, self._arguments)
        self._thread.join(2 * DEADLINE_SECONDS)
        if self._thread.is_alive():
            seen = f"  it is not back after {2 * DEADLINE_SECONDS:.0f} s"
            raise Mismatch(Evidence(expected=(Due(f"  {call} returns"),), observed=seen, step=call))
        event = Called(
            self.began,
            self.ended,
            self._name,
            self._arguments,
            len(self.result) if isinstance(self.result, bytes) else str(self.result),
            self.error,
            self._session.timeline.step(call),
            self._endpoint.connection,
            ports=ports_of(self._endpoint.socket),
        )
        self._session.timeline.add(event)
        return self.result
