"""A captured connection's program with fewer octets: what is sent is shorter, and all numbers fit it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from harness.capture.conversion import Inferred
from harness.program.steps import Allow, AnyStep, Call, Expect, Joined, Made, Octets, Program, Send, Value
from harness.tcp.segment import FIN, RST, SYN

_NUMBERED = SYN | FIN | RST


class Stretch(NamedTuple):
    """Octets that one side sends, between two numbers that something in the program names.

    Args:
        far: whether they are the peer's.
        begin: the first one's number.
        end: the number behind the last.
    """

    far: bool
    begin: int
    end: int


def stretches(program: Program) -> list[Stretch]:
    """All of them; none where SACK blocks name numbers as well."""
    texts = [text for step in program.steps for value in step.named.values() for text in _texts(value)]
    if any("sack " in text for text in texts):
        return []
    named: dict[bool, set[int]] = {True: set(), False: set()}
    full: list[Stretch] = []
    for step in program.steps:
        far = isinstance(step, Send)
        if not isinstance(step, Send | Expect) or not isinstance(seq := step.named.get("seq"), int):
            continue
        begin, size = seq + bool(_flags(step) & SYN), _size(step)
        named[far] |= {begin, begin + size}
        if isinstance(ack := step.named.get("ack"), int):
            named[not far].add(ack)
        if size:
            full.append(Stretch(far, begin, begin + size))
    cuts = {far: sorted(numbers) for far, numbers in named.items()}
    parts = {
        Stretch(one.far, low, high)
        for one in full
        for low, high in zip(cuts[one.far], cuts[one.far][1:], strict=False)
        if one.begin <= low and high <= one.end
    }
    return sorted(parts)


def shortened(made: Inferred, lengths: Mapping[Stretch, int]) -> Inferred:
    """With other lengths of some stretches; what sends, expects or takes nothing then is left out."""
    moving = _Moving(lengths)
    kept = [(moving.step(step), made.comments.get(at)) for at, step in enumerate(made.program.steps)]
    left = [(step, comment) for step, comment in kept if step is not None]
    program = msgspec.structs.replace(made.program, steps=tuple(step for step, _ in left))
    return made._replace(program=program, comments={at: comment for at, (_, comment) in enumerate(left) if comment})


class _Moving:
    """Gives each number of a program its new one."""

    def __init__(self, lengths: Mapping[Stretch, int]) -> None:
        self._lengths = lengths
        self._called = {True: 1, False: 1}  # the next number that a call takes, or sends

    def number(self, value: int, *, far: bool) -> int:
        """Its new value."""
        gone = 0
        for one, length in self._lengths.items():
            if one.far == far and one.begin < value:
                before = min(value, one.end) - one.begin
                gone += before - min(before, length)
        return value - gone

    def step(self, step: AnyStep) -> AnyStep | None:
        """The step with its new numbers; None where nothing is left of it."""
        if isinstance(step, Send | Expect):
            return self._segment(step)
        if isinstance(step, Allow) and isinstance(ack := step.named.get("ack"), Made):
            high = ack.fields.get("high")
            moved = self.number(high, far=True) if isinstance(high, int) else high
            return _with(step, ack=Made(ack.kind, ack.fields | {"high": moved}))
        if isinstance(step, Call) and step.name in ("send", "receive") and step.args:
            return self._call(step)
        return step

    def _segment(self, step: Send | Expect) -> AnyStep | None:
        seq, ack, size = step.named.get("seq"), step.named.get("ack"), _size(step)
        if not isinstance(seq, int):
            return step
        far = isinstance(step, Send)
        begin = seq + bool(_flags(step) & SYN)
        now = self.number(begin + size, far=far) - self.number(begin, far=far)
        if size and not now and not _flags(step) & _NUMBERED:
            return None
        moved = _with(step, seq=self.number(seq, far=far))
        if isinstance(ack, int):
            moved = _with(moved, ack=self.number(ack, far=not far))
        if not size:
            return moved
        name, value = ("data", Octets(b"." * now)) if far else ("length", now)
        if now:
            return _with(moved, **{name: value})
        return msgspec.structs.replace(moved, named={key: one for key, one in moved.named.items() if key != name})

    def _call(self, step: Call) -> AnyStep | None:
        first = step.args[0]
        far = step.name == "receive"
        size = first if isinstance(first, int) else len(first.data) if isinstance(first, Octets) else 0
        begin = self._called[far]
        self._called[far] = begin + size
        now = self.number(begin + size, far=far) - self.number(begin, far=far)
        if not now:
            return None
        if far:
            return msgspec.structs.replace(step, args=(now, *step.args[1:]))
        return msgspec.structs.replace(step, args=(Octets(b"." * now), *step.args[1:]), result=now)


def _with(step: AnyStep, **named: Value) -> AnyStep:
    return msgspec.structs.replace(step, named=step.named | named)


def _flags(step: AnyStep) -> int:
    first = step.args[0] if step.args else None
    value = first.fields.get("value") if isinstance(first, Made) else 0
    return value if isinstance(value, int) else 0


def _size(step: AnyStep) -> int:
    data, length = step.named.get("data"), step.named.get("length")
    return len(data.data) if isinstance(data, Octets) else length if isinstance(length, int) else 0


def _texts(value: Value) -> Iterable[str]:
    items: Iterator[object] = iter(value.items if isinstance(value, Joined) else (value,))
    return (one for one in items if isinstance(one, str))
