"""Shorter and plainer programs than a given one. Pure.

A kernel is asked many programs at a time: all changes are tried at once, and those that left the difference as it was
are then made together. What asks for one program after the other, as hypothesis does, would wait some hundred times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from msgspec.structs import asdict, replace

from harness.explore.attempt import Act, Attempt, AttemptStep, Icmp, Pause, Put

Edit = Mapping[int, AttemptStep | None]
"""What becomes of some steps, by their place: another step, or none."""

_MOST_PAIRED = 10
_PLAIN = Put(0)


def cost(attempt: Attempt) -> tuple[int, int]:
    """How long a program is, and how plain its steps are; less is better."""
    return len(attempt.steps), sum(_cost(step) for step in attempt.steps)


def _cost(step: AttemptStep) -> int:
    match step:
        case Put():
            odd = sum((step.from_right, step.window != _PLAIN.window, step.options not in ("", "full")))
            numbers = sum(abs(one).bit_length() for one in (step.seq, step.ack, step.length))
            return numbers + step.flags.bit_count() + 4 * odd + (step.options == "full")
        case Act():
            return step.size.bit_length()
        case Pause():
            return step.ms.bit_length()
        case Icmp():
            return abs(step.seq)


def edits(attempt: Attempt, last: int) -> Iterator[Edit]:
    """Changes to try: some steps left out, or one step made plainer in one respect.

    Args:
        attempt: the program.
        last: the step behind which nothing matters; -1 where all do.
    """
    count = len(attempt.steps) if last < 0 else last + 1
    behind = dict.fromkeys(range(count, len(attempt.steps)))
    if behind:
        yield behind
    for size in (count // 2, count // 3):
        if size > 2:
            yield from (behind | dict.fromkeys(range(at, min(count, at + size))) for at in range(0, count, size))
    if count <= _MOST_PAIRED:
        yield from (behind | dict.fromkeys(pair) for pair in combinations(range(count), 2))
    for at in range(count):
        yield {**behind, at: None}
        yield from ({**behind, at: simpler} for simpler in _simpler(attempt.steps[at]))


def edited(attempt: Attempt, edit: Edit) -> Attempt:
    """The program with a change made."""
    steps = [edit.get(at, step) for at, step in enumerate(attempt.steps)]
    return Attempt(tuple(step for step in steps if step is not None))


def together(attempt: Attempt, made: Sequence[Edit]) -> Iterator[Edit]:
    """Changes made all at once: those that leave steps out, those of one step alone, and both."""
    fewer = {at: None for edit in made for at, step in edit.items() if step is None}
    simpler: dict[int, AttemptStep | None] = {}
    for edit in made:
        for at, step in edit.items():
            if step is not None:
                so_far = simpler.get(at)
                simpler[at] = step if so_far is None else _joined(attempt.steps[at], so_far, step)
    yield from (fewer, simpler, {**simpler, **fewer})


def _joined(original: AttemptStep, one: AttemptStep, other: AttemptStep) -> AttemptStep:
    before = asdict(original)
    return replace(one, **{name: value for name, value in asdict(other).items() if value != before[name]})


def _simpler(step: AttemptStep) -> Iterator[AttemptStep]:
    match step:
        case Put():
            yield from (replace(step, options=""), replace(step, window=_PLAIN.window), replace(step, from_right=False))
            yield from (replace(step, flags=step.flags & ~(1 << bit)) for bit in range(9) if step.flags >> bit & 1)
            for name in ("seq", "ack", "length"):
                yield from (replace(step, **{name: number}) for number in _nearer(getattr(step, name)))
        case Act():
            yield from (replace(step, size=size) for size in _nearer(step.size) if size)
        case Pause():
            yield from (Pause(ms) for ms in _nearer(step.ms) if ms)
        case Icmp():
            yield from (replace(step, seq=seq) for seq in _nearer(step.seq))


def _nearer(number: int) -> Iterator[int]:
    if number:
        yield from dict.fromkeys((0, 1 if number > 0 else -1, int(number / 2)))
