"""Asks the probes of one of two kernels, as ``insight`` does of the only one; the path alone decides."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import NamedTuple, Self

import msgspec

from harness.errors import Unsupported
from harness.live.observer import COMMON, shown, state_changes
from harness.path.rules import Side
from harness.probes import counters, sockets
from harness.probes.counters import Counters, Snapshot
from harness.probes.sockets import Address, Diag, SocketState
from harness.probes.tracepoints import Tracer
from harness.trace.events import Probed, Timeline
from netns.enter import Namespace


class Link(NamedTuple):
    """A connection to look at: its number, the version of IP, and its two ends."""

    number: int
    version: int
    client: Address
    server: Address


class SideObserver:
    """The probes of one side; a context manager.

    Args:
        side: which one.
        namespace: its kernel's.
        timeline: where it is recorded.
        tracer: the process's; None where tracepoints are not wanted.
    """

    def __init__(self, side: Side, namespace: Namespace, timeline: Timeline, tracer: Tracer | None = None) -> None:
        self.side = side
        self.missing: dict[str, str] = {}
        self._namespace = namespace
        self._timeline = timeline
        self._tracer = tracer
        self._stack = ExitStack()
        self._diag: Diag | None = None
        self._before: Snapshot = ()
        self._end: Snapshot | None = None
        self._states: dict[int, SocketState | None] = {}
        self._traced_up_to = time.time_ns()

    def __enter__(self) -> Self:
        if self._tracer is None:
            self.missing["tracepoints"] = "no tracepoints: not asked for"
        elif reason := self._tracer.unavailable():
            self.missing["tracepoints"] = reason
            self._tracer = None
        try:
            self._diag = self._stack.enter_context(sockets.open_diag(self._namespace))
        except Unsupported as error:
            self.missing["sock_diag"] = str(error)
        self._counters = self._stack.enter_context(Counters(self._namespace))
        self._before = self._counters.read()
        return self

    def __exit__(self, *_: object) -> None:
        self._end = self._counters.read()
        self._stack.close()

    def _ends(self, link: Link) -> tuple[Address, Address]:
        return (link.client, link.server) if self.side is Side.CLIENT else (link.server, link.client)

    def look(self, link: Link) -> SocketState | None:
        """A connection's socket, recorded where it changed; None where there is none.

        Raises:
            Unsupported: this kernel does not show its sockets.
        """
        if self._diag is None:
            raise Unsupported(self.missing["sock_diag"])
        now = sockets.look(self._diag, link.version, *self._ends(link))
        if link.number not in self._states or shown(now) != shown(self._states[link.number]):
            state = now.state if now else "CLOSED"
            self._timeline.add(Probed(time.time_ns(), "sock_diag", shown(now), state, link.number, self.side))
        self._states[link.number] = now
        return now

    def can_look(self) -> bool:
        """Whether this kernel shows its sockets."""
        return self._diag is not None

    def collect(self, links: Iterable[Link]) -> None:
        """Put what the tracepoints saw since the last time onto the timeline."""
        if self._tracer is None:
            return
        now = time.time_ns()
        for link in links:
            seen = self._tracer.collect(*self._ends(link), self._traced_up_to, now, connection=link.number)
            for event in seen:
                self._timeline.add(msgspec.structs.replace(event, side=str(self.side)))
        self._traced_up_to = now + 1

    def growth(self) -> dict[str, int]:
        """What the kernel's TCP counters grew by since the session began, up to now or up to its end."""
        return counters.growth(self._before, self._end or self._counters.read())

    def summary(self, links: Iterable[Link]) -> list[str]:
        """Lines on what this kernel knew: how the states went, where each socket is now, telling counters."""
        self.collect(links)
        probed = [event for event in self._timeline if isinstance(event, Probed) and event.side == self.side]
        lines = []
        for connection, state in self._states.items():
            lines += state_changes([event for event in probed if event.connection == connection])
            lines.append(f"now {shown(state)}")
        telling = [
            f"{name} +{count}" for name, count in self.growth().items() if not any(word in name for word in COMMON)
        ]
        return [f"{self.side}: {line}" for line in (*lines, "; ".join(telling) or "no counter tells anything")]
