"""Where two kernels' observations of one program part, and what kind of difference that is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import groupby
from typing import NamedTuple

from harness.explore.attempt import (
    COOKIE,
    COOKIE_ASKED,
    COOKIE_FORGED,
    DROPS,
    FILLS,
    RCV_NXT,
    SIGNED,
    SND_NXT,
    WRONGLY_SIGNED,
    About,
    Act,
    Attempt,
    AttemptStep,
    CameBack,
    Icmp,
    Noted,
    Pause,
    Put,
)
from harness.probes.states import state_name
from harness.tcp.segment import ACK, FIN, RST, SYN, format_flags

ALLOWED = "allowed: "
"""How the second answer begins where one kernel is held against RFC 9293."""
_PANIC = "panic"
_OTHER, _AND = ", other ", " and "
_ODD = {
    "stale": "old timestamp",
    "equal": "timestamp as before",
    "future": "later timestamp",
    "unsent": "echo of what was never sent",
    "malformed": "malformed option",
    "overlong": "overlong option",
    "unknown": "unknown option",
    COOKIE_ASKED: "cookie asked for",
    COOKIE: "cookie",
    COOKIE_FORGED: "forged cookie",
    SIGNED: "signed",
    WRONGLY_SIGNED: "wrongly signed",
    "sack": "D-SACK",
    "sack ahead": "SACK",
}
_CONTROL = SYN | FIN | RST | ACK


class Signature(NamedTuple):
    """What two differences have in common that are taken for one.

    Args:
        state: of the socket before the step.
        step: what kind of step it was.
        answers: what kind of answer each kernel gave.
    """

    state: str
    step: str
    answers: tuple[str, ...]

    @property
    def other(self) -> tuple[str, ...]:
        """The names of what differs, where the answers are told alike."""
        names = self.answers[0].partition(_OTHER)[2]
        return tuple(names.split(_AND)) if names else ()

    def admits(self, other: Signature) -> bool:
        """Whether a plainer program with the other signature shows the same: its last step may be plainer too."""
        return (self.state, self.answers) == (other.state, other.answers)


class Fork(NamedTuple):
    """Where kernels part.

    Args:
        at: the first step, from 0 on, that they answered differently; -1 where the program killed one.
        signature: what kind of difference it is.
        noted: what each kernel noted; None for one that died.
        design: the entry of the baseline that explains it, where Linux means it so; else empty.
    """

    at: int
    signature: Signature
    noted: tuple[tuple[Noted, ...] | None, ...]
    design: str = ""


def first_fork(attempt: Attempt, noted: Sequence[tuple[Noted, ...] | None]) -> Fork | None:
    """Where the observations of several kernels part; None where they do not.

    Args:
        attempt: the program.
        noted: what each kernel noted of it; None where it killed the kernel.
    """
    alive = [one for one in noted if one is not None]
    if len(alive) < len(noted):
        return panic(noted)
    for at, step in enumerate(attempt.steps):
        seen = [one[at] for one in alive]
        if any(other.sent != seen[0].sent for other in seen[1:]):
            return None  # placed by what is out of sight, as a window's size: from here on they were asked two things
        if parted := differing(seen):
            before = state_of(alive[0][at - 1]) if at else "CLOSED"
            expected = acknowledged(alive[0][:at])
            answers = tuple(told(one, expected) for one in seen)
            if len(set(answers)) == 1:
                answers = tuple(f"{one}{_OTHER}{_AND.join(parted)}" for one in answers)
            return Fork(at, Signature(before, kind_of(step), answers), tuple(noted))
    return None


def panic(noted: Sequence[tuple[Noted, ...] | None]) -> Fork:
    """The difference that a program makes which has killed a kernel."""
    answers = tuple(_PANIC if one is None else "" for one in noted)
    return Fork(-1, Signature("", "", answers), tuple(noted))


def kind_of(step: AttemptStep) -> str:
    """A step without its numbers."""
    match step:
        case Put():
            data = " with data up to the right edge" if step.length == FILLS else " with data"
            sent = format_flags(step.flags & _CONTROL) + (data if step.length else "")
            ack = _place(step.ack, step.ack_from) if step.flags & ACK else ""
            seq = _place(step.seq, step.seq_from)
            odd = _ODD.get(step.options, "")
            return ", ".join(filter(None, (sent, seq and f"seq {seq}", ack and f"ack {ack}", odd)))
        case Act():
            return step.name
        case Pause():
            return "pause"
        case Icmp():
            return step.name
        case About():
            return f"connection {step.connection}"


def _place(number: int, landmark: str) -> str:
    """Where a number is; nothing where it is as expected."""
    if not number:
        return "" if landmark in (RCV_NXT, SND_NXT) else f"at {landmark}"
    return f"{'beyond' if number > 0 else 'before'} {landmark}"


def differing(seen: Sequence[Noted]) -> tuple[str, ...]:
    """What differs in kernels' answers to one step, by name; what one does not tell does not."""
    first, *others = seen
    if all(other == first for other in others):
        return ()
    names = list(_fields_apart((first, other) for other in others))
    if len({one.drops for one in seen if one.drops is not None}) > 1:
        names.insert(0, DROPS)
    if "back" in names:
        several = len({len(one.back) for one in seen}) > 1
        pairs = [pair for other in others for pair in zip(first.back, other.back, strict=False)]
        names[names.index("back") :] = ["number of segments"] if several else _fields_apart(pairs)
    info = set.intersection(*(set(one.info) for one in seen))
    grown = set().union(*(one.grown for one in seen))
    return (*names, *_unequal([one.info for one in seen], info), *_unequal([one.grown for one in seen], grown))


def _fields_apart(pairs: Iterable[tuple[Noted, Noted] | tuple[CameBack, CameBack]]) -> list[str]:
    """The fields in which some pair differs; those that are mappings are looked into elsewhere."""
    apart = {
        name: None
        for one, other in pairs
        for name in one.__struct_fields__
        if name not in ("info", "grown", "drops") and getattr(one, name) != getattr(other, name)
    }
    return list(apart)


def _unequal(several: Sequence[Mapping[str, int | str]], names: Set[str]) -> list[str]:
    return sorted(name for name in names if len({one.get(name, 0) for one in several}) > 1)


def acknowledged(noted: Sequence[Noted]) -> int:
    """What the kernel has acknowledged last; 0 for nothing."""
    return next((back.ack for one in reversed(noted) for back in reversed(one.back) if back.flags & ACK), 0)


def told(noted: Noted, before: int, state: str = "") -> str:
    """A kernel's answer without its numbers: segments, each with whether it acknowledges more, the call, the state.

    Args:
        noted: the answer.
        before: what had been acknowledged before.
        state: what is said of the state, where that is not the kernel's word for it.
    """
    each = [
        (f"#{back.connection} " if back.connection > 1 else "")
        + format_flags(back.flags)
        + (" with data" if back.length else "")
        + (" acknowledging more" if back.flags & ACK and back.ack != before else "")
        for back in noted.back
    ]
    runs = [(what, len(list(alike))) for what, alike in groupby(each)]
    sent = [what if count == 1 else f"several {what}" for what, count in runs]
    return f"{', '.join(filter(None, (*sent, noted.result))) or 'nothing'}, {state or state_of(noted)}"


def state_of(noted: Noted) -> str:
    """The RFC's name of the state that the socket has; CLOSED where there is none."""
    return state_name(noted.state) if noted.state else "CLOSED"
