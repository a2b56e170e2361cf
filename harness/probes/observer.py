"""Asks the probes of one kernel after each step and says what it knew; the wire alone decides."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple, Self

import msgspec

from harness.errors import Unsupported
from harness.probes import counters, records, sockets
from harness.probes.counters import Counters
from harness.probes.sockets import GONE, Address, Diag, Outline, SocketState
from harness.probes.tracepoints import Tracer
from harness.tcp.kernel_view import KernelView, Moment, SocketView, socket_text
from harness.trace.events import Probed, Timeline, begin
from netns.enter import Namespace


class Link(NamedTuple):
    """A connection to look at.

    Args:
        number: on the timeline.
        version: of IP.
        local: the end of the kernel that is looked at.
        remote: the other end.
        isn: gives the kernel's initial sequence number, None while it is not known.
    """

    number: int
    version: int
    local: Address
    remote: Address
    isn: Callable[[], int | None] = lambda: None


class Probes:
    """What shows a kernel's sockets and counters, for one session or for many; a context manager.

    Args:
        namespace: the kernel's end.

    ``missing`` names what this machine has not, by probe, with the reason.
    """

    def __init__(self, namespace: Namespace) -> None:
        self.missing: dict[str, str] = {}
        self.diag: Diag | None = None
        self._namespace = namespace
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self.counters = opening.enter_context(Counters(self._namespace))
            try:
                self.diag = opening.enter_context(sockets.open_diag(self._namespace))
            except Unsupported as error:
                self.missing["sock_diag"] = str(error)
            self._stack = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


class Observer:
    """What the probes see of one kernel during one session, from the moment that it is made.

    What is missing on a machine is named in ``missing``, by probe, and is never an error.

    Args:
        probes: open ones.
        timeline: where it is recorded.
        tracer: the process's; None where tracepoints are not wanted.
        side: ``client`` or ``server`` where both ends are kernels.
    """

    def __init__(self, probes: Probes, timeline: Timeline, tracer: Tracer | None = None, side: str = "") -> None:
        self.missing: dict[str, str] = dict(probes.missing)
        self._probes = probes
        self._timeline = timeline
        self._tracer = tracer
        self._side = side
        self._links: dict[int, Link] = {}
        self._outlines: dict[int, Outline] = {}
        self._traced_up_to = time.time_ns()
        if self._tracer is None:
            self.missing["tracepoints"] = "no tracepoints: not asked for"
        elif reason := self._tracer.unavailable():
            self.missing["tracepoints"] = reason
            self._tracer = None
        else:
            self._tracer.begin()
        self._before = probes.counters.read()

    def watch(self, link: Link) -> None:
        """Look at a connection from now on."""
        self._links[link.number] = link

    def look(self) -> None:
        """Record the states of the connections' sockets where they changed."""
        if self._probes.diag is None:
            return
        for number, link in self._links.items():
            self._note(number, sockets.outline(sockets.ask(self._probes.diag, link.version, link.local, link.remote)))

    def find(self, number: int, *, listening: bool = False) -> SocketState | None:
        """A connection's socket now, or the listener on its port of the kernel; None when there is none.

        Raises:
            Unsupported: sock_diag shows nothing on this machine.
        """
        if self._probes.diag is None:
            raise Unsupported("no sock_diag, which tells the state of a connection", why=self.missing["sock_diag"])
        link = self._links[number]
        now = sockets.look(self._probes.diag, link.version, link.local, None if listening else link.remote)
        if not listening:
            self._note(number, now.outline if now else GONE)
        return now

    def _note(self, number: int, now: Outline) -> None:
        if now != self._outlines.get(number, GONE):
            state, holder = now
            event = Probed(time.time_ns(), "sock_diag", state=state, holder=holder, connection=number, side=self._side)
            self._timeline.add(event)
        self._outlines[number] = now

    def listing(self) -> list[SocketState]:
        """Every TCP socket of the kernel's end, mini-sockets included.

        Raises:
            Unsupported: sock_diag shows nothing on this machine.
        """
        if self._probes.diag is None:
            raise Unsupported("no sock_diag, which lists sockets", why=self.missing["sock_diag"])
        return sockets.listing(self._probes.diag)

    def left_behind(self) -> str:
        """The first connection that the kernel still has a socket for, in a few words; empty where it has none.

        Without sock_diag it is taken that something is left: nothing shows the contrary.
        """
        if self._probes.diag is None:
            return self.missing["sock_diag"]
        self.look()
        left = ((number, found) for number, found in self._outlines.items() if found != GONE)
        return next((f"connection {number} is left: {socket_text(*found)}" for number, found in left), "")

    def collect(self) -> None:
        """Put what the tracepoints saw since the last time onto the timeline."""
        if self._tracer is None:
            return
        now = time.time_ns()
        for link in self._links.values():
            traced = self._tracer.collect(
                link.local, link.remote, self._traced_up_to, now, origin=link.isn(), connection=link.number
            )
            for event in traced:
                self._timeline.add(msgspec.structs.replace(event, side=self._side) if self._side else event)
        self._traced_up_to = now + 1

    def growth(self) -> dict[str, int]:
        """What the kernel's TCP counters grew by since the session began."""
        return counters.growth(self._before, self._probes.counters.read())

    def view(self) -> KernelView:
        """What the kernel knew: how the states went, drops, the sockets as they are now, counters."""
        self.look()
        at = time.time_ns()
        self.collect()
        views = tuple(self._view_of(number, now, at) for number, now in self._outlines.items())
        return KernelView(self._side, views, self.growth())

    def _view_of(self, number: int, now: Outline, at: int) -> SocketView:
        start = begin(self._timeline)
        told = [
            event
            for event in self._timeline
            if isinstance(event, Probed) and (event.side, event.connection) == (self._side, number)
        ]
        drops = [event for event in told if event.what == records.DROPPED]
        return SocketView(
            number,
            tuple(Moment(max(0, event.at - start), event.state) for event in told if event.state),
            tuple(Moment(max(0, event.at - start), str(event.details.get("reason", ""))) for event in drops),
            *now,
            max(0, at - start),
        )
