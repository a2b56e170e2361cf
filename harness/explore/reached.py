"""What programs have reached of a kernel's code, of which the kernel tells the counters that each has moved."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

from harness.code.collecting import CodeTotals, Reached, build_of
from harness.code.index import ChangedLines
from harness.explore.attempt import Attempt, CodeReached


class ReachedCode:
    """The code that all programs of a kernel have reached so far.

    Args:
        builds: folders of notes and sources, of which one is the kernel's.

    ``moved`` are the counters that each program has moved, until whoever reads them takes them out.
    """

    def __init__(self, builds: Sequence[Path]) -> None:
        self._builds = builds
        self._totals: CodeTotals | None = None
        self.moved: dict[Attempt, tuple[int, ...]] = {}

    def take(self, attempts: Sequence[Attempt], code: CodeReached) -> None:
        """Take in what the kernel told of an order.

        Raises:
            FinwaitError: the kernel's build is not here.
        """
        data = zlib.decompress(code.data)
        if self._totals is None:
            first = Reached("", data, code.objects)
            self._totals = CodeTotals(build_of(first, self._builds), first)
        self._totals.add(data)
        self.moved.update(zip(attempts, code.moved, strict=True))

    def of(self, program: Attempt) -> tuple[int, ...]:
        """The counters that a program has moved; none of one that killed the kernel."""
        return self.moved.get(program, ())

    def aim(self, changed: Sequence[ChangedLines]) -> frozenset[int]:
        """The counters of the functions that have one of these lines."""
        return self._totals.counters_of(changed) if self._totals else frozenset()

    def __str__(self) -> str:
        if self._totals is None:
            return ""
        return f"{self._totals.reached()} of {self._totals.lines} lines of net/ipv4/tcp*.c reached"
