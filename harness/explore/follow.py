"""Follows a program by RFC 9293: where the connection may stand after each step, by what its peer has seen. Pure.

A segment is answered as ``harness.model`` allows. What the process has written may be sent, or sent again, at any time;
in a pause timers may do what they do. Of all that is allowed goes on what the kernel has done.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate

from harness.explore.attempt import About, Act, AttemptStep, Icmp, Noted, Pause, Put
from harness.explore.courses import (
    CONTROL,
    GONE,
    Course,
    Sight,
    answered,
    by_timer,
    fewer,
    is_ack,
    is_half_around,
    is_own,
    matches,
    right_after,
    through,
)
from harness.explore.credentials import FORGED
from harness.explore.differences import state_of
from harness.explore.ending import WHILE_THE_FIN_WAITS, deaf, ended, is_seen
from harness.explore.numbers import SCALED_SYN, burst, put_segment
from harness.explore.shared_key import SharedKey
from harness.model.connection import Answer, ControlBlock
from harness.model.linux import ABORT_IN_TIME_WAIT, FIN_AFTER_THE_HANDSHAKE, NUMBERED_BY_THE_WINDOW
from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, FIN, RST, SYN, Segment, add, distance

_FIELD = 0xFFFF
_PAWS_MS = 2_000_000
"""Behind some longer silence an old timestamp counts: 36 minutes in Linux, 24 days in RFC 7323 5.5."""
UNKNOWN = -1
"""Stands for the state of a connection that the kernel was not asked for."""


@dataclass(slots=True)
class Follower:
    """One connection, step by step.

    ``courses`` are all that it may be, the plainest first; none once the kernel has done what nothing allows. ``lost``
    says that it can be followed no further, since one socket of several is meant. ``designs`` are the clauses of
    ``harness.model.linux`` without which the steps so far cannot be explained, and which were not told of before.
    """

    ip_version: int = 4
    asked: set[str] = field(default_factory=set)  # calls that count for all connections
    courses: tuple[Course, ...] = (Course(ControlBlock("CLOSED")),)
    lost: bool = False
    designs: tuple[str, ...] = ()
    listens: bool = False  # the process, for the next connection
    _held: bool = False
    _active: bool = False
    _key: SharedKey = field(default_factory=SharedKey)
    _incarnations: int = 0
    _lingers: bool = False
    _shut: bool = False  # while it was not connected, which counts later
    _ending: bool = False  # the process has closed its side: a FIN follows what it has written
    _written: int = 1
    _read: int = 0
    _start: int = 1  # the number of the first octet that the process reads
    _challenged: bool = False
    _shift: int | None = None  # of the window, that the peer's last SYN has offered
    _offered: int | None = None  # and the one that the kernel has acknowledged
    _opening: bool = True
    _scale: int = 0
    _right: int = 0
    _windows: frozenset[int] = frozenset((65535,))  # of the peer's
    _little_room: bool = False
    _field_full: bool = False
    _was_silent: bool = False

    def hold(self) -> None:
        """The process has accepted it, while the program was about another."""
        self._held = self._key.owned = not self._active
        self.lost = self.lost or self._incarnations > 1

    def take(self, step: AttemptStep, noted: Noted) -> list[Answer]:
        """Go on by a step: all that was allowed, after which ``courses`` are what the kernel has chosen of it."""
        if any(back.flags & CONTROL == SYN | ACK for back in noted.back) and self._may_begin():
            self._begin()
        match step:
            case About():
                self.designs = ()
                return []
            case Put():
                allowed, courses = self._put(step, noted)
            case Act():
                allowed, courses = self._act(step, noted)
            case Pause() | Icmp():
                self._was_silent = self._was_silent or (isinstance(step, Pause) and step.ms > _PAWS_MS)
                allowed, courses = [], self._pause(noted)
        fit = fewer(self._fit(courses, noted))
        self.designs = fit[0].designs if fit else ()
        least = len(self.designs)
        self.courses = tuple(one._replace(designs=() if len(one.designs) == least else one.designs) for one in fit)
        self._look(step, noted)
        return allowed

    def _fit(self, courses: Iterable[Course], noted: Noted) -> list[Course]:
        """The courses on which the kernel does what it did."""
        control = sum(not is_own(back) for back in noted.back)
        whole = (one for one in courses if one.explained == control)
        sent = (one._replace(at=at, explained=0) for one in whole if (at := self._sent(one.at, noted)))
        return [one for one in sent if self._is_seen(one.at, noted)]

    # -- steps

    def _put(self, put: Put, noted: Noted) -> tuple[list[Answer], list[Course]]:
        whole = put_segment(put, noted.sent)
        if put.flags & SYN:
            self._shift = SCALED_SYN.get(put.options)
        scale = self._offered if self._offered and self._scale and not put.flags & SYN else 0
        self._windows |= {put.window << scale}
        sight = Sight(
            put.options,
            len(noted.sent) > 3,
            self._windows,
            self._little_room,
            self._field_full,
            frozenset(self.asked),
            keyed=self._key.counts(self.asked, is_open=self._active or self._is_open()),
            challenged=self._challenged,
            again=self._incarnations > 1,
        )
        if (sight.stale and self._was_silent) or is_half_around(self.courses, whole.seq):
            self.lost = True
            return [], list(self.courses)
        # whether it was taken makes the next an old one or not; and with cookies nothing is kept of what is half open
        self.lost = (sight.stamped and put.options == "future") or "tcp_syncookies_2" in self.asked
        courses = list(self.courses)
        allowed: list[Answer] = []
        # within a burst the window moves with what is acknowledged
        control = [back for back in noted.back if not is_own(back)]
        rights = list(accumulate(control, partial(right_after, shift=self._own_shift), initial=self._right))
        for segment in burst(whole, self.ip_version):
            courses = [one._replace(at=self._seen_by_peer(one.at, rights[one.explained])) for one in courses]
            allowed = [one for course in courses[:1] for one in answered(course.at, segment, sight)]
            courses = fewer(through(courses, segment, noted.back, sight))
        return allowed, courses

    def _act(self, act: Act, noted: Noted) -> tuple[list[Answer], list[Course]]:
        stay, succeeded = list(self.courses), not noted.error
        acks = sum(map(is_ack, noted.back))  # that the window is open again
        match act.name:
            case "listen":
                self.listens = self.listens or succeeded
            case "accept":
                self.lost = self._incarnations > 1
                self._held = self._held or (succeeded and not self._active)
                self._key.owned = self._key.owned or self._held
            case "connect":
                return [], self._connect(noted)
            case "md5_key" | "md5_no_key" if succeeded:
                self._key.share(self.asked, shared=act.name == "md5_key")
            case "defer_accept" | "tcp_rfc1337_1" | "tcp_syncookies_2" | "tcp_shrink_window_1" | "fastopen":
                self.asked.add(act.name)
            case "send" if succeeded and self._held:
                self._written = add(self._written, int(noted.result))
            case "recv" if succeeded and self._held:
                self._read += int(noted.result)
                return [], [one._replace(explained=acks) for one in stay]
            case "shutdown_rd" | "shutdown_wr" | "shutdown_rdwr" if noted.error == "ENOTCONN":
                self._shut = self._key.owned
            case "linger_0":
                self._lingers = self._held
            case "rcvbuf":
                self._little_room = True
            case "shutdown_rd" if self._held:
                return [], list(deaf(self.courses, acks))
            case "close" | "shutdown_wr" | "shutdown_rdwr" | "abort" if self._held:
                return self._end(act.name, noted)
        return [], stay

    def _connect(self, noted: Noted) -> list[Course]:
        if not any(back.flags & CONTROL == SYN for back in noted.back):
            return list(self.courses)
        self._begin()
        self.lost = self._shut
        self._held = self._active = True
        self._key.connect(self.asked)
        return [Course(ControlBlock("SYN-SENT", 0, 1, actively=True, max_snd_wnd=0), 1)]

    def _end(self, name: str, noted: Noted) -> tuple[list[Answer], list[Course]]:
        """CLOSE, or ABORT, or what comes next to them in a socket's interface."""
        self._held = self._held and name not in ("close", "abort")
        self._key.owned = self._key.owned and name != "close"
        aborts = name == "abort" or (name == "close" and self._lingers)
        allowed: list[Answer] = []
        courses: list[Course] = []
        for at, _, designs in self.courses:
            block = replace(at, reads=False) if name in ("close", "shutdown_rdwr") else at
            unread = name == "close" and distance(add(self._start, self._read), block.rcv_nxt) > 0
            for one in ended(block, aborts=aborts, unread=unread, ending=self._ending):
                allowed.append(one)
                if one.flags is None or not one.flags & RST:
                    # behind what the window holds back the FIN waits; what is sent of it, is taken from the wire
                    courses.append(Course(one.after if one.flags is None else block, 0, designs))
                elif matches(one, noted.back[-1:]):
                    courses.append(Course(one.after, 1, designs))
                elif any(matches(replace(one, seq=add(at.snd_una, size)), noted.back[-1:]) for size in self._windows):
                    courses.append(Course(one.after, 1, (*designs, NUMBERED_BY_THE_WINDOW)))
            if at.state == "TIME-WAIT":
                courses.append(Course(at, 0, (*designs, ABORT_IN_TIME_WAIT)))
            if at.early and at.state == "SYN-RECEIVED" and not noted.back:
                courses.append(Course(block, 0, (*designs, FIN_AFTER_THE_HANDSHAKE)))
        self._ending = self._ending or any(one.flags is not None and one.flags & FIN for one in allowed)
        return allowed, courses

    def _pause(self, noted: Noted) -> list[Course]:
        """Timers send again what was sent, probe, and give up."""
        control = [back for back in noted.back if not is_own(back)]
        courses = [one._replace(explained=sum(by_timer(one.at, back) for back in control)) for one in self.courses]
        return courses + [one._replace(at=replace(one.at, state="CLOSED")) for one in courses]

    # -- what the wire shows

    def _seen_by_peer(self, at: ControlBlock, right: int) -> ControlBlock:
        """With the window as it was offered."""
        if at.state in GONE:
            state = "LISTEN" if self.listens and not self._active else "CLOSED"
            at = ControlBlock(state, snd_una=at.snd_una, snd_nxt=at.snd_nxt, rcv_nxt=at.rcv_nxt)
        window = max(0, distance(at.rcv_nxt, right))
        return replace(at, rcv_wnd=window, max_snd_wnd=max(self._windows), quickack=True)

    def _sent(self, at: ControlBlock, noted: Noted) -> ControlBlock | None:
        """With what was sent of the stream; None where that is not the stream, or acknowledges something else."""
        own, last = [back for back in noted.back if is_own(back)], self._written
        for back in own:
            end = add(back.seq, back.length)
            if distance(end, last) < 0 or (back.flags & FIN and (end != last or not self._ending)):
                return None
            end = add(end, bool(back.flags & FIN))
            if distance(at.snd_nxt, end) > 0:
                at = replace(at, snd_nxt=end)
        if own and not any(back.ack == at.rcv_nxt for back in noted.back):
            return None
        fin_is_out = self._ending and at.snd_nxt == add(self._written, 1)
        if fin_is_out and at.state in WHILE_THE_FIN_WAITS:
            closing = "LAST-ACK" if noted.state == UNKNOWN else state_of(noted)
            at = replace(at, state="FIN-WAIT-1" if at.state != "CLOSE-WAIT" else closing)
        return at

    def _is_open(self) -> bool:
        return not any(at.state in (*GONE, "SYN-RECEIVED") for at, *_ in self.courses[:1])

    def _may_begin(self) -> bool:
        gives_way = ("TIME-WAIT",) if self._held else ("FIN-WAIT-2", "TIME-WAIT")
        return all(at.state in (*GONE, *gives_way) for at, *_ in self.courses)

    def _begin(self) -> None:
        """A new incarnation."""
        self._incarnations += 1
        self._held = self._active = self._ending = self._lingers = False
        self._opening, self._offered, self._field_full, self._challenged = True, None, False, False
        self._written, self._read, self._scale, self._windows = 1, 0, 0, frozenset()
        if not any(at.state == "FIN-WAIT-2" for at, *_ in self.courses):  # whose window the SYN may have to be in
            self._right = 0

    def _is_seen(self, at: ControlBlock, noted: Noted) -> bool:
        """Whether the kernel says that the connection is where it is."""
        if noted.state == UNKNOWN:
            return True
        seen = state_of(noted)
        if any(FORGED in back.options for back in noted.back):
            return False
        return is_seen(at.state, seen, waits=self._ending and at.snd_nxt != add(self._written, 1))

    def _look(self, step: AttemptStep, noted: Noted) -> None:
        """Take options and windows from what both have sent."""
        for back in noted.back:
            if back.flags & SYN:
                scale = Segment(flags=SYN, options=parse_options(back.options)).option("wscale")
                self._scale = scale.values[0] if scale else 0
            self._challenged = self._challenged or not (back.flags & (SYN | RST) or self._is_open())
            if back.flags & ACK and not back.flags & RST:
                if self._opening and isinstance(step, Put) and step.flags & SYN:
                    self._start = add(noted.sent[0], 1)
                if self._opening:
                    self._opening, self._offered = False, 0 if self._crosses(step) else self._shift
                self._right = right_after(self._right, back, self._own_shift)
                self._field_full = self._field_full or back.window == _FIELD

    @property
    def _own_shift(self) -> int:
        return 0 if self._offered is None else self._scale

    def _crosses(self, step: AttemptStep) -> bool:
        """Whether it is a SYN that crosses the kernel's, which then scales its windows whatever that offers."""
        return self._active and isinstance(step, Put) and not step.flags & ACK
