"""Makes programs of programs that are there: the same chance, the same programs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from msgspec.structs import replace

from harness.explore.attempt import Attempt, AttemptStep
from harness.explore.generate import MOST_STEPS, one_step, with_another_value
from harness.explore.themes import Theme

_MOST_CHANGES = 3
_Steps = list[AttemptStep]


def varied(chance: Random, kept: Sequence[Attempt], theme: Theme) -> Attempt:
    """A program out of one of those, with one to three changes; the latest are taken most often."""
    base = _one_of(chance, kept)
    steps = list(base.steps)
    for _ in range(chance.randint(1, _MOST_CHANGES)):
        steps = chance.choice(_CHANGES)(chance, steps, kept, theme)
    return replace(base, steps=tuple(steps[:MOST_STEPS]))


def _one_of(chance: Random, kept: Sequence[Attempt]) -> Attempt:
    return kept[max(chance.randrange(len(kept)), chance.randrange(len(kept)))]


def _put_in(chance: Random, steps: _Steps, kept: Sequence[Attempt], theme: Theme) -> _Steps:  # noqa: ARG001
    at = chance.randint(0, len(steps))
    return [*steps[:at], one_step(chance, theme), *steps[at:]]


def _left_out(chance: Random, steps: _Steps, kept: Sequence[Attempt], theme: Theme) -> _Steps:  # noqa: ARG001
    at = chance.randrange(len(steps) + 1)
    return [*steps[:at], *steps[at + 1 :]]


def _done_again(chance: Random, steps: _Steps, kept: Sequence[Attempt], theme: Theme) -> _Steps:  # noqa: ARG001
    at = chance.randrange(len(steps) + 1)
    return [*steps[: at + 1], *steps[at:]]


def _gone_on_otherwise(chance: Random, steps: _Steps, kept: Sequence[Attempt], theme: Theme) -> _Steps:  # noqa: ARG001
    other = _one_of(chance, kept).steps
    return [*steps[: chance.randint(0, len(steps))], *other[chance.randint(0, len(other)) :]]


def _with_another_value(chance: Random, steps: _Steps, kept: Sequence[Attempt], theme: Theme) -> _Steps:  # noqa: ARG001
    if not steps:
        return steps
    at = chance.randrange(len(steps))
    return [*steps[:at], with_another_value(chance, steps[at], theme), *steps[at + 1 :]]


_CHANGES: Sequence[Callable[[Random, _Steps, Sequence[Attempt], Theme], _Steps]] = (
    *(_put_in, _with_another_value, _with_another_value, _left_out),
    *(_done_again, _gone_on_otherwise),
)
