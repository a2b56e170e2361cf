"""Asks the probes after each step and says what the kernel knew; the wire alone decides."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Self

from harness.peer import Peer
from harness.timeline import Timeline
from netns.lab import Lab


class Insight:
    """The probes of one session; a context manager."""

    def __init__(self, lab: Lab, timeline: Timeline) -> None:
        self._lab = lab
        self._timeline = timeline
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def look(self, peer: Peer) -> None:
        """Record the state of a connection's socket where it changed."""

    def summary(self) -> list[str]:
        """Lines on what the kernel knew."""
        return []
