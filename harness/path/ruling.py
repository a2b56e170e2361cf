"""How a scenario states its rules: ``path.hold(FIN, from_="client").until(ACK, seq=2)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict, Unpack

import msgspec

from harness.errors import FinwaitError
from harness.path.rules import (
    AnyRule,
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Hold,
    Limit,
    Lose,
    Match,
    Reorder,
    Side,
)
from harness.program.recording import Recording, step
from harness.program.steps import PathRule
from harness.tcp.pattern import Number, Pattern
from harness.tcp.segment import ACK, FIN, Flags
from harness.tcp.timing import MS, Span, Time, span_of

PASS_BY = Span(100 * MS, "PASS_BY", "longer than a flight of segments that follow one another, shorter than RTO_MIN")
"""How long a segment that was put aside waits for later ones, so that the last of all gets through."""

QUEUE = 1 << 20
"""Bytes that wait for a limited rate, unless told otherwise."""

State = Callable[[int, AnyRule], None]


class MatchFields(TypedDict, total=False):
    """What else may be said of the segments that a rule is about; see ``Pattern``."""

    seq: Number | None
    ack: Number | None
    window: Number
    data: bytes
    length: Number
    options: str
    without: str


class Holding:
    """Segments that the path holds; ``until``, ``until_arrival`` or ``release`` say when they go on."""

    def __init__(
        self, number: int, rule: Hold, state: State, release: Callable[[int], None], recording: Recording
    ) -> None:
        self.recording = recording
        self._number = number
        self._rule = rule
        self._state = state
        self._release = release

    @step(PathRule)
    def release(self) -> None:
        """Forward what is held; segments that would be held later pass."""
        self._release(self._number)

    @step(PathRule)
    def until(self, flags: Flags, *, from_: str = "", connection: int = 0, **fields: Unpack[MatchFields]) -> None:
        """Forward what is held right after such a segment, from the same side unless ``from_`` names the other."""
        self._say(flags, from_, connection, fields, arrived=False)

    @step(PathRule)
    def until_arrival(
        self, flags: Flags, *, from_: str = "", connection: int = 0, **fields: Unpack[MatchFields]
    ) -> None:
        """Hold until such a segment has come to the path, which may hold that one in turn; not at all once it has."""
        self._say(flags, from_, connection, fields, arrived=True)

    def _say(self, flags: Flags, from_: str, connection: int, fields: MatchFields, *, arrived: bool) -> None:
        side = Side(from_) if from_ else self._rule.match.side
        match = Match(side, pattern_of(flags, fields), connection)
        self._state(self._number, msgspec.structs.replace(self._rule, until=match, arrived=arrived))


class Ruling:
    """States rules, one after the other; the first that is about a segment gets it.

    Every rule names the side that the segments come from, and takes the fields of a ``Pattern`` and ``connection``, a
    connection's number on the path. It works once, or as often as ``times`` says; None is for all.

    Args:
        state: what takes a rule and its number.
        release: what takes the number of a rule that is to let go what it holds.
        recording: of the scenario that states them.
    """

    def __init__(self, state: State, release: Callable[[int], None], recording: Recording | None = None) -> None:
        self.recording = recording or Recording()
        self._state_rule = state
        self._release = release
        self.rules: dict[int, AnyRule] = {}

    def _keep(self, number: int, rule: AnyRule) -> None:
        self.rules[number] = rule
        self._state_rule(number, rule)

    def add(self, rule: AnyRule) -> int:
        """Add a rule; returns its number."""
        number = len(self.rules) + 1
        self._keep(number, rule)
        return number

    @step(PathRule, "holding")
    def hold(
        self,
        flags: Flags,
        *,
        from_: str,
        times: int | None = 1,
        connection: int = 0,
        **fields: Unpack[MatchFields],
    ) -> Holding:
        """Keep such a segment at the path, ``.until(...)`` another one has passed or until ``.release()``."""
        rule = Hold(match=_match(flags, from_, connection, fields), times=_times(times))
        return Holding(self.add(rule), rule, self._keep, self._release, self.recording)

    @step(PathRule)
    def drop(
        self,
        flags: Flags,
        *,
        from_: str,
        times: int | None = 1,
        connection: int = 0,
        **fields: Unpack[MatchFields],
    ) -> None:
        """Drop such a segment."""
        self.add(Drop(match=_match(flags, from_, connection, fields), times=_times(times)))

    @step(PathRule)
    def duplicate(
        self,
        flags: Flags,
        *,
        from_: str,
        times: int | None = 1,
        connection: int = 0,
        **fields: Unpack[MatchFields],
    ) -> None:
        """Deliver such a segment twice."""
        self.add(Duplicate(match=_match(flags, from_, connection, fields), times=_times(times)))

    @step(PathRule)
    def corrupt(
        self,
        flags: Flags,
        *,
        from_: str,
        times: int | None = 1,
        connection: int = 0,
        **fields: Unpack[MatchFields],
    ) -> None:
        """Flip a bit of such a segment, in its data if it has any, so that its checksum is wrong."""
        self.add(Corrupt(match=_match(flags, from_, connection, fields), times=_times(times)))

    @step(PathRule)
    def delay(
        self,
        flags: Flags,
        *,
        by: Time,
        from_: str,
        times: int | None = 1,
        connection: int = 0,
        **fields: Unpack[MatchFields],
    ) -> None:
        """Forward such a segment that much later; others may overtake it."""
        self.add(Delay(match=_match(flags, from_, connection, fields), times=_times(times), ns=span_of(by, "by").ns))

    @step(PathRule)
    def reorder(self, *, from_: str, seed: int, chance: float = 0.2, depth: int = 3, at_most: Time = PASS_BY) -> None:
        """Hold back frames at random, each until 1 to ``depth`` later ones passed; the same seed holds back the same.

        Args:
            from_: the side that they come from.
            seed: of the random numbers.
            chance: that a frame is held back, 0 to 1.
            depth: how many may overtake it, 1 or more.
            at_most: how long it waits for them.

        Raises:
            FinwaitError: a chance or a depth that cannot be.
        """
        if depth < 1:
            raise FinwaitError(f"depth={depth} would reorder nothing", hint="1 or more")
        match, wait = Match(Side(from_)), span_of(at_most, "at_most")
        check_chance("chance", chance)
        self.add(Reorder(match=match, times=None, seed=seed, chance=chance, depth=depth, ns=wait.ns))

    @step(PathRule)
    def lose(self, *, from_: str, seed: int, chance: float) -> None:
        """Drop frames at random, each by the same ``chance``, 0 to 1; the same seed drops the same."""
        self.add(Lose(match=Match(Side(from_)), times=None, seed=seed, chance=check_chance("chance", chance)))

    @step(PathRule)
    def limit(self, *, from_: str, bytes_per_second: int, queue: int = QUEUE) -> None:
        """Forward no faster than a rate; what does not fit into a queue of so many bytes is dropped.

        Raises:
            FinwaitError: no rate, or no queue.
        """
        if bytes_per_second < 1 or queue < 1:
            raise FinwaitError(
                "a rate and a queue must be at least 1 byte", hint="bytes_per_second=125_000 for 1 Mbit/s"
            )
        match = Match(Side(from_))
        self.add(Limit(match=match, times=None, bytes_per_second=bytes_per_second, queue=queue))


def plain_rules(side: Side, delay_ns: int, loss: float, bytes_per_second: int) -> list[AnyRule]:
    """Rules that do to every frame of a side what netem would; a frame goes to the first of them alone."""
    match, found = Match(side), list[AnyRule]()
    if delay_ns:
        found.append(Delay(match=match, times=None, ns=delay_ns))
    if loss:
        found.append(Lose(match=match, times=None, chance=check_chance("loss", loss)))
    if bytes_per_second:
        found.append(Limit(match=match, times=None, bytes_per_second=bytes_per_second, queue=QUEUE))
    return found


def _match(flags: Flags, from_: str, connection: int, fields: MatchFields) -> Match:
    return Match(Side(from_), pattern_of(flags, fields), connection)


def pattern_of(flags: Flags, fields: MatchFields) -> Pattern:
    """The pattern of a segment between two kernels. Their FINs carry ACK: without, RFC 9293 3.10.7.4 drops it."""
    return Pattern(flags | ACK if flags & FIN else flags, **fields)


def _times(times: int | None) -> int | None:
    if times is not None and times < 1:
        raise FinwaitError(f"times={times} would make a rule do nothing", hint="1 or more, or None for all")
    return times


def check_chance(name: str, chance: float) -> float:
    """What a parameter of this name was given, where it is a probability.

    Raises:
        FinwaitError: it is not.
    """
    if not isinstance(chance, int | float) or not 0 <= chance <= 1:
        raise FinwaitError(f"{name}={chance!r} is not a probability", hint="0 to 1, such as 0.05 for 5 %")
    return chance
