"""Drops from a captured connection's program what is not needed for the difference between endings or kernels. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from harness.capture.conversion import Inferred
from harness.capture.octets import Stretch, shortened, stretches
from harness.program.shrinking import Edit, edited, edits, together
from harness.program.steps import AnyStep, Expect, Program, names_used

_ROUNDS = 8
"""Questions about steps; after that the program is as short as it got."""

_MOST = 300
"""Programs of a question."""

_NEEDED = frozenset({"seq", "ack", "data", "length", "within", "wait"})
_ALWAYS_THERE = {"session"}

Candidate = tuple[Program, ...]
"""A program, and it with each of the endings that give other answers in the place of its own."""

Shows = Callable[[Sequence[Candidate]], Sequence[bool]]
"""Asks kernels which candidates differ as the original does."""


class _Shape(NamedTuple):
    """Steps that are left, and their places in the whole program."""

    steps: tuple[AnyStep, ...]
    places: tuple[int, ...]


_Try = tuple[_Shape, Edit[AnyStep] | None]
"""Steps to try, and the one change that makes them of the best."""


def minimized(made: Inferred, others: Sequence[Inferred], shows: Shows, proofs: int) -> Inferred:
    """The shortest and plainest program found that still differs as the whole one does.

    Args:
        made: the program that gives the answers of the capture.
        others: the same with endings that give other answers.
        shows: asks kernels.
        proofs: how often what is left has to differ once more; else it is the whole program that is returned.
    """
    short, short_others = _fewer_octets(made, others, shows)
    steads = tuple(_Stead.of(short.program, one.program) for one in short_others)
    found, candidate = _Steps(short, steads, shows).fewest()
    return found if all(shows([candidate] * proofs)) else made


def _fewer_octets(made: Inferred, others: Sequence[Inferred], shows: Shows) -> tuple[Inferred, Sequence[Inferred]]:
    found = stretches(made.program)
    single = [{one: length} for one in found for length in (0, 1) if one.end - one.begin > length]
    all_gone: list[dict[Stretch, int]] = [
        {one: length for one in found if one.end - one.begin > length and one.far in sides}
        for length in (0, 1)
        for sides in ((True, False), (True,), (False,))
    ]
    tries = list(filter(None, [*all_gone, *single]))[:_MOST]
    best: Mapping[Stretch, int] = {}
    while tries:
        shown = shows([tuple(shortened(one, lengths).program for one in (made, *others)) for lengths in tries])
        good = [lengths for lengths, does in zip(tries, shown, strict=True) if does]
        best = max([best, *good], key=_saved)
        union: dict[Stretch, int] = {}
        for lengths in good:
            union |= {one: min(length, union.get(one, length)) for one, length in lengths.items()}
        tries = [union] if union not in tries and _saved(union) > _saved(best) else []
    return shortened(made, best), [shortened(one, best) for one in others]


def _saved(lengths: Mapping[Stretch, int]) -> int:
    return sum(one.end - one.begin - length for one, length in lengths.items())


class _Stead(NamedTuple):
    """Steps that stand in another program in the place of some."""

    begin: int
    end: int
    steps: tuple[AnyStep, ...]

    @classmethod
    def of(cls, program: Program, other: Program) -> _Stead:
        """What the other has between what both begin and end with."""
        ours, theirs = program.steps, other.steps
        most = min(len(ours), len(theirs))
        begin = next((at for at in range(most) if ours[at] != theirs[at]), most)
        same = next((at for at in range(most - begin) if ours[-1 - at] != theirs[-1 - at]), most - begin)
        return cls(begin, len(ours) - same, theirs[begin : len(theirs) - same])

    def in_place(self, shape: _Shape) -> tuple[AnyStep, ...]:
        """The steps with these in the place of those."""
        pairs = list(zip(shape.places, shape.steps, strict=True))
        before = [step for place, step in pairs if place < self.begin]
        return (*before, *self.steps, *(step for place, step in pairs if place >= self.end))


@dataclass
class _Steps:
    """Leaves out steps and arguments."""

    made: Inferred
    steads: tuple[_Stead, ...]
    shows: Shows
    _tried: set[bytes] = field(default_factory=set)

    def fewest(self) -> tuple[Inferred, Candidate]:
        """The program with those that are needed, and what was asked of it."""
        steps = self.made.program.steps
        best = _Shape(steps, tuple(range(len(steps))))
        leaps: list[_Shape] = []
        for _ in range(_ROUNDS):
            single = ((self._edited(best, edit), edit) for edit in self._edits(best))
            tries = self._fresh([(one, None) for one in leaps], best) or self._fresh(single, best)
            if not tries:
                break
            shown = self.shows([self._candidate(one) for one, _ in tries])
            good = [one for one, does in zip(tries, shown, strict=True) if does]
            made = [edit for _, edit in good if edit is not None]
            leaps = [self._edited(best, edit) for edit in together(best.steps, made)] if made else []
            best = min([best, *(shape for shape, _ in good)], key=_cost)
        comments = {at: text for at, place in enumerate(best.places) if (text := self.made.comments.get(place))}
        program = replace(self.made.program, steps=best.steps)
        return self.made._replace(program=program, comments=comments), self._candidate(best)

    def _kept(self, place: int) -> bool:
        """Whether a step belongs to the ending, which is what is compared."""
        return any(one.begin <= place < one.end for one in self.steads)

    def _edits(self, shape: _Shape) -> Iterator[Edit[AnyStep]]:
        plainer = {at: plain for at, step in enumerate(shape.steps) for plain in islice(_without_all(step), 1)}
        for edit in (plainer, *edits(shape.steps, -1, _simpler)):
            yield {at: step for at, step in edit.items() if not self._kept(shape.places[at])}

    def _edited(self, shape: _Shape, edit: Edit[AnyStep]) -> _Shape:
        left = [place for at, place in enumerate(shape.places) if edit.get(at, shape.steps[at]) is not None]
        return _Shape(edited(shape.steps, edit), tuple(left))

    def _fresh(self, tries: Iterable[_Try], best: _Shape) -> list[_Try]:
        """Those that were not tried, are plainer, and use no name that nothing gives; they count as tried now."""
        fresh: list[_Try] = []
        for shape, edit in tries:
            key = msgspec.json.encode(shape.steps)
            if len(fresh) < _MOST and key not in self._tried and _cost(shape) < _cost(best) and _whole(shape.steps):
                self._tried.add(key)
                fresh.append((shape, edit))
        return fresh

    def _candidate(self, shape: _Shape) -> Candidate:
        every = (shape.steps, *(one.in_place(shape) for one in self.steads))
        return tuple(replace(self.made.program, steps=steps) for steps in every)


def _cost(shape: _Shape) -> tuple[int, int]:
    return len(shape.steps), sum(len(step.named) for step in shape.steps)


def _whole(steps: Sequence[AnyStep]) -> bool:
    given = _ALWAYS_THERE | {name for step in steps for name in step.gives}
    return names_used(tuple(steps)) <= given


def _without_all(step: AnyStep) -> Iterator[AnyStep]:
    needed = {name: value for name, value in step.named.items() if name in _NEEDED}
    if len(needed) < len(step.named) and not isinstance(step, Expect):
        yield replace(step, named=needed)


def _simpler(step: AnyStep) -> Iterator[AnyStep]:
    """Without one of its arguments; an expectation stays as it is."""
    if isinstance(step, Expect):
        return
    for name in step.named.keys() - _NEEDED:
        yield replace(step, named={key: value for key, value in step.named.items() if key != name})
