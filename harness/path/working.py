"""A rule of a path at work: what it did so far, and what is wrong with it if nothing more comes. Pure."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from harness.path.rules import AnyRule, Delay, Hold, Match, Side
from harness.tcp.pattern import Difference
from harness.tcp.segment import Segment

Nearest = tuple[Segment, tuple[Difference, ...]]
"""The segment that came nearest to what is waited for, and how it differs."""


class Arrived(NamedTuple):
    """A frame at the path: its number, when and whence it came, and what it holds. ``at`` is in ns."""

    number: int
    at: int
    side: Side
    connection: int
    segment: Segment | None
    size: int


@dataclass(slots=True)
class Working:
    """A rule at work, and what is needed to say what it was waiting for."""

    number: int
    rule: AnyRule
    random: random.Random
    matched: int = 0
    held: list[Arrived] = field(default_factory=list)
    aside: list[tuple[int, Arrived]] = field(default_factory=list)  # how many are yet to pass it
    free_at: int = 0
    queued: deque[tuple[int, int]] = field(default_factory=deque)  # departure and size
    waiting: int = 0
    taken_by: int = 0
    nearest: Nearest | None = None
    nearest_until: Nearest | None = None
    until_too_early: bool = False
    arrived: bool = False  # what it waits for has come to the path, if that is enough
    open: bool = False  # the scenario has let go what it holds

    @property
    def spent(self) -> bool:
        """Whether it has done its work."""
        return self.rule.times is not None and self.matched >= self.rule.times


def complaints(rules: Sequence[Working]) -> list[str]:
    """What is wrong with the rules, now that nothing more will come: each with what it was waiting for."""
    return [f"rule {working.number}, {working.rule}: {text}" for working in rules for text in _of(working, rules)]


def _of(working: Working, rules: Sequence[Working]) -> Iterator[str]:
    rule = working.rule
    if why := rule.match.impossible():
        yield f"no segment can match it: {why}"
        return
    if working.matched == 0:
        yield f"nothing matched{_taken(working)}"
        return
    if rule.times is not None and working.matched < rule.times:
        yield f"only {working.matched} of {rule.times} came"
    if isinstance(rule, Delay) and rule.times is not None and working.waiting:
        yield f"{working.waiting} still delayed when the scenario ended"
    if isinstance(rule, Hold):
        for held in working.held:
            yield _never_released(working, rule, held, rules)


def _never_released(working: Working, rule: Hold, held: Arrived, rules: Sequence[Working]) -> str:
    what = f"{held.segment or 'a frame'} was held and never released"
    if rule.until is None:
        return f"{what}; say until when, with .until(...) or .release()"
    if why := rule.until.impossible():
        return f"{what}; no segment can match what it waits for: {why}"
    waited = f"it waited for {rule.until}"
    for other in rules:
        if any(rule.until.fits(frame.side, frame.connection, frame.segment) for frame in other.held):
            itself = "this rule holds that one too" if other is working else f"rule {other.number} holds that one"
            return f"{what}; {waited}, and {itself}: the rules contradict each other"
    early = "; one came, but before there was anything to release" if working.until_too_early else ""
    return f"{what}; {waited}{early}{_told(working.nearest_until)}"


def _taken(working: Working) -> str:
    if working.taken_by:
        return f", for rule {working.taken_by} took what would have: the rules contradict each other"
    return _told(working.nearest)


def _told(nearest: Nearest | None) -> str:
    if nearest is None:
        return "; no other segment came from there"
    segment, differences = nearest
    return f"; the nearest was {segment} ({'; '.join(map(str, differences))})"


def nearer(before: Nearest | None, match: Match, frame: Arrived) -> Nearest | None:
    """The segment from the right side that differs least from what is waited for, to be told if none comes."""
    if match.pattern is None or frame.segment is None or frame.side is not match.side:
        return before
    differences = match.pattern.differences(frame.segment)
    if not differences:  # of another connection
        return before
    return (frame.segment, differences) if before is None or len(differences) < len(before[1]) else before
