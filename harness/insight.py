"""Asks the probes after each step and says what the kernel knew; the wire alone decides."""

from __future__ import annotations

import itertools
import time
from contextlib import ExitStack
from typing import Self

from harness.errors import Unsupported
from harness.probes import counters, sockets
from harness.probes.sockets import Diag, SocketState
from harness.timeline import Probed, Timeline
from harness.timing import format_ms
from harness.wire import Flow
from netns.lab import Lab

# Every connection has these, so they tell nothing about one.
_COMMON = (
    "InSegs",
    "OutSegs",
    "ActiveOpens",
    "PassiveOpens",
    "Octets",
    "Pkts",
    "InReceives",
    "InDelivers",
    "OutRequests",
)


class Insight:
    """The probes of one session; a context manager.

    What is missing on a machine is named in ``missing``, by probe, and is never an error.
    """

    def __init__(self, lab: Lab, timeline: Timeline) -> None:
        self.missing: dict[str, str] = {}
        self._lab = lab
        self._timeline = timeline
        self._stack = ExitStack()
        self._diag: Diag | None = None
        self._before: dict[str, int] = {}
        self._grown: dict[str, int] | None = None
        self._states: dict[int, SocketState | None] = {}

    def __enter__(self) -> Self:
        try:
            self._diag = self._stack.enter_context(sockets.open_diag(self._lab.kernel))
        except Unsupported as error:
            self.missing["sock_diag"] = str(error)
        self._before = counters.read(self._lab.kernel)
        return self

    def __exit__(self, *_: object) -> None:
        self._grown = self.growth()
        self._stack.close()

    def look(self, flow: Flow, connection: int) -> None:
        """Record the state of a connection's socket where it changed."""
        if self._diag is None:
            return
        plan = self._lab.plan
        local = (plan.kernel.address(flow.version), flow.kernel_port)
        remote = (plan.peer.address(flow.version), flow.peer_port)
        now = sockets.look(self._diag, flow.version, local, remote)
        before = self._states.get(connection)
        if _shown(now) != _shown(before):
            self._timeline.add(
                Probed(time.time_ns(), "sock_diag", _shown(now), now.state if now else "CLOSED", connection)
            )
        self._states[connection] = now

    def growth(self) -> dict[str, int]:
        """What the kernel's TCP counters grew by since the session began, up to now or up to its end."""
        if self._grown is not None:
            return self._grown
        return counters.growth(self._before, counters.read(self._lab.kernel))

    def summary(self) -> list[str]:
        """Lines on what the kernel knew: how the state went, where the socket is now, which counters tell something."""
        lines = []
        for connection in self._states:
            states = [event for event in self._timeline if isinstance(event, Probed) and event.connection == connection]
            lines += [
                f"{old.state} -> {new.state} by +{format_ms(new.at - states[0].at)}"
                for old, new in itertools.pairwise(states)
                if old.state != new.state
            ]
            lines.append(f"now {_shown(self._states[connection])}")
        telling = [
            f"{name} +{count}" for name, count in self.growth().items() if not any(word in name for word in _COMMON)
        ]
        lines.append("; ".join(telling) or "no counter tells anything")
        return lines


def _shown(state: SocketState | None) -> str:
    if state is None:
        return "no socket"
    holder = "mini-socket" if state.mini else "owned by its process" if state.owned else "orphan"
    return f"{state.state}, {holder}"
