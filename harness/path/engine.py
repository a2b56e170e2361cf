"""Applies a path's rules: is fed what arrives, with its time, and says what to forward when. Pure.

Each segment goes to the first rule, in the order in which they were stated, that is about it and has not done its work
yet. What no rule wants is forwarded.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from typing import NamedTuple

from harness.path.rules import AnyRule, Corrupt, Delay, Drop, Duplicate, Hold, Limit, Lose, Reorder
from harness.path.working import Arrived, Working, complaints, nearer

NS = 1_000_000_000


class Step(NamedTuple):
    """What becomes of a frame, by its number.

    Args:
        number: of the frame.
        fate: one word: forwarded, held, released, dropped, duplicated, corrupted, delayed, reordered, limited, lost.
        goes: whether it is to be forwarded now.
        rule: number of the rule behind it, from 1; 0 for none.
    """

    number: int
    fate: str
    goes: bool
    rule: int = 0


class Engine:
    """The rules of one path."""

    def __init__(self, rules: Sequence[AnyRule] = ()) -> None:
        self._rules: list[Working] = []
        self._due: list[tuple[int, int, int, Arrived]] = []  # time, order, rule, frame
        self._order = 0
        for number, rule in enumerate(rules, 1):
            self.set(number, rule)

    def set(self, number: int, rule: AnyRule) -> None:
        """State a rule, or state it anew while it has done nothing yet; numbers grow from 1."""
        seed = getattr(rule, "seed", 0)
        for working in self._rules:
            if working.number == number:
                working.rule = rule
                return
        self._rules.append(Working(number, rule, random.Random(seed)))

    @property
    def idle(self) -> bool:
        """Whether no rule can have any more effect, so that nothing needs to be looked into."""
        return not self._rules or all(
            working.spent and not (working.held or working.waiting) for working in self._rules
        )

    @property
    def next_due(self) -> int | None:
        """When ``due`` has something to forward next, in ns; None for never."""
        return self._due[0][0] if self._due else None

    # -- what arrives, and what is due

    def feed(self, frame: Arrived) -> list[Step]:
        """What becomes of a frame that arrived, and of others by it, in the order in which they are to be forwarded."""
        steps: list[Step] = []
        working = self._first(frame)
        steps += self._apply(working, frame) if working else [Step(frame.number, "forwarded", True)]
        steps += self._triggered(frame, arrived=True)
        if steps[0].goes:
            steps += self._passed(frame)
        return steps

    def due(self, now: int) -> list[Step]:
        """What is to be forwarded because its time has come."""
        steps: list[Step] = []
        while self._due and self._due[0][0] <= now:
            _, _, number, frame = heapq.heappop(self._due)
            working = self._by_number(number)
            if isinstance(working.rule, Reorder):
                if not any(other is frame for _, other in working.aside):
                    continue  # enough have passed it already
                working.aside = [pair for pair in working.aside if pair[1] is not frame]
            working.waiting -= 1
            steps.append(Step(frame.number, "released", True, number))
            steps += self._passed(frame)
        return steps

    def release(self, number: int) -> list[Step]:
        """Forward what a rule holds; what it would hold from now on passes."""
        working = self._by_number(number)
        working.open = True
        held, working.held = working.held, []
        steps: list[Step] = []
        for frame in held:
            steps.append(Step(frame.number, "released", True, number))
            steps += self._passed(frame)
        return steps

    def _by_number(self, number: int) -> Working:
        return next(working for working in self._rules if working.number == number)

    def _first(self, frame: Arrived) -> Working | None:
        """The rule that takes a frame; those before and behind it note what they saw."""
        taken: Working | None = None
        for working in self._rules:
            match = working.rule.match
            if working.spent:
                continue
            if match.fits(frame.side, frame.connection, frame.segment):
                if taken is None:
                    taken = working
                else:
                    working.taken_by = taken.number
            elif working.matched == 0:
                working.nearest = nearer(working.nearest, match, frame)
        return taken

    def _apply(self, working: Working, frame: Arrived) -> list[Step]:
        working.matched += 1
        rule = working.rule
        if isinstance(rule, Reorder):
            return self._reorder(working, rule, frame)
        if isinstance(rule, Limit):
            return self._limit(working, rule, frame)
        fate, copies = "forwarded", 1
        match rule:
            case Hold() if not working.open and not working.arrived:
                working.held.append(frame)
                fate, copies = "held", 0
            case Delay():
                self._later(working, frame, frame.at + rule.ns)
                fate, copies = "delayed", 0
            case Drop():
                fate, copies = "dropped", 0
            case Duplicate():
                fate, copies = "duplicated", 2
            case Corrupt():
                fate = "corrupted"
            case Lose() if working.random.random() < rule.chance:
                fate, copies = "lost", 0
        return [Step(frame.number, fate, copies > 0, working.number)] * max(1, copies)

    def _later(self, working: Working, frame: Arrived, at: int) -> None:
        self._order += 1
        working.waiting += 1
        heapq.heappush(self._due, (at, self._order, working.number, frame))

    def _reorder(self, working: Working, rule: Reorder, frame: Arrived) -> list[Step]:
        # one number each for every frame, so that a frame's fate hangs on the seed and on its place alone
        chance, depth = working.random.random(), working.random.randint(1, max(1, rule.depth))
        if chance >= rule.chance:
            return [Step(frame.number, "forwarded", True, working.number)]
        working.aside.append((depth, frame))
        self._later(working, frame, frame.at + rule.ns)
        return [Step(frame.number, "reordered", False, working.number)]

    def _limit(self, working: Working, rule: Limit, frame: Arrived) -> list[Step]:
        while working.queued and working.queued[0][0] <= frame.at:
            working.queued.popleft()
        if sum(size for _, size in working.queued) + frame.size > rule.queue:
            return [Step(frame.number, "dropped", False, working.number)]
        working.free_at = max(working.free_at, frame.at) + frame.size * NS // rule.bytes_per_second
        working.queued.append((working.free_at, frame.size))
        self._later(working, frame, working.free_at)
        return [Step(frame.number, "limited", False, working.number)]

    # -- what a passing frame sets free

    def _passed(self, frame: Arrived) -> list[Step]:
        return [*self._overtaken(frame), *self._triggered(frame, arrived=False)]

    def _overtaken(self, frame: Arrived) -> list[Step]:
        """What was put aside at random and has let enough others pass."""
        steps: list[Step] = []
        for working in self._rules:
            if not working.aside or not working.rule.match.fits(frame.side, frame.connection, frame.segment):
                continue
            working.aside = [(left - (other is not frame), other) for left, other in working.aside]
            ready = [other for left, other in working.aside if left <= 0]
            working.aside = [pair for pair in working.aside if pair[0] > 0]
            for other in ready:
                working.waiting -= 1
                self._due = [entry for entry in self._due if entry[3] is not other]
                heapq.heapify(self._due)
                steps.append(Step(other.number, "released", True, working.number))
        return steps

    def _triggered(self, frame: Arrived, *, arrived: bool) -> list[Step]:
        """What was held until such a frame has passed, or arrived."""
        steps: list[Step] = []
        for working in self._rules:
            rule = working.rule
            if not isinstance(rule, Hold) or rule.until is None or rule.arrived is not arrived:
                continue
            if not rule.until.fits(frame.side, frame.connection, frame.segment):
                working.nearest_until = nearer(working.nearest_until, rule.until, frame)
                continue
            working.arrived |= arrived
            others = [held for held in working.held if held is not frame]
            working.until_too_early |= not others and not working.held
            working.held = [held for held in working.held if held is frame]
            for held in others:
                steps.append(Step(held.number, "released", True, working.number))
                steps += self._passed(held)
        return steps

    def complaints(self) -> list[str]:
        """What is wrong with the rules, now that nothing more will come: each with what it was waiting for."""
        return complaints(self._rules)
