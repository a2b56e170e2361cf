"""What a kernel does in a program that RFC 9293 does not allow, as the harness's model has it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

from msgspec.structs import replace

from harness.explore.attempt import NOT_MADE, About, Act, Attempt, AttemptStep, Noted, Pause
from harness.explore.courses import GONE, Course
from harness.explore.differences import ALLOWED, Fork, Signature, acknowledged, kind_of, panic, state_of, told
from harness.explore.follow import UNKNOWN, Follower
from harness.model.connection import Answer
from harness.tcp.segment import ACK, format_flags

_GONE_IS = dict.fromkeys(GONE, "CLOSED")
"""Whether somebody listens for the next connection says nothing of this one."""


def deviations(attempt: Attempt, noted: Sequence[tuple[Noted, ...] | None]) -> Iterator[Fork]:
    """Each step that is answered as nothing allows: those that Linux means so, and the first that it does not.

    Args:
        attempt: the program.
        noted: what the one kernel noted of it; None where it killed the kernel.
    """
    (only,) = noted
    if only is None:
        yield panic(noted)
        return
    connections = _Connections(attempt.ip_version)
    for at, step in enumerate(attempt.steps):
        after = only[at]
        follower, before, allowed = connections.take(step, after)
        if follower.lost or (follower.courses and not follower.designs):
            continue
        state = before[0].at.state if before[0].at.state in GONE or not at else state_of(only[at - 1])
        expected = acknowledged(only[:at])
        answer = told(after, expected, _GONE_IS.get(state_of(after), ""))
        signature = Signature(state, kind_of(step), (answer, _said(allowed, expected)))
        yield Fork(at, signature, tuple(noted), follower.designs[0] if follower.designs else "")
        if not follower.courses:
            return


class _Connections:
    """All connections of a program, each followed by what is noted of it."""

    def __init__(self, ip_version: int) -> None:
        self._ip_version = ip_version
        self._listens = False
        self._asked: set[str] = set()
        self._followers = {1: Follower(ip_version, self._asked)}
        self._number = 1

    def take(self, step: AttemptStep, noted: Noted) -> tuple[Follower, tuple[Course, ...], list[Answer]]:
        """Go on by a step: the connection that it is about, where that may have been, and all that was allowed."""
        if isinstance(step, About):
            self._number = step.connection
            self._about(step.connection)
        if isinstance(step, Act) and step.name == "listen" and not noted.error:
            self._listens = True
            for one in self._followers.values():
                one.listens = True
        for number, one in self._followers.items():
            if number != self._number and not one.lost:
                _take_beside(one, step, _of(noted, number, state=UNKNOWN))
        accepted = int(noted.result) if isinstance(step, Act) and step.name == "accept" and not noted.error else 0
        if accepted:  # of the queue another connection was the first
            self._about(accepted).hold()
            noted = replace(noted, result=NOT_MADE)
        follower = self._followers[self._number]
        before = follower.courses
        allowed = [] if follower.lost else follower.take(step, _of(noted, self._number, noted.state))
        return follower, before, allowed

    def _about(self, number: int) -> Follower:
        made = Follower(self._ip_version, self._asked)
        made.listens = self._listens
        return self._followers.setdefault(number, made)


def _take_beside(other: Follower, step: AttemptStep, noted: Noted) -> None:
    """What a step is to a connection that it is not about: time passes; else nothing should be sent."""
    if isinstance(step, Pause):
        other.take(step, noted)
        other.designs = ()
    if noted.back and not (isinstance(step, Pause) and other.courses):
        other.lost = True


def _of(noted: Noted, number: int, state: int) -> Noted:
    return replace(noted, back=tuple(back for back in noted.back if back.connection == number), state=state)


def _said(allowed: Sequence[Answer], expected: int) -> str:
    several = dict.fromkeys(
        f"{_sent(one, expected)}, {_GONE_IS.get(one.after.state, one.after.state)} ({_clause(one)})" for one in allowed
    )
    return ALLOWED + (" or ".join(several) or "nothing")


def _sent(answer: Answer, expected: int) -> str:
    if answer.flags is None:
        return "nothing"
    more = answer.flags & ACK and answer.ack != expected
    return format_flags(answer.flags) + (" acknowledging more" if more else "")


def _clause(answer: Answer) -> str:
    """The first clause, with the step of it that counts."""
    first, *more = answer.clause.split()
    return " ".join((first, *takewhile(str.islower, more)))
