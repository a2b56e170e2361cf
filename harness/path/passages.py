"""What came to a path, frame by frame, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.path.messages import Came, Fated, Left
from harness.path.rules import AnyRule, Side
from harness.path.tracking import Tracked, Tracker
from harness.tcp.segment import ACK, FIN, Segment
from harness.tcp.timing import format_ms
from harness.trace.events import Forwarded, Frame, Timeline

_SAID = "released", "forwarded"  # fates that say nothing new of a frame that was held, or looked at


@dataclass(slots=True)
class Passage:
    """One frame that came to the path, and what became of it. Times are the kernel's stamps."""

    number: int
    at: int
    side: Side
    data: bytes
    tracked: Tracked | None
    left: list[int] = field(default_factory=list)
    fate: str = "forwarded"
    rule: int = 0
    step: str = ""
    judged: str = ""

    @property
    def delay_ns(self) -> int:
        """How long it was on the path; it has left it."""
        return self.left[0] - self.at

    def explain(self, step: str, judged: str) -> None:
        """Say which step of the scenario it belongs to, and how it was judged."""
        self.step, self.judged = step, judged


class Closing(NamedTuple):
    """How a connection ended.

    Args:
        ns: from the client's FIN at the path to the last segment that put both sockets into TIME-WAIT or ended them.
        retransmissions: how many segments the client sent again.
    """

    ns: int
    retransmissions: int


class Passages:
    """All of them, in the order of their arrival."""

    def __init__(self) -> None:
        self.all: list[Passage] = []
        self._tracker = Tracker()
        self._placed = 0

    def came(self, entry: Came) -> Passage:
        """A frame arrived."""
        tracked = self._tracker.read(entry.side, entry.data)
        self.all.append(Passage(entry.number, entry.at, entry.side, entry.data, tracked))
        return self.all[-1]

    def more(self, entry: Fated | Left) -> Passage:
        """More is known of a frame that had arrived."""
        passage = self.all[entry.number - 1]
        if isinstance(entry, Left):
            passage.left.append(entry.at)
        elif entry.fate not in _SAID:
            passage.fate, passage.rule = entry.fate, entry.rule
        return passage

    def place(self, timeline: Timeline, rules: Mapping[int, AnyRule], *, done: bool) -> None:
        """Put what happened so far onto the timeline; what is still held stays open until all is ``done``."""
        while self._placed < len(self.all):
            passage = self.all[self._placed]
            if not done and not passage.left and passage.fate not in ("dropped", "lost"):
                return
            self._placed += 1
            if passage.tracked is not None:
                connection, segment, _ = passage.tracked
                rule = str(rules[passage.rule]) if passage.rule else ""
                left, explained = tuple(passage.left), (passage.step, connection, passage.judged)
                event = Forwarded(passage.at, segment, passage.side, left, passage.fate, rule, *explained)
                timeline.add(event)

    @property
    def frames(self) -> list[Frame]:
        """Every frame as it came to the path, for a capture: outgoing are the client's."""
        return [
            Frame(
                one.at, one.side is Side.CLIENT, one.data, f"{one.step or 'no step'}; from the {one.side}, {_fate(one)}"
            )
            for one in self.all
        ]

    def slowest(self, connection: int, until: int) -> tuple[Passage, Segment] | None:
        """What took the path longest to forward, of all of a connection by then that no rule is about."""
        both = (pair for side in Side for pair in self.of(side, connection))
        plain = (pair for pair in both if pair[0].left and pair[0].fate == "forwarded" and pair[0].at <= until)
        return max(plain, key=lambda pair: pair[0].delay_ns, default=None)

    def of(self, side: str, connection: int) -> Iterator[tuple[Passage, Segment]]:
        """The segments of a connection that came from a side."""
        for one in self.all:
            if one.tracked is not None and one.side == side and one.tracked.connection == connection:
                yield one, one.tracked.segment

    def repeated(self, side: str, connection: int) -> int:
        """How many segments of a side's took up sequence numbers that it had sent before."""
        furthest, count = -1, 0
        for _, segment in self.of(side, connection):
            if segment.next_seq != segment.seq:
                count += segment.next_seq <= furthest
                furthest = max(furthest, segment.next_seq)
        return count

    def first_fin(self, side: str, connection: int) -> Passage | None:
        """The first FIN of a side's."""
        return next((one for one, segment in self.of(side, connection) if segment.flags & FIN), None)

    def closing(self, connection: int) -> Closing:
        """How a connection ended, once both its sockets are in TIME-WAIT or away."""
        last = max((left for side in Side for one, _ in self.of(side, connection) for left in one.left), default=0)
        fin = self.first_fin(Side.CLIENT, connection)
        return Closing(last - fin.at if fin else 0, self.repeated(Side.CLIENT, connection))

    def last_acknowledging(self) -> list[Passage]:
        """The last segment with an acknowledgment from either side of each connection."""
        last: dict[tuple[int, Side], Passage] = {}
        for one in self.all:
            if one.tracked is not None and one.tracked.segment.flags & ACK:
                last[one.tracked.connection, one.side] = one
        return list(last.values())


def _fate(one: Passage) -> str:
    after = f" after {format_ms(one.delay_ns)}" if one.left else ""
    return f"{one.fate}{after}"
