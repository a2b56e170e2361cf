"""Follows a program by RFC 9293: where the connection may stand after each step, by what its peer has seen. Pure.

A segment is answered as ``harness.model`` allows. What the process has written may be sent, or sent again, at any time;
in a pause timers may do what they do. Of all that is allowed goes on what the kernel has done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from harness.explore.attempt import Act, AttemptStep, Noted, Pause, Put
from harness.explore.courses import (
    CONTROL,
    GONE,
    Course,
    Given,
    answered,
    by_timer,
    fewer,
    is_ack,
    is_own,
    matches,
    through,
    with_designs,
)
from harness.explore.differences import state_of
from harness.explore.numbers import burst, put_segment
from harness.model.calls import aborted, closed
from harness.model.connection import Answer, ControlBlock
from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, FIN, RST, SYN, Segment, add, distance

_BEFORE_THE_OWN_FIN = ("ESTABLISHED", "CLOSE-WAIT", "SYN-RECEIVED")
_WHILE_THE_FIN_WAITS = {
    "SYN-RECEIVED": ("FIN-WAIT-1", "SYN-RECEIVED"),
    "ESTABLISHED": ("FIN-WAIT-1",),
    "CLOSE-WAIT": ("CLOSING", "LAST-ACK"),
}
"""Where a kernel says that a connection is whose FIN waits behind data; the RFC's state is the one without it."""
_FULL_SCALE = 7
"""Of the peer's window, where its SYN had all options."""
_ABORT_IN_TIME_WAIT = (
    "scenarios/states/test_aborts_in_states.py::test_abort_in_time_wait_forgets_the_connection[TIME-WAIT-owned-close]"
)


@dataclass(slots=True)
class Follower:
    """One connection, step by step.

    ``possible`` is all that it may be, none once the kernel has done what nothing allows; ``lost`` says that it can
    be followed no further, since one socket of several is meant. ``designs`` are the clauses of
    ``harness.model.linux`` that the last step took.
    """

    possible: tuple[ControlBlock, ...] = (ControlBlock("CLOSED"),)
    lost: bool = False
    designs: tuple[str, ...] = ()
    _held: bool = False
    _listens: bool = False
    _active: bool = False
    _incarnations: int = 0
    _lingers: bool = False
    _ending: bool = False  # the process has closed its side: a FIN follows what it has written
    _written: int = 1
    _read: int = 0
    _offered: bool = False  # all options, by the peer's SYN
    _stamps: bool = False
    _scale: int = 0
    _right: int = 0
    _peers_window: int = 65535
    _largest: int = 0

    def take(self, step: AttemptStep, noted: Noted) -> list[Answer]:
        """Go on by a step: all that was allowed, after which ``possible`` is what the kernel has chosen of it."""
        if any(back.flags & CONTROL == SYN | ACK for back in noted.back) and self._may_begin():
            self._begin()
        match step:
            case Put():
                allowed, courses = self._put(step, noted, answered)
                fit = self._fit(courses, noted)
                if not fit:
                    fit = self._fit(self._put(step, noted, with_designs)[1], noted)
            case Act():
                allowed, courses = self._act(step, noted)
                fit = self._fit(courses, noted)
            case Pause():
                allowed, fit = [], self._fit(self._pause(noted), noted)
        plainest = min((len(one.designs) for one in fit), default=0)
        self.possible = tuple(dict.fromkeys(one.at for one in fit if len(one.designs) == plainest))
        self.designs = next((one.designs for one in fit if len(one.designs) == plainest), ())
        self._look(noted)
        return allowed

    def _fit(self, courses: Iterable[Course], noted: Noted) -> list[Course]:
        """The courses on which the kernel does what it did."""
        control = sum(not is_own(back) for back in noted.back)
        sent = [
            one._replace(at=at) for one in courses if one.explained == control and (at := self._sent(one.at, noted))
        ]
        return [one for one in sent if self._is_seen(one.at, noted)]

    # -- steps

    def _put(self, put: Put, noted: Noted, given: Given) -> tuple[list[Answer], list[Course]]:
        whole = put_segment(put, noted.sent)
        if put.flags & SYN:
            self._offered = self._offered or put.options == "full"
        stale = put.options == "stale" and len(noted.sent) > 2
        scale = _FULL_SCALE if self._scale and not put.flags & SYN else 0
        self._peers_window = put.window << scale
        self._largest = max(self._largest, self._peers_window)
        courses = [Course(at) for at in self.possible]
        allowed: list[Answer] = []
        for segment in burst(whole):
            courses = [one._replace(at=self._seen_by_peer(one.at)) for one in courses]
            allowed = [one for course in courses for one in answered(course.at, segment, stale=stale)]
            courses = fewer(dict.fromkeys(through(courses, segment, noted.back, given, stale=stale)))
        return allowed, courses

    def _act(self, act: Act, noted: Noted) -> tuple[list[Answer], list[Course]]:
        stay = [Course(at) for at in self.possible]
        acks = sum(map(is_ack, noted.back))  # that the window is open again
        succeeded = not noted.result.isalpha() and noted.result != "-"
        match act.name:
            case "listen":
                self._listens = self._listens or succeeded
            case "accept":
                self.lost = self._incarnations > 1
                self._held = self._held or (succeeded and not self._active)
            case "connect":
                return [], self._connect(noted)
            case "send" if succeeded and self._held:
                self._written = add(self._written, int(noted.result))
            case "recv" if succeeded and self._held:
                self._read += int(noted.result)
                return [], [Course(at, acks) for at in self.possible]
            case "linger_0":
                self._lingers = self._held
            case "shutdown_rd" if (
                self._held
            ):  # no RFC has it: data may still be taken, or be as unwanted as after CLOSE
                unread = [replace(at, reads=False) for at in self.possible]
                ended = [replace(at, state="CLOSED") for at in self.possible if at.state == "SYN-SENT"]
                return [], [Course(at, acks) for at in (*self.possible, *unread, *ended)]
            case "close" | "shutdown_wr" | "shutdown_rdwr" | "abort" if self._held:
                return self._end(act.name, noted)
        return [], stay

    def _connect(self, noted: Noted) -> list[Course]:
        if not any(back.flags & CONTROL == SYN for back in noted.back):
            return [Course(at) for at in self.possible]
        self._begin()
        self._held = self._active = True
        return [Course(ControlBlock("SYN-SENT", 0, 1, actively=True, max_snd_wnd=0), 1)]

    def _end(self, name: str, noted: Noted) -> tuple[list[Answer], list[Course]]:
        """CLOSE, or ABORT, or what comes next to them in a socket's interface."""
        possible = self.possible
        if name in ("close", "shutdown_rdwr"):
            possible = tuple(replace(at, reads=False) for at in possible)
        self._held = self._held and name not in ("close", "abort")
        allowed: list[Answer] = []
        courses: list[Course] = []
        for at in possible:
            for one in self._ended(name, at):
                allowed.append(one)
                if one.flags is None or not one.flags & RST:
                    # behind what the window holds back the FIN waits; what is sent of it, is taken from the wire
                    courses.append(Course(one.after if one.flags is None else at))
                elif matches(one, noted.back[-1:]):
                    courses.append(Course(one.after, 1))
            if at.state == "TIME-WAIT":
                courses.append(Course(at, 0, (_ABORT_IN_TIME_WAIT,)))
        self._ending = self._ending or any(one.flags is not None and one.flags & FIN for one in allowed)
        return allowed, courses

    def _ended(self, name: str, at: ControlBlock) -> Iterator[Answer]:
        if name == "abort" or (name == "close" and self._lingers):
            yield from aborted(at)
            return
        unread = name == "close" and distance(self._read + 1, at.rcv_nxt) > 0
        for one in closed(at, unread=unread):
            yield Answer("silent", one.clause, at) if self._ending and one.name == "closed" else one

    def _pause(self, noted: Noted) -> list[Course]:
        """Timers send again what was sent, probe, and give up."""
        control = [back for back in noted.back if not is_own(back)]
        courses = []
        for at in self.possible:
            explained = sum(by_timer(at, back) for back in control)
            courses += [Course(at, explained), Course(replace(at, state="CLOSED"), explained)]
        return courses

    # -- what the wire shows

    def _seen_by_peer(self, at: ControlBlock) -> ControlBlock:
        """With the window as it was offered."""
        if at.state in GONE:
            state = "LISTEN" if self._listens and not self._active else "CLOSED"
            at = ControlBlock(state, snd_una=at.snd_una, snd_nxt=at.snd_nxt, rcv_nxt=at.rcv_nxt)
        window = max(0, distance(at.rcv_nxt, self._right))
        return replace(at, rcv_wnd=window, max_snd_wnd=self._largest, quickack=True)

    def _sent(self, at: ControlBlock, noted: Noted) -> ControlBlock | None:
        """With what was sent of the stream; None where that is not the stream, or acknowledges something else."""
        own = [back for back in noted.back if is_own(back)]
        for back in own:
            end = add(back.seq, back.length)
            last = self._written
            if distance(end, last) < 0 or (back.flags & FIN and (end != last or not self._ending)):
                return None
            end = add(end, bool(back.flags & FIN))
            if distance(at.snd_nxt, end) > 0:
                at = replace(at, snd_nxt=end)
        if own and own[-1].ack != at.rcv_nxt:
            return None
        fin_is_out = self._ending and at.snd_nxt == add(self._written, 1)
        if fin_is_out and at.state in _BEFORE_THE_OWN_FIN:
            at = replace(at, state="FIN-WAIT-1" if at.state != "CLOSE-WAIT" else state_of(noted))
        return at

    def _may_begin(self) -> bool:
        return all(at.state in (*GONE, "TIME-WAIT") for at in self.possible)

    def _begin(self) -> None:
        """A new incarnation."""
        self._incarnations += 1
        self._held = self._active = self._ending = self._lingers = self._stamps = False
        self._written, self._read, self._right, self._scale, self._largest = 1, 0, 0, 0, 0

    def _is_seen(self, at: ControlBlock, noted: Noted) -> bool:
        """Whether the kernel says that the connection is where it is."""
        seen = state_of(noted)
        if at.state in GONE:
            return seen in GONE
        if self._ending and at.snd_nxt != add(self._written, 1) and at.state in _WHILE_THE_FIN_WAITS:
            return seen in _WHILE_THE_FIN_WAITS[at.state]
        return at.state == seen

    def _look(self, noted: Noted) -> None:
        """Take options and windows from what the kernel has sent."""
        for back in noted.back:
            if back.flags & SYN and self._offered:
                scale = Segment(flags=SYN, options=parse_options(back.options)).option("wscale")
                self._scale = scale.values[0] if scale else 0
            if back.flags & ACK and not back.flags & RST:
                self._right = add(back.ack, back.window << (0 if back.flags & SYN else self._scale))
