"""Where a connection may be, and what of the kernel's segments explains how it came there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec

from harness.explore.attempt import COOKIE, SIGNATURES, SIGNED, CameBack
from harness.explore.numbers import IMPOSSIBLE_OPTIONS, STAMPED_SYN
from harness.model.connection import Answer, ControlBlock
from harness.model.linux import (
    DROPPED_WITHOUT_MEMORY,
    ECHO_IN_SYN_SENT,
    ECHO_NEVER_SENT,
    ECHO_OF_A_CHALLENGE,
    NEWS,
    NUMBERED_BY_THE_WINDOW,
    OLD_ACK_WITH_AN_OLD_TIMESTAMP,
    ROUNDED,
    RST_WITH_AN_OLD_TIMESTAMP,
    SIGNED_FOR_NOBODY,
    UNPROVEN_IN_TIME_WAIT,
    designed,
    given_up,
    in_a_larger_window,
)
from harness.model.numbers import acknowledges_what_was_not_sent
from harness.model.rfc9293 import answers
from harness.tcp.segment import ACK, FIN, RST, SYN, Segment, add, distance

GONE = ("CLOSED", "LISTEN")
CONTROL = SYN | FIN | RST | ACK
_STALE = "RFC7323-5.3 R1"
_STRICTER = "RFC7323-5.2"  # of a RST, the echo MAY be looked at
_MALFORMED = "RFC9293-MUST-7"
_DEFERRED = "tcp(7) TCP_DEFER_ACCEPT"
_NOT_ASSASSINATED = "RFC1337-3 (F1)"
_UNPROVEN = "RFC2385-2.0"
_OPENED_FAST = "RFC7413-4.2.2-1"
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


@dataclass(frozen=True, slots=True)
class Sight:
    """What of a segment and of the peer a control block does not have.

    Args:
        options: of the segment, as ``Put`` names them.
        stamped: whether it has a timestamp.
        windows: that the peer has offered so far.
        little_room: whether the process has asked for a small buffer.
        field_full: whether the kernel has offered as large a window as the field holds.
        asked: calls of the process that change what is answered.
        keyed: whether the socket that it comes to shares a key with the peer.
        challenged: whether the kernel has sent an ACK before the handshake has ended.
        again: whether the ports had a connection before.
    """

    options: str
    stamped: bool
    windows: frozenset[int]
    little_room: bool
    field_full: bool = False
    asked: frozenset[str] = frozenset()
    keyed: bool = False
    challenged: bool = False
    again: bool = False

    def unproven(self, at: ControlBlock) -> bool:
        """Whether its signature is not what the socket expects, which is none without a key (RFC 2385 2.0)."""
        listeners = "md5_key" in self.asked
        requested = at.state == "LISTEN" or (at.state == "SYN-RECEIVED" and not at.actively)
        keys = (listeners,) if requested else (self.keyed, listeners) if at.state == "TIME-WAIT" else (self.keyed,)
        return any(self.options != SIGNED if key else self.options in SIGNATURES for key in keys)

    @property
    def stale(self) -> bool:
        """Whether its timestamp is an old one."""
        return self.stamped and self.options == "stale"


def answered(at: ControlBlock, segment: Segment, sight: Sight) -> Sequence[Answer]:
    """What is allowed: with an old timestamp nothing is acceptable but a RST, and nothing with a wrong signature."""
    if sight.unproven(at) and at.state != "CLOSED":
        return (Answer("dropped", _UNPROVEN, at),)
    if sight.stale and not segment.flags & RST and at.state not in (*GONE, "SYN-SENT"):
        old = Answer("acknowledged", _STALE, replace(at, owed=0), ACK, at.snd_nxt, at.rcv_nxt)
        if at.state == "SYN-RECEIVED" and acknowledges_what_was_not_sent(at, segment):
            return (old, Answer("reset", "RFC9293-3.5.2 group 2", at, RST, segment.ack))
        return (old,)
    return answers(at, segment)


def with_designs(at: ControlBlock, segment: Segment, sight: Sight) -> Iterator[Answer]:
    """What is allowed, and what Linux means to answer besides."""
    flags = segment.flags
    if sight.unproven(at) and at.state != "CLOSED":
        yield from _unproven(at, segment, sight)
        return
    several = [*answered(at, segment, sight)]
    several += _as_asked(at, segment, sight)
    several += _by_echo(at, segment, sight)
    if not sight.stale or flags & RST or not flags & (SYN | ACK) or at.state in (*GONE, "SYN-SENT"):
        several += designed(at, segment)
    elif flags & ACK and distance(segment.seq, at.rcv_nxt) > 0:
        several.append(Answer("ignored", OLD_ACK_WITH_AN_OLD_TIMESTAMP, at))
    old = sight.stale or (flags & SYN and sight.options in STAMPED_SYN)  # whose timestamp is that of the first one
    if old and flags & RST and at.state in ("TIME-WAIT", "FIN-WAIT-2", "SYN-RECEIVED"):
        several.append(Answer("ignored", RST_WITH_AN_OLD_TIMESTAMP, at))
    if sight.options == "unsent" and sight.stamped and flags & RST and at.state == "SYN-RECEIVED":
        several.append(Answer("ignored", _STRICTER, at))
    if sight.again and flags & SYN and sight.options in STAMPED_SYN and at.state == "SYN-SENT":
        several.append(Answer("ignored", _STALE, at))  # by the last timestamp of the connection before
    if not sight.stale and at.state not in (*GONE, "SYN-SENT"):
        several += in_a_larger_window(at, segment) if sight.field_full else ()
        several += in_a_larger_window(at, segment, ROUNDED) if "tcp_shrink_window_1" in sight.asked else ()
    little_room = sight.little_room or "tcp_shrink_window_1" in sight.asked
    if little_room and segment.next_seq != segment.seq and not flags & SYN:
        several += _without_data(at, segment, sight)
        ahead = distance(at.rcv_nxt, segment.seq) > 0
        refused = Answer("dropped", DROPPED_WITHOUT_MEMORY, at, ACK, at.snd_nxt, at.rcv_nxt)
        several.append(Answer("dropped", DROPPED_WITHOUT_MEMORY, at) if ahead else refused)
    several += _unanswered(at, segment, sight, several)
    yield from several
    for window in sight.windows:
        for one in several:
            end = add(one.after.snd_una, window)
            if (one.flags, one.seq) == (ACK, at.snd_nxt) and distance(end, at.snd_nxt) > 0:
                yield replace(one, seq=end, clause=NUMBERED_BY_THE_WINDOW)


def _by_echo(at: ControlBlock, segment: Segment, sight: Sight) -> Iterator[Answer]:
    """What an echo is looked at for that RFC 7323 does not ask for."""
    unsent = sight.options == "unsent"
    if unsent and sight.stamped and segment.flags & RST and at.state == "SYN-SENT":
        yield Answer("ignored", _STRICTER, at)
    if not sight.stamped or segment.flags & RST:
        return
    if at.state == "SYN-RECEIVED" and not at.actively and (unsent or sight.challenged):
        clause = ECHO_NEVER_SENT if unsent else ECHO_OF_A_CHALLENGE
        yield Answer("acknowledged", clause, at, ACK, at.snd_nxt, at.rcv_nxt)
    if at.state == "SYN-SENT" and unsent and segment.flags & ACK:
        yield Answer("reset", ECHO_IN_SYN_SENT, at, RST, segment.ack)


def _unanswered(at: ControlBlock, segment: Segment, sight: Sight, several: Sequence[Answer]) -> Iterator[Answer]:
    """What an option has dropped; where it is a signature, or none can be looked for, no RST is sent to nobody."""
    impossible = sight.options in IMPOSSIBLE_OPTIONS
    if impossible or sight.options in SIGNATURES:
        clause = _MALFORMED if impossible else SIGNED_FOR_NOBODY
        yield from (replace(one, flags=None, clause=clause) for one in several if one.flags and one.flags & RST)
    if impossible:
        yield Answer("dropped", _MALFORMED, at)
        yield from given_up(at, segment)


def _unproven(at: ControlBlock, segment: Segment, sight: Sight) -> Iterator[Answer]:
    """It is dropped, but that Linux looks at no signature where it has a mini-socket alone (tcp_v4_rcv)."""
    yield from answered(at, segment, sight)
    if at.state == "TIME-WAIT" or (at.state == "FIN-WAIT-2" and not at.reads):
        several = (*answers(at, segment), *designed(at, segment))
        yield from (replace(one, clause=UNPROVEN_IN_TIME_WAIT) for one in several)
        yield from (replace(one, flags=None, clause=UNPROVEN_IN_TIME_WAIT) for one in several if one.flags)
        yield from given_up(at, segment)


def _as_asked(at: ControlBlock, segment: Segment, sight: Sight) -> Iterator[Answer]:
    """What the process has asked for by options and sysctls."""
    if "defer_accept" in sight.asked and at.state == "SYN-RECEIVED" and not at.actively and not segment.data:
        yield Answer("dropped", _DEFERRED, at)
    if "tcp_rfc1337_1" in sight.asked and at.state == "TIME-WAIT" and segment.flags & RST:
        yield Answer("ignored", _NOT_ASSASSINATED, at)
    opens = at.state in ("LISTEN", "TIME-WAIT") and segment.flags & CONTROL == SYN
    if opens and sight.options == COOKIE and "fastopen" in sight.asked:
        for one in answers(at, segment):
            if one.flags != SYN | ACK:
                continue
            taken = replace(one.after, rcv_nxt=segment.next_seq, actively=True, early=True)
            yield replace(one, clause=_OPENED_FAST, after=taken, ack=taken.rcv_nxt)


def _without_data(at: ControlBlock, segment: Segment, sight: Sight) -> Iterator[Answer]:
    """What is dropped for want of memory has been looked at up to its data: its acknowledgment counts."""
    bare = msgspec.structs.replace(segment, data=b"", flags=segment.flags & ~FIN)
    for one in answered(at, bare, sight):
        if one.flags is None and one.after != at and one.after.state not in GONE:
            yield Answer("dropped", DROPPED_WITHOUT_MEMORY, one.after, ACK, one.after.snd_nxt, one.after.rcv_nxt)


def through(courses: Iterable[Course], segment: Segment, back: Sequence[CameBack], sight: Sight) -> Iterator[Course]:
    """Go on by a segment.

    Args:
        courses: until then.
        segment: of the peer's.
        back: what the kernel has sent in the step, which may have several such segments.
        sight: what else counts.
    """
    control = [one for one in back if not is_own(one)]
    own = [one for one in back if is_own(one)]
    behind = add(own[-1].seq, own[-1].length + bool(own[-1].flags & FIN)) if own else None
    for at, explained, designs in courses:
        for one in with_designs(at, segment, sight):
            by = (*designs, one.clause) if one.clause.startswith(_OF_A_BASELINE) or one.clause in NEWS else designs
            if one.flags is None:
                yield Course(one.after, explained, by)
                continue
            now = control[explained : explained + 1]
            if matches(one, now) or (behind and one.flags == ACK and matches(replace(one, seq=behind), now)):
                yield Course(one.after, explained + 1, by)
            if one.flags == ACK and any(other.ack == one.ack for other in own):
                yield Course(one.after, explained, by)  # data take it along


def fewer(courses: Iterable[Course]) -> list[Course]:
    """One for each place where the connection may be, by the fewest designs.

    Of very many, those that differ in more than in what they have kept: of a burst all is kept, or nothing, or one.
    """
    by_place: dict[tuple[ControlBlock, int], Course] = {}
    for one in courses:
        known = by_place.setdefault((one.at, one.explained), one)
        if len(one.designs) < len(known.designs):
            by_place[one.at, one.explained] = one
    several = sorted(by_place.values(), key=_plainness)
    if len(several) <= _MOST_COURSES:
        return several
    by_kept: dict[tuple[ControlBlock, int], dict[int, Course]] = {}
    for one in several:
        by_kept.setdefault((replace(one.at, kept=()), one.explained), {})[len(one.at.kept)] = one
    found = {one[size] for one in by_kept.values() for size in (*sorted(one)[:2], max(one))}
    return sorted(found, key=lambda course: len(course.designs))


def _plainness(course: Course) -> tuple[int, int, int]:
    """The last of those alike has kept the first segments of a burst: then memory is full."""
    kept = course.at.kept
    return len(course.designs), len(kept), -sum(distance(course.at.rcv_nxt, one.seq) for one in kept)


def is_half_around(courses: Iterable[Course], seq: int) -> bool:
    """Whether a number is as far ahead of RCV.NXT as behind it, which no RFC speaks of."""
    return any(abs(distance(one.at.rcv_nxt, seq)) == 1 << 31 for one in courses)


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
        return at.snd_una == at.iss and (back.seq, back.ack) == (at.iss, at.rcv_nxt)
    return bool(flags & RST) or (flags == ACK and back.ack == at.rcv_nxt)


def right_after(right: int, back: CameBack, shift: int) -> int:
    """The right edge of the window, once the kernel has sent that: no segment takes back what another offered.

    Args:
        right: until then; 0 for none.
        back: what it has sent.
        shift: of its windows, but for that of a SYN.
    """
    if not back.flags & ACK or back.flags & RST:
        return right
    offered = add(back.ack, back.window << (0 if back.flags & SYN else shift))
    return offered if not right or distance(right, offered) > 0 else right
