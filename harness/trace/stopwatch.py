"""Splits a scenario's real time by part, for the benchmark and the run folder. Pure; the clock is handed in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Self


class Stopwatch:
    """Real nanoseconds by part: lab, craft, kernel, match, write. A part inside another is counted once, as itself.

    Args:
        clock: nanoseconds; None where nothing is to be counted: in virtual time code takes none, and to look at such a
            clock is a system call of the guest, which cost a fifth of a scenario.
    """

    def __init__(self, clock: Callable[[], int] | None = time.perf_counter_ns) -> None:
        self.spent: dict[str, int] = {}
        self._clock = clock
        self._open: list[str] = []
        self._since = 0

    def part(self, name: str) -> Self:
        """Count the time inside to ``name``: ``with stopwatch.part("match")``."""
        if self._clock is None:
            return self
        if self._open:
            self._spend(self._open[-1], self._clock())
        else:
            self._since = self._clock()
        self._open.append(name)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._clock is not None:
            self._spend(self._open.pop(), self._clock())

    def _spend(self, part: str, now: int) -> None:
        self.spent[part] = self.spent.get(part, 0) + now - self._since
        self._since = now
