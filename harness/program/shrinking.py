"""Fewer and plainer steps than given ones, whatever they are records of. Pure.

A kernel is asked many programs at a time: all changes are tried at once, and those that left the difference as it was
are then made together. What asks for one program after the other, as hypothesis does, would wait some hundred times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, TypeVar

import msgspec
from msgspec.structs import asdict, replace

S = TypeVar("S", bound=msgspec.Struct)

Edit = Mapping[int, S | None]
"""What becomes of some steps, by their place: another step, or none."""

_MOST_PAIRED = 10
_MANY = 60
"""Steps of which larger pieces are left out before each is tried."""


def edits(steps: Sequence[S], last: int, simpler: Callable[[S], Iterable[S]]) -> Iterator[Edit[S]]:
    """Changes to try: some steps left out, or one step made plainer in one respect.

    Args:
        steps: of the program.
        last: the step behind which nothing matters; -1 where all do.
        simpler: gives the plainer forms of a step.
    """
    count = len(steps) if last < 0 else last + 1
    behind: dict[int, S | None] = dict.fromkeys(range(count, len(steps)))
    if behind:
        yield behind
    for size in (count // 2, count // 3, *((count // 8, count // 32) if count > _MANY else ())):
        if size > 2:
            yield from (behind | dict.fromkeys(range(at, min(count, at + size))) for at in range(0, count, size))
    if count <= _MOST_PAIRED:
        yield from (behind | dict.fromkeys(pair) for pair in combinations(range(count), 2))
    for at in range(count):
        yield {**behind, at: None}
        yield from ({**behind, at: one} for one in simpler(steps[at]))


def edited(steps: Sequence[S], edit: Edit[S]) -> tuple[S, ...]:
    """The steps with a change made."""
    changed = (edit.get(at, step) for at, step in enumerate(steps))
    return tuple(step for step in changed if step is not None)


def together(steps: Sequence[S], made: Sequence[Edit[S]]) -> Iterator[Edit[S]]:
    """Changes made all at once: those that leave steps out, those of one step alone, and both."""
    fewer: dict[int, S | None] = {at: None for edit in made for at, step in edit.items() if step is None}
    simpler: dict[int, S | None] = {}
    for edit in made:
        for at, step in edit.items():
            if step is not None:
                so_far = simpler.get(at)
                simpler[at] = step if so_far is None else _joined(steps[at], so_far, step)
    yield from (fewer, simpler, {**simpler, **fewer})


def _joined(original: S, one: S, other: S) -> S:
    before, sofar = asdict(original), asdict(one)
    changed = {name: value for name, value in asdict(other).items() if value != before[name]}
    return replace(one, **{name: _both(before[name], sofar[name], value) for name, value in changed.items()})


def _both(before: Any, one: Any, other: Any) -> Any:  # noqa: ANN401  (a field's value, of any kind)
    """Both changes of a field; of arguments by name each of them may have changed another."""
    if not isinstance(before, dict):
        return other
    kept = {name: value for name, value in one.items() if name in other}
    return kept | {name: value for name, value in other.items() if name in kept and value != before.get(name)}
