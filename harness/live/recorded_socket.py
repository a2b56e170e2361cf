"""A socket of the kernel under test whose calls stand on the timeline, whoever makes them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

from harness.live.closed_names import ClosedNames
from harness.live.syscalls import CallFailed, KernelSocket, errno_name, ports_of, told_as
from harness.live.sysctl_changes import SysctlChanges
from harness.tcp.timing import CALL_LIMIT, SECOND
from harness.trace.events import Called, Timeline, call_text

T = TypeVar("T")

DEADLINE_SECONDS = CALL_LIMIT.ns / SECOND.ns
"""How long a blocking call may take before it fails with EAGAIN; seconds of the kernel's clock."""


class RecordedSocket(ClosedNames):
    """A socket with what makes its calls events.

    Args:
        sock: the socket, in the namespace of the kernel under test; it is the endpoint's from now on.
        sysctls: those of that namespace.
        timeline: where calls are recorded.
        after_step: called after each call, so that probes can look.
        connection: its number on the timeline.
        side: ``client`` or ``server`` where both ends are kernels.
    """

    def __init__(
        self,
        sock: socket.socket,
        sysctls: SysctlChanges,
        timeline: Timeline,
        after_step: Callable[[], None] = lambda: None,
        connection: int = 1,
        side: str = "",
    ) -> None:
        self.socket = KernelSocket(sock.family, sock.type, sock.proto, sock.detach())
        self.socket.settimeout(DEADLINE_SECONDS)
        self.connection = connection
        self.side = side
        self.accepted: list[RecordedSocket] = []
        self.sysctls = sysctls
        self._timeline = timeline
        self.recording = timeline.recording
        self._after_step = after_step
        self._port = 0
        self.socket.told = self._told
        self._closed = True

    def _call(
        self,
        name: str,
        arguments: tuple[int | str, ...],
        function: Callable[[], T],
        show: Callable[[T], int | str] = lambda _: 0,
        number: Callable[[T], int] | None = None,
    ) -> T:
        ports, at = ports_of(self.socket), time.time_ns()
        try:
            result = function()
        except OSError as error:
            self._record(at, (name, arguments), (0, errno_name(error)), ports)
            raise CallFailed.of(call_text(name, arguments), error) from error
        self._record(at, (name, arguments), (show(result), ""), ports, number(result) if number else 0)
        return result

    def _record(
        self,
        at: int,
        call: tuple[str, tuple[int | str, ...]],
        came: tuple[int | str, str],
        ports: tuple[int, int],
        number: int = 0,
    ) -> None:
        end, step = time.time_ns(), self._timeline.step(call_text(*call))
        # connect(2) of a socket that had no port gives it one
        known = ports if ports[0] else ports_of(self.socket)
        self._port = known[0] or self._port
        self._timeline.add(Called(at, end, *call, *came, step, number or self.connection, self.side, known))
        self._after_step()

    def _told(self, at: int, name: str, arguments: tuple[object, ...], result: object, error: str) -> None:
        if not self.recording.busy:  # a step makes its calls itself
            self.recording.gap(f"{name}() called on the socket itself")
            call = name, tuple(map(told_as, arguments))
            self._record(at, call, (told_as(result), error), ports_of(self.socket))

    def let_go(self) -> None:
        """Close it and what it accepted, at the end of a scenario; not on the timeline."""
        self.socket.told = None
        with ExitStack() as closing:  # one that fails keeps none of the others open
            closing.callback(socket.socket.close, self.socket)
            for endpoint in reversed(self.accepted):
                closing.callback(endpoint.let_go)
