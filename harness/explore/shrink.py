"""How plain a program of the search is, and the plainer forms of its steps. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from harness.explore.attempt import FILLS, About, Act, Attempt, AttemptStep, Icmp, Pause, Put
from harness.explore.starts import opened_actively

_PLAIN = Put(0)
_ODD = ("options", "window", "seq_from", "ack_from")


def cost(attempt: Attempt) -> tuple[int, int]:
    """How long a program is, and how plain its steps are; less is better."""
    return len(attempt.steps), sum(_cost(step) for step in attempt.steps) + attempt.ip_version


def otherwise(attempt: Attempt) -> Iterator[Attempt]:
    """The program with what is no single step made plainer: over IPv4, and on a connection that takes fewer to open."""
    yield replace(attempt, ip_version=4)
    if actively := opened_actively(attempt.steps):
        yield replace(attempt, steps=actively)


def _cost(step: AttemptStep) -> int:
    match step:
        case Put():
            landmarks = (step.seq_from != _PLAIN.seq_from, step.ack_from != _PLAIN.ack_from, step.length == FILLS)
            odd = sum((*landmarks, step.window != _PLAIN.window, step.options not in ("", "full")))
            numbers = sum(abs(one).bit_length() for one in (step.seq, step.ack, step.length))
            return numbers + step.flags.bit_count() + 4 * odd + (step.options == "full")
        case Act():
            return step.size.bit_length()
        case Pause():
            return step.ms.bit_length()
        case Icmp():
            return abs(step.seq)
        case About():
            return step.connection


def simpler(step: AttemptStep) -> Iterator[AttemptStep]:
    """The step made plainer in one respect, in each that there is."""
    match step:
        case Put():
            yield from (replace(step, **{name: getattr(_PLAIN, name)}) for name in _ODD)
            yield from (replace(step, flags=step.flags & ~(1 << bit)) for bit in range(9) if step.flags >> bit & 1)
            for name in ("seq", "ack", "length"):
                yield from (replace(step, **{name: number}) for number in _nearer(getattr(step, name)))
        case Act():
            yield from (replace(step, size=size) for size in _nearer(step.size) if size)
        case Pause():
            yield from (Pause(ms) for ms in _nearer(step.ms) if ms)
        case Icmp():
            yield from (replace(step, seq=seq) for seq in _nearer(step.seq))
        case About():
            yield from (About(number) for number in range(1, step.connection))


def _nearer(number: int) -> Iterator[int]:
    if number:
        yield from dict.fromkeys((0, 1 if number > 0 else -1, int(number / 2)))
