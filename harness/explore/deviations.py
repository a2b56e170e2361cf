"""What a kernel does in a program that RFC 9293 does not allow, as the harness's model has it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

from harness.explore.attempt import Attempt, Noted
from harness.explore.courses import GONE
from harness.explore.differences import ALLOWED, Fork, Signature, acknowledged, kind_of, panic, state_of, told
from harness.explore.follow import Follower
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
    follower = Follower(attempt.ip_version)
    for at, step in enumerate(attempt.steps):
        before, after = follower.courses, only[at]
        allowed = follower.take(step, after)
        if follower.lost:
            return
        if follower.courses and not follower.designs:
            continue
        state = before[0].at.state if before[0].at.state in GONE or not at else state_of(only[at - 1])
        expected = acknowledged(only[:at])
        answer = told(after, expected, _GONE_IS.get(state_of(after), ""))
        signature = Signature(state, kind_of(step), (answer, _said(allowed, expected)))
        yield Fork(at, signature, tuple(noted), follower.designs[0] if follower.designs else "")
        if not follower.courses:
            return


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
