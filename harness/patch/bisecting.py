"""Finds the commit or release that changed a scenario: what is left is halved, and the kernels between are asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field

from harness.errors import FinwaitError
from harness.kernels.supply.make import NotBuilt
from harness.tcp.verdict import JUDGED
from harness.trace.records import Result
from harness.trace.runs import LoadedRun

Ask = Callable[[str], LoadedRun]
"""Builds or fetches a kernel and runs the scenario on it."""
Candidates = Callable[[Iterable[str], str], list[str]]
"""Those of which one is the first bad one, given the good ones and the bad: first the one that halves them best."""
Apart = Callable[[LoadedRun, LoadedRun], Container[str]]
"""The scenarios in which the kernels of two runs did otherwise."""
Note = Callable[[str, str], None]
"""Takes note of what became of a kernel."""


class NothingLearnt(FinwaitError):
    """A kernel cannot be had, or got as far as no result."""


@dataclass(slots=True)
class Bisection:
    """How far a search is.

    Args:
        good: commits or releases that are as the good end.
        bad: the one that is known not to be, nearest to the change.
        runs: of those that were asked.
        skipped: why others were not.
        left: those of which one must be the first bad one.
    """

    good: list[str]
    bad: str
    runs: dict[str, LoadedRun] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """About how many kernels are still to be asked."""
        return math.ceil(math.log2(len(self.left))) if self.left else 0


class Bisector:
    """Halves the commits or releases between two ends.

    Args:
        candidates: what is between.
        ask: runs the scenario on one's kernel.
        apart: compares what kernels did.
        note: called with each that was asked, and what came of it.
        trying: called before each is asked.
    """

    def __init__(
        self, candidates: Candidates, ask: Ask, apart: Apart, note: Note, trying: Callable[[Bisection, str], None]
    ) -> None:
        self._candidates, self._ask, self._apart, self._note, self._trying = candidates, ask, apart, note, trying

    def ends(self, good: str, bad: str) -> tuple[Bisection, str]:
        """Ask both ends; what was learnt, and the scenario that tells them apart.

        Raises:
            FinwaitError: they are alike, or one of them cannot be built or judged, or has not the other before it.
        """
        found = Bisection([good], bad)
        found.left = self._candidates([good], bad)
        if not found.left or good == bad:
            raise FinwaitError("there is nothing between the ends", why="the good end comes after the bad one")
        for end in (good, bad):
            found.runs[end] = self._ask(end)
        before, after = found.runs[good], found.runs[bad]
        both = [name for name, result in before.results.items() if _judged(result) and _judged(after.results.get(name))]
        if not both:
            why = next((f"{one.outcome}: {one.message}" for one in before.results.values() if not _judged(one)), "")
            raise FinwaitError("the scenario was not judged on both ends", why=why.partition("\n")[0])
        differing = self._apart(before, after)
        apart = [name for name in both if name in differing]
        if not apart:
            one = before.results[both[0]]
            raise FinwaitError(f"the scenario ends alike on both ends: it {one.outcome}", hint="other ends")
        scenario = _plainest(apart, before, after)
        for end in (good, bad):
            self._note(end, _told(found.runs[end].results[scenario]))
        return found, scenario

    def narrow(self, found: Bisection, scenario: str) -> None:
        """Ask kernels until one is left, or none that can be asked.

        Raises:
            FinwaitError: the machine cannot build or run kernels any more.
        """
        while untried := [one for one in found.left if one != found.bad and one not in found.skipped]:
            name = untried[0]
            self._trying(found, name)
            try:
                run = self._judging(name, scenario)
            except (NotBuilt, NothingLearnt) as error:
                found.skipped[name] = error.line if isinstance(error, NotBuilt) else error.what
                self._note(name, f"skipped: {found.skipped[name]}")
                continue
            found.runs[name] = run
            good = self._is_good(found, run, scenario)
            if good:
                found.good.append(name)
            else:
                found.bad = name
            self._note(name, f"{_told(run.results[scenario])}, as the {'good' if good else 'bad'} end")
            found.left = self._candidates(found.good, found.bad)

    def _judging(self, name: str, scenario: str) -> LoadedRun:
        run = self._ask(name)
        result = run.results.get(scenario)
        if not _judged(result):
            raise NothingLearnt(result.outcome if result else "not there")
        return run

    def _is_good(self, found: Bisection, run: LoadedRun, scenario: str) -> bool:
        """By the verdict where that differs between the ends, else by whether it did the same as the good end."""
        good, bad = found.runs[found.good[0]], found.runs[found.bad]
        if good.results[scenario].outcome != bad.results[scenario].outcome:
            return run.results[scenario].outcome == good.results[scenario].outcome
        return scenario not in self._apart(good, run)


def _judged(result: Result | None) -> bool:
    return result is not None and result.outcome in JUDGED


def _told(result: Result) -> str:
    return f"{result.outcome}{f' ({result.answer})' if result.answer else ''}"


def _plainest(apart: list[str], before: LoadedRun, after: LoadedRun) -> str:
    """One whose verdict differs, where there is one."""
    return next((one for one in apart if before.results[one].outcome != after.results[one].outcome), apart[0])
