"""What came from one sender and no expectation has taken yet, and the one rule for what brought an answer about. Pure.

Who waits for more to come, and on which clock, is another matter.
"""

from __future__ import annotations

import sys
from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from harness.tcp.pattern import Difference, Pattern
from harness.tcp.segment import Segment
from harness.tcp.timing import TimingProfile
from harness.tcp.verdict import Expectation, Mismatch, Reply
from harness.trace.events import Called, Timeline

Ports = tuple[int, int]
"""A connection as its sender has it: its own port and that of the other end."""


class Arrival(NamedTuple):
    """A segment as it is judged: it may have been mutated. ``at`` is the kernel's stamp, ns since the epoch.

    ``number`` counts what came on all connections of the lab, from 1 in the order of the wire. ``explain`` puts the
    step that took it beside what came, and how it was judged; ``flaws`` is what is wrong whatever was expected.
    """

    at: int
    segment: Segment
    ports: Ports
    connection: int
    number: int
    explain: Callable[[str, str], None]
    flaws: tuple[Difference, ...] = ()


class Cause(NamedTuple):
    """What an answer's time is counted from: upper bounds from ``end``, lower bounds from ``start``, both in ns."""

    start: int
    end: int


ASKING = frozenset(("getsockopt", "getsockname", "getpeername"))
"""Calls that have a kernel send nothing."""


class Inbox:
    """One sender's segments, in the order of their arrival.

    Args:
        timeline: where system calls stand.
        side: ``client`` or ``server`` where both ends are kernels.
    """

    def __init__(self, timeline: Timeline, side: str = "") -> None:
        self.judged = 0  # the number of the last arrival that an expectation took
        self._timeline = timeline
        self._side = side
        self._waiting: list[Arrival] = []
        self._came = 0  # the number of the last arrival
        self._allowed: list[tuple[int, int, Pattern]] = []  # after which arrival, to which one
        self._reached: dict[Ports, list[int]] = defaultdict(list)
        self._answered: dict[Ports, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, arrival: Arrival) -> None:
        """A segment came."""
        self._waiting.append(arrival)
        self._came = arrival.number

    def put_back(self, arrival: Arrival) -> None:
        """One that ``next`` gave is left for what is expected next."""
        self._waiting.insert(0, arrival)

    def reached(self, ports: Ports, at: int) -> None:
        """A segment of this connection, or an ICMP error about it, got to the sender."""
        insort(self._reached[ports], at)

    def allow(self, pattern: Pattern) -> None:
        """From now on segments like this one need not be expected; what has come already does."""
        self._allowed.append((self._came, sys.maxsize, pattern))

    def allow_nothing(self) -> None:
        """What comes from now on has to be expected again."""
        self._allowed = [(after, min(until, self._came), pattern) for after, until, pattern in self._allowed]

    def next(self, expectation: Expectation, connection: int = 0) -> Arrival | None:
        """The oldest that counts, of one connection or, with 0, of any.

        What the scenario allowed is passed over unless it is what is expected.
        """
        place = 0
        while place < len(self._waiting):
            if connection not in (0, self._waiting[place].connection):
                place += 1
                continue
            arrival = self._waiting.pop(place)
            if not self.allows(arrival) or any(
                pattern.matches(arrival.segment) for pattern in expectation.alternatives.values()
            ):
                return arrival
        return None

    def take_until(self, at: int, pattern: Pattern | None = None) -> list[Arrival]:
        """All that came by then, allowed or not, and fits the pattern where there is one; nobody else gets it."""
        taken: list[Arrival] = []
        left: list[Arrival] = []
        for one in self._waiting:
            fits = one.at <= at and (pattern is None or pattern.matches(one.segment))
            (taken if fits else left).append(one)
        self._waiting = left
        return taken

    def judge(self, expectation: Expectation, arrival: Arrival, profile: TimingProfile, step: str) -> Reply:
        """Hold an arrival against what is expected, and say in what it came from how that went.

        Raises:
            Mismatch: it matches no alternative, or came at the wrong time.
        """
        cause = self.cause(arrival)
        since_end = arrival.at - cause.end
        try:
            name = expectation.judge(arrival.segment, arrival.at - cause.start, since_end, profile)
            if arrival.flaws:
                raise expectation.mismatch(f"> {arrival.segment}", differences=arrival.flaws)
        except Mismatch as mismatch:
            mismatch.add(step=step, cause_ns=cause.end, connection=arrival.connection)
            self.take(arrival, step, "not as expected")
            raise
        self.take(arrival, step, name)
        return Reply(name, arrival.segment, max(0, since_end), expectation, self._timeline.recording.judged)

    def take(self, arrival: Arrival, step: str, judged: str = "") -> None:
        """A step of the scenario's took it, whatever the verdict."""
        self.judged = max(self.judged, arrival.number)
        self._answered[arrival.ports] = max(self._answered.get(arrival.ports, 0), arrival.at)
        arrival.explain(step, judged)

    def cause(self, arrival: Arrival) -> Cause:
        """The last thing before it that it could be the answer to.

        That is a segment that reached its sender on the same connection, the answer before on it, or a call on the
        connection's own socket or on the listener that it came from, unless that accepted another one or only asked. A
        socket without a port is none of the two: it was closed. An answer may leave while its call still runs, so a
        call has a start and an end. A program in the lab may have to do with it or not: it puts the upper bound off and
        leaves the lower one as it is.
        """
        at = arrival.at
        reached = self._reached[arrival.ports]
        moments = [*reached[: bisect_right(reached, at)][-1:], self._answered.get(arrival.ports, 0)]
        causes = [Cause(moment, moment) for moment in moments if 0 < moment <= at]
        own, other = arrival.ports
        calls = [event for event in self._timeline if isinstance(event, Called) and event.at <= at]
        causes += [
            Cause(event.at, event.end)
            for event in calls
            if event.side == self._side
            and event.name not in ASKING
            and event.ports in ((own, other), (own, 0))
            and not self._accepts_another(event, arrival.connection)
        ]
        cause = max(causes, default=Cause(at, at))
        return cause._replace(end=max([cause.end, *(event.end for event in calls if not event.connection)]))

    def _accepts_another(self, event: Called, connection: int) -> bool:
        if event.name != "accept" or event.error or event.connection == connection:
            return False
        return event.connection in self._timeline.numbers.values()  # else it is not known which one

    def leftover(self) -> list[Arrival]:
        """What no expectation mentioned."""
        return [arrival for arrival in self._waiting if not self.allows(arrival)]

    def allows(self, arrival: Arrival) -> bool:
        """Whether it need not be expected."""
        return any(
            after < arrival.number <= until and pattern.matches(arrival.segment)
            for after, until, pattern in self._allowed
        )
