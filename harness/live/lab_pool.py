"""A lab with what listens to it, which one session has to itself or many have one after the other."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Self

from harness.probes.observer import Probes
from harness.wire.capture import Wire
from netns.conditions import Settings
from netns.lab import Lab

_PORTS = 60_000
"""How many peers a lab serves before their ports come again; more than twice the entries of a run."""


class EquippedLab:
    """A lab, its wire and its probes; a context manager.

    Args:
        settings: which conditions it pins.
        ipv6: whether IPv6 will be used beside IPv4.

    ``unusable`` says why no other session may have it; empty where one may.
    """

    def __init__(self, settings: Settings = Settings.HELD, *, ipv6: bool = True) -> None:
        self.settings = settings
        self.lab = Lab(settings, ipv6=ipv6)
        self.unusable = ""
        self._peers = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(self.lab)
            self.wire = Wire(self.lab.peer)
            opening.callback(self.wire.close)
            self.probes = opening.enter_context(Probes(self.lab.kernel))
            self._stack = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def take_port(self) -> int:
        """The next port for a peer, 1024 to 65535: no two peers of a lab have the same until all were used."""
        lowest = 1024
        number = self.lab.plan.first_port - lowest + self._peers
        self._peers += 1
        return lowest + number % _PORTS


class LabPool:
    """The labs that the sessions of one process take turns at; a context manager.

    A session that leaves something behind, or that could not be cleared away, costs the next one a new lab, and
    never its verdict.
    """

    def __init__(self) -> None:
        self._open: dict[Settings, EquippedLab] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as closing:
            for lab in self._open.values():
                closing.push(lab)
        self._open.clear()

    def get(self, settings: Settings = Settings.HELD) -> EquippedLab:
        """A lab with nothing on it."""
        lab = self._open.get(settings)
        if lab is not None and lab.unusable:
            del self._open[settings]
            lab.__exit__()
            lab = None
        if lab is None:
            lab = self._open[settings] = EquippedLab(settings).__enter__()
        return lab
