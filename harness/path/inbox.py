"""The segments that came to a path and that no expectation has taken yet, and what each could be the answer to."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from typing import NamedTuple

from harness.path.passages import Passage
from harness.path.rules import Side
from harness.tcp.mutation import Mutation
from harness.tcp.pattern import Pattern
from harness.tcp.segment import Segment
from harness.tcp.verdict import Expectation
from harness.trace.arrival import Cause
from harness.trace.events import Called, Timeline


class PathArrival(NamedTuple):
    """A segment as it is judged: it may have been mutated."""

    at: int
    segment: Segment
    passage: Passage
    number: int

    @property
    def connection(self) -> int:
        """Its connection's number."""
        return self.passage.tracked.connection if self.passage.tracked else 0


class Inbox:
    """Both sides' segments, each in the order of their arrival.

    Args:
        timeline: where system calls stand.
        mutation: how segments are mutated before they are judged, or None.
    """

    def __init__(self, timeline: Timeline, mutation: Mutation | None) -> None:
        self.received = 0  # segments up to now
        self.judged = 0  # the number of the last of them that an expectation took
        self.mutated = False
        self.rest_allowed = False
        self._timeline = timeline
        self._mutation = mutation
        self._waiting: dict[Side, deque[PathArrival]] = {side: deque() for side in Side}
        self._reached: dict[Side, list[int]] = {side: [] for side in Side}
        self._judged: dict[Side, int] = dict.fromkeys(Side, 0)
        self._allowed: list[tuple[Side, Pattern]] = []

    def came(self, passage: Passage) -> None:
        """A frame came; what holds no segment is passed over."""
        if passage.tracked is None:
            return
        self.received += 1
        seen = [(passage.at, passage.tracked.segment)]
        if self._mutation and self._mutation.number == self.received:
            self.mutated = True
            seen = self._mutation.apply(self.received, *seen[0])
        for at, segment in seen:
            self._waiting[passage.side].append(PathArrival(at, segment, passage, self.received))

    def reached(self, passage: Passage, at: int) -> None:
        """It went on to the other side."""
        if passage.tracked is not None:
            self._reached[passage.side.other].append(at)

    def allow(self, side: Side, pattern: Pattern) -> None:
        """Segments like this one need not be expected."""
        self._allowed.append((side, pattern))

    def allow_nothing(self) -> None:
        """Everything has to be expected again."""
        self._allowed.clear()
        self.rest_allowed = False

    def _is_allowed(self, arrival: PathArrival) -> bool:
        side = arrival.passage.side
        return any(side is own and pattern.matches(arrival.segment) for own, pattern in self._allowed)

    def next(self, expectation: Expectation, side: Side, connection: int) -> PathArrival | None:
        """The oldest that counts: what the scenario allowed is passed over unless it is what is expected."""
        for arrival in list(self._waiting[side]):
            if connection not in (0, arrival.connection):
                continue
            self._waiting[side].remove(arrival)
            expected = any(pattern.matches(arrival.segment) for pattern in expectation.alternatives.values())
            if expected or not self._is_allowed(arrival):
                return arrival
        return None

    def cause(self, arrival: PathArrival) -> Cause:
        """The last thing before it that could have brought it about: what reached its side, a call, the one before."""
        side, at = arrival.passage.side, arrival.at
        reached = self._reached[side][: bisect_right(self._reached[side], at)]
        moments = [moment for moment in (*reached[-1:], self._judged[side]) if 0 < moment <= at]
        causes = [Cause(moment, moment) for moment in moments]
        calls = [event for event in self._timeline if isinstance(event, Called) and event.side == side]
        causes += [Cause(call.at, call.end) for call in calls if call.at <= at]
        return max(causes, default=Cause(at, at))

    def judge(self, arrival: PathArrival) -> None:
        """An expectation took it."""
        self.judged = max(self.judged, arrival.number)
        side = arrival.passage.side
        self._judged[side] = max(self._judged[side], arrival.at)

    def leftover(self) -> list[PathArrival]:
        """What no expectation mentioned, in the order of its time."""
        if self.rest_allowed:
            return []
        left = [one for waiting in self._waiting.values() for one in waiting if not self._is_allowed(one)]
        return sorted(left, key=lambda one: one.at)
