"""What a path is told to do with segments, as data that reads like the scenario that said it. Pure."""

from __future__ import annotations

import enum

import msgspec

from harness.errors import FinwaitError
from harness.tcp.pattern import Pattern
from harness.tcp.segment import Segment
from harness.tcp.timing import format_ms


class BadRules(FinwaitError):
    """A rule of the path never took effect, so that the scenario did not test what it meant to."""


class Side(enum.StrEnum):
    """Which kernel a segment comes from, or a call was made on."""

    CLIENT = "client"
    SERVER = "server"

    @classmethod
    def _missing_(cls, value: object) -> Side:
        raise FinwaitError(f"{value!r} is not a side of the path", hint='"client" or "server"')

    @property
    def other(self) -> Side:
        """The opposite one."""
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT

    @property
    def arrow(self) -> str:
        """How its segments are written in texts: ``<`` for the client's, as those of a peer."""
        return "<" if self is Side.CLIENT else ">"


class Match(msgspec.Struct, frozen=True):
    """The segments that a rule is about.

    Args:
        side: where they come from.
        pattern: what they look like, in relative numbers; None for any segment, and frames that hold none.
        connection: their connection's number on the path, from 1; 0 for any.
    """

    side: Side
    pattern: Pattern | None = None
    connection: int = 0

    def fits(self, side: Side, connection: int, segment: Segment | None) -> bool:
        """Whether a segment is one of them."""
        if side is not self.side or self.connection not in (0, connection):
            return False
        return self.pattern is None or (segment is not None and self.pattern.matches(segment))

    def __str__(self) -> str:
        what = "anything" if self.pattern is None else str(self.pattern)
        return f"{what} from the {self.side}" + (f" on connection {self.connection}" if self.connection else "")

    def impossible(self) -> str:
        """Why no segment can fit; empty where one can."""
        if self.pattern is None:
            return ""
        both = {option.partition(" ")[0] for option in self.pattern.options.split(",")} - {""}
        both &= {option.strip() for option in self.pattern.without.split(",")}
        return f"{', '.join(sorted(both))} cannot be both present and absent" if both else ""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What all rules have.

    Args:
        match: the segments it is about.
        times: how many of them; None for all.
    """

    match: Match
    times: int | None = 1

    @property
    def verb(self) -> str:
        """What it does, in a word or two."""
        return type(self).__name__.lower()

    def __str__(self) -> str:
        often = "" if self.times == 1 else ", all" if self.times is None else f", {self.times} times"
        return f"{self.verb} {self.match}{often}"


class Hold(Rule, frozen=True, kw_only=True, tag="hold"):
    """Keep a segment until another one has passed, or has arrived at the path."""

    until: Match | None = None
    arrived: bool = False

    def __str__(self) -> str:
        if self.until is None:
            return f"{Rule.__str__(self)} until the scenario releases it"
        return f"{Rule.__str__(self)} until {self.until} {self.event}"

    @property
    def event(self) -> str:
        """What the other segment has to do."""
        return "has arrived" if self.arrived else "has passed"


class Drop(Rule, frozen=True, kw_only=True, tag="drop"):
    """Forward nothing."""


class Duplicate(Rule, frozen=True, kw_only=True, tag="duplicate"):
    """Forward the segment twice in a row."""


class Corrupt(Rule, frozen=True, kw_only=True, tag="corrupt"):
    """Flip a bit of the segment, so that its checksum is wrong."""


class Delay(Rule, frozen=True, kw_only=True, tag="delay"):
    """Forward a segment ``ns`` nanoseconds after it arrived."""

    ns: int = 0

    @property
    def verb(self) -> str:
        """With the time."""
        return f"delay by {format_ms(self.ns)}"


class Reorder(Rule, frozen=True, kw_only=True, tag="reorder"):
    """Hold back segments at random, each until 1 to ``depth`` later ones have passed, or ``ns`` are over."""

    seed: int = 0
    chance: float = 0.2
    depth: int = 3
    ns: int = 0

    @property
    def verb(self) -> str:
        """With the seed, which repeats it."""
        return f"reorder with seed {self.seed}"


class Lose(Rule, frozen=True, kw_only=True, tag="lose"):
    """Drop segments at random."""

    seed: int = 0
    chance: float = 0.0

    @property
    def verb(self) -> str:
        """With the seed, which repeats it."""
        return f"lose {self.chance:.1%} with seed {self.seed}"


class Limit(Rule, frozen=True, kw_only=True, tag="limit"):
    """Forward no faster than a rate; what does not fit into the queue is dropped."""

    bytes_per_second: int = 0
    queue: int = 0

    @property
    def verb(self) -> str:
        """With the rate."""
        return f"limit to {self.bytes_per_second} bytes/s"


AnyRule = Hold | Drop | Duplicate | Corrupt | Delay | Reorder | Lose | Limit
