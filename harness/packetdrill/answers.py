"""The kernel's segments as a script judges them: counted, and one of them mutated where that is asked. Pure."""

from __future__ import annotations

import msgspec

from harness.packetdrill.comparing import SeenSegment
from harness.packetdrill.tested import Differs
from harness.tcp.mutation import Mutation


class Answers:
    """Counts what came, and what a line of the script took of it.

    Args:
        mutation: which is mutated, and how; None for none.
    """

    def __init__(self, mutation: Mutation | None = None) -> None:
        self.came = self.judged = 0
        self.mutated = False
        self.again: list[SeenSegment] = []
        self._mutation = mutation

    def take(self, seen: SeenSegment) -> SeenSegment:
        """What is seen in its place; what comes behind that is in ``again``.

        Raises:
            Differs: nothing is, and nobody waits for that.
        """
        self.came += 1
        if self._mutation is None or self._mutation.number != self.came:
            return seen
        self.mutated = True
        several = [
            msgspec.structs.replace(seen, at=at, segment=segment)
            for at, segment in self._mutation.apply(self.came, seen.at, seen.segment)
        ]
        if not several:
            raise Differs("nothing: the mutation took the segment away")
        first, *self.again = several
        return first
