"""Where a connection may be, and what of the kernel's segments explains how it came there. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from harness.explore.attempt import CameBack
from harness.model.connection import Answer, ControlBlock
from harness.model.linux import designed
from harness.model.rfc9293 import answers
from harness.tcp.segment import ACK, FIN, RST, SYN, Segment, distance

GONE = ("CLOSED", "LISTEN")
CONTROL = SYN | FIN | RST | ACK
_STALE = "RFC7323-5.3 R1"
_OLD_ACK = "scenarios/options/test_timestamps.py::test_old_ack_with_a_stale_timestamp_is_answered[IPv4]"
_OF_A_BASELINE = "scenarios/"
_MOST_COURSES = 16


class Course(NamedTuple):
    """Where a connection may be, and how it came there.

    Args:
        at: the connection.
        explained: how many of the kernel's segments are answers on the way.
        designs: clauses of ``harness.model.linux`` on the way.
    """

    at: ControlBlock
    explained: int = 0
    designs: tuple[str, ...] = ()


def answered(at: ControlBlock, segment: Segment, *, stale: bool) -> Sequence[Answer]:
    """With an old timestamp nothing is acceptable but a RST."""
    if stale and not segment.flags & RST and at.state not in (*GONE, "SYN-SENT"):
        return (Answer("acknowledged", _STALE, replace(at, owed=0), ACK, at.snd_nxt, at.rcv_nxt),)
    return answers(at, segment)


def with_designs(at: ControlBlock, segment: Segment, *, stale: bool) -> Iterator[Answer]:
    """What is allowed, and what Linux means to answer besides."""
    yield from answered(at, segment, stale=stale)
    if not stale or not segment.flags & (SYN | ACK) or at.state in (*GONE, "SYN-SENT"):
        yield from designed(at, segment)
    elif segment.flags & ACK and distance(segment.seq, at.rcv_nxt) > 0:
        yield Answer("ignored", _OLD_ACK, at)


Given = Callable[..., Iterable[Answer]]


def through(
    courses: Iterable[Course], segment: Segment, back: Sequence[CameBack], given: Given, *, stale: bool
) -> Iterator[Course]:
    """Go on by a segment.

    Args:
        courses: until then.
        segment: of the peer's.
        back: what the kernel has sent in the step, which may have several such segments.
        given: ``answered`` or ``with_designs``.
        stale: whether its timestamp is an old one.
    """
    control = [one for one in back if not is_own(one)]
    for at, explained, designs in courses:
        for one in given(at, segment, stale=stale):
            by = (*designs, one.clause) if one.clause.startswith(_OF_A_BASELINE) else designs
            if one.flags is None:
                yield Course(one.after, explained, by)
                continue
            if matches(one, control[explained : explained + 1]):
                yield Course(one.after, explained + 1, by)
            if one.flags == ACK and any(is_own(other) and other.ack == one.ack for other in back):
                yield Course(one.after, explained, by)  # data take it along


def fewer(courses: Iterable[Course]) -> list[Course]:
    """Of very many, those that differ in more than in what they have kept: of a burst all is kept, or nothing."""
    several = sorted(courses, key=lambda course: (len(course.designs), len(course.at.kept)))
    if len(several) <= _MOST_COURSES:
        return several
    ends = ({(replace(one.at, kept=()), one.explained): one for one in way} for way in (several, several[::-1]))
    return list(dict.fromkeys(one for end in ends for one in end.values()))


def matches(answer: Answer, back: Sequence[CameBack]) -> bool:
    """Whether one of the kernel's segments is that answer."""
    return any((one.flags & CONTROL, one.seq, one.ack) == (answer.flags, answer.seq, answer.ack or 0) for one in back)


def is_own(back: CameBack) -> bool:
    """Whether it carries something of the process's stream, or its end."""
    return bool(back.length or back.flags & FIN)


def is_ack(back: CameBack) -> bool:
    """Whether it is an acknowledgment without data."""
    return back.flags & CONTROL == ACK and not back.length


def by_timer(at: ControlBlock, back: CameBack) -> bool:
    """Whether a timer may have had it sent: again, as a probe, or as it gives up."""
    flags = back.flags & CONTROL
    if at.state == "SYN-SENT":
        return (flags, back.seq) == (SYN, at.iss)
    if flags & SYN:
        return at.state == "SYN-RECEIVED" and (back.seq, back.ack) == (at.iss, at.rcv_nxt)
    return bool(flags & RST) or (flags == ACK and back.ack == at.rcv_nxt)
