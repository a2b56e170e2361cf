"""A lab with what listens to it, which one session has to itself or many have one after the other."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Self

from harness.errors import Unsupported
from harness.probes import sockets
from harness.probes.counters import Counters
from harness.probes.sockets import Diag
from harness.wire.capture import Wire
from netns.lab import Lab

_PORTS = 60_000
"""How many peers a bench serves before their ports come again; more than twice the entries of a run."""


class EquippedLab:
    """A lab, its wire and its sock_diag; a context manager.

    Args:
        hold_timers: keep the kernel's retransmission and delayed ACK timers out.
        ipv6: whether IPv6 will be used beside IPv4.

    ``unusable`` says why no other session may have it; empty where one may.
    """

    def __init__(self, *, hold_timers: bool = True, ipv6: bool = True) -> None:
        self.lab = Lab(hold_timers=hold_timers, ipv6=ipv6)
        self.diag: Diag | None = None
        self.missing: dict[str, str] = {}
        self.unusable = ""
        self._peers = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(self.lab)
            self.wire = Wire(self.lab.peer)
            opening.callback(self.wire.close)
            self.counters = opening.enter_context(Counters(self.lab.kernel))
            try:
                self.diag = opening.enter_context(sockets.open_diag(self.lab.kernel))
            except Unsupported as error:
                self.missing["sock_diag"] = str(error)
            self._stack = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take_port(self) -> int:
        """The next port for a peer, 1024 to 65535: no two peers of a bench have the same until all were used."""
        lowest = 1024
        number = self.lab.plan.first_port - lowest + self._peers
        self._peers += 1
        return lowest + number % _PORTS


class LabPool:
    """The benches that the sessions of one process take turns at; a context manager.

    A session that leaves something behind, or that could not be cleared away, costs the next one a new bench, and
    never its verdict.
    """

    def __init__(self) -> None:
        self._open: dict[bool, EquippedLab] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for bench in self._open.values():
            bench.__exit__()
        self._open.clear()

    def get(self, *, hold_timers: bool = True) -> EquippedLab:
        """A bench with nothing on it."""
        bench = self._open.get(hold_timers)
        if bench is not None and bench.unusable:
            del self._open[hold_timers]
            bench.__exit__()
            bench = None
        if bench is None:
            bench = self._open[hold_timers] = EquippedLab(hold_timers=hold_timers).__enter__()
        return bench
