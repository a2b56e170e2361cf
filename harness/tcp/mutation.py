"""Mutates one answer of the kernel before it is judged, to show that a scenario can fail. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from harness.errors import FinwaitError
from harness.tcp.segment import ACK, FIN, RST, Segment, add
from harness.tcp.timing import DAY

Seen = tuple[int, Segment]
"""A received segment and its time in ns."""

DELAY_NS = 100 * DAY.ns
"""Later than any bound: the longest is of 24 days of silence. Nobody waits for it, the time is written."""

STEP = 100_003
"""What is added to a number: so much that no mutated answer is by chance another one that a scenario declares."""


def _with(**changes: Callable[[Segment], object]) -> Callable[[Seen], list[Seen]]:
    def mutate(seen: Seen) -> list[Seen]:
        at, segment = seen
        return [(at, msgspec.structs.replace(segment, **{name: change(segment) for name, change in changes.items()}))]

    return mutate


KINDS: Mapping[str, Callable[[Seen], list[Seen]]] = {
    "drop": lambda _: [],
    "duplicate": lambda seen: [seen, seen],
    "delay": lambda seen: [(seen[0] + DELAY_NS, seen[1])],
    "seq": _with(seq=lambda segment: add(segment.seq, STEP)),
    # without ACK the field says nothing, so the flag is mutated with it
    "ack": _with(ack=lambda segment: add(segment.ack, STEP), flags=lambda segment: segment.flags | ACK),
    "fin": _with(flags=lambda segment: segment.flags ^ FIN),
    "rst": _with(flags=lambda segment: segment.flags ^ RST),
}
"""What can be done to a segment, by name."""

OF_NO_ACCOUNT = frozenset({"drop", "duplicate", "delay"})
"""What nobody could notice of a segment that a scenario allows: it may be missing, come twice, or come late."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """Which answer is mutated, and how.

    Args:
        kind: one of ``KINDS``.
        number: which segment of the kernel's in the scenario, counted from 1 in the order of the wire.
    """

    kind: str
    number: int

    @classmethod
    def parse(cls, text: str) -> Mutation:
        """From ``KIND:NUMBER``.

        Raises:
            FinwaitError: an unknown kind, or no positive number.
        """
        kind, _, number = text.partition(":")
        if kind not in KINDS or not number.isdecimal() or int(number) < 1:
            raise FinwaitError(
                f"{text!r} is not a mutation",
                why="a mutation is a kind and the number of a segment, counted from 1",
                hint=" or ".join(f"{name}:1" for name in KINDS),
            )
        return cls(kind, int(number))

    def apply(self, number: int, at: int, segment: Segment) -> list[Seen]:
        """What is seen in place of the segment ``number``."""
        return KINDS[self.kind]((at, segment)) if number == self.number else [(at, segment)]


class MutationChoice:
    """Which mutation each scenario runs with.

    Args:
        text: ``KIND:NUMBER`` or ``KIND:last``; None for no mutation.
        last: the number of the last answer that a scenario judges, from an ordinary run; the first where it is not
            known.

    Raises:
        FinwaitError: no mutation, or ``last`` without knowing it of any scenario.
    """

    def __init__(self, text: str | None, last: Mapping[str, int]) -> None:
        kind, _, number = (text or "").partition(":")
        self._last = last if number == "last" else {}
        self._always = Mutation.parse(f"{kind}:1" if number == "last" else text) if text else None
        if number == "last" and not last:
            raise FinwaitError(
                "finwait does not know which answer is the last",
                why="only an earlier run of the same scenarios tells",
                hint="--mutate-after, with the folder of such a run",
            )

    def of(self, scenario: str) -> Mutation | None:
        """The mutation of a scenario, or None."""
        if self._always is None:
            return None
        return Mutation(self._always.kind, self._last.get(scenario) or self._always.number)
