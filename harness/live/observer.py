"""Asks the probes after each step and says what the kernel knew; the wire alone decides."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from typing import Self

from harness.errors import Unsupported
from harness.live.lab_pool import EquippedLab
from harness.live.peer import Peer
from harness.probes import counters, sockets
from harness.probes.counters import Snapshot
from harness.probes.sockets import Address, SocketState
from harness.probes.tracepoints import Tracer
from harness.tcp.timing import format_ms
from harness.trace.events import Probed, Timeline
from harness.wire.frames import Flow

# Every connection has these, so they tell nothing about one.
COMMON = ("InSegs", "OutSegs", "Opens", "Octets", "Pkts", "InReceives", "InDelivers", "OutRequests", "OutTransmits")


class Observer:
    """The probes of one session; a context manager.

    What is missing on a machine is named in ``missing``, by probe, and is never an error.

    Args:
        bench: whose lab's kernel end is looked at.
        timeline: where it is recorded.
        tracer: the process's; None where tracepoints are not wanted.
    """

    def __init__(self, bench: EquippedLab, timeline: Timeline, tracer: Tracer | None = None) -> None:
        self.missing: dict[str, str] = dict(bench.missing)
        self._lab = bench.lab
        self._timeline = timeline
        self._tracer = tracer
        self._diag = bench.diag
        self._counters = bench.counters
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
        else:
            self._tracer.begin()
        self._before = self._counters.read()
        return self

    def __exit__(self, *_: object) -> None:
        self._end = self._counters.read()

    def look(self, peer: Peer) -> None:
        """Record the state of a connection's socket where it changed."""
        if self._diag is None:
            return
        local, remote = self._addresses(peer.flow)
        now = sockets.look(self._diag, peer.flow.version, local, remote)
        before = self._states.get(peer.connection)
        if shown(now) != shown(before):
            state = now.state if now else "CLOSED"
            self._timeline.add(Probed(time.time_ns(), "sock_diag", shown(now), state, peer.connection))
        self._states[peer.connection] = now

    def left_behind(self, peers: Iterable[Peer]) -> str:
        """The first connection that the kernel still has a socket for, in a few words; empty where it has none.

        Without sock_diag it is taken that something is left: nothing shows the contrary.
        """
        if self._diag is None:
            return self.missing["sock_diag"]
        for peer in peers:
            if (found := self.find(peer)) is not None:
                return f"connection {peer.connection} is left: {shown(found)}"
        return ""

    def find(self, peer: Peer, *, listening: bool = False) -> SocketState | None:
        """The socket of a connection now, or the listener on its port of the kernel; None when there is none.

        Raises:
            Unsupported: sock_diag shows nothing on this machine.
        """
        if self._diag is None:
            raise Unsupported("no sock_diag, which tells the state of a connection", why=self.missing["sock_diag"])
        local, remote = self._addresses(peer.flow)
        return sockets.look(self._diag, peer.flow.version, local, None if listening else remote)

    def _addresses(self, flow: Flow) -> tuple[Address, Address]:
        plan = self._lab.plan
        kernel, peer = plan.kernel.address(flow.version), plan.peer.address(flow.version)
        return (kernel, flow.kernel_port), (peer, flow.peer_port)

    def collect(self, peers: Iterable[Peer]) -> None:
        """Put what the tracepoints saw since the last time onto the timeline."""
        if self._tracer is None:
            return
        now = time.time_ns()
        for peer in peers:
            local, remote = self._addresses(peer.flow)
            seen = self._tracer.collect(
                local, remote, self._traced_up_to, now, origin=peer.kernel.isn, connection=peer.connection
            )
            for event in seen:
                self._timeline.add(event)
        self._traced_up_to = now + 1

    def growth(self) -> dict[str, int]:
        """What the kernel's TCP counters grew by since the session began, up to now or up to its end."""
        return counters.growth(self._before, self._end or self._counters.read())

    def summary(self, peers: Iterable[Peer]) -> list[str]:
        """Lines on what the kernel knew: how the states went, drops, where the socket is now, telling counters."""
        self.collect(peers)
        probed = [event for event in self._timeline if isinstance(event, Probed)]
        lines = []
        for connection, state in self._states.items():
            of_this = [event for event in probed if event.connection == connection]
            lines += state_changes(of_this)
            lines += [
                f"{event.text} at +{format_ms(event.at - of_this[0].at)}" for event in of_this if "drop" in event.text
            ]
            lines.append(f"now {shown(state)}")
        telling = [
            f"{name} +{count}" for name, count in self.growth().items() if not any(word in name for word in COMMON)
        ]
        return [*lines, "; ".join(telling) or "no counter tells anything"]


def state_changes(probed: list[Probed]) -> list[str]:
    """How the states went, one line a change."""
    stated = [event for event in probed if event.state]
    return [
        f"{old.state} -> {new.state} by +{format_ms(new.at - stated[0].at)}"
        for old, new in itertools.pairwise(stated)
        if old.state != new.state
    ]


def shown(state: SocketState | None) -> str:
    """A socket in a few words."""
    if state is None:
        return "no socket"
    holder = "mini-socket" if state.mini else "owned by its process" if state.owned else "held by no process"
    return f"{state.state}, {holder}"
