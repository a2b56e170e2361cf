"""What the times of a captured connection tell: which timers of the near side's kernel ran. Pure."""

from __future__ import annotations

from typing import NamedTuple

from harness.capture.conversation import Sighting
from harness.tcp.segment import ACK, FIN, RST, SYN, Segment, distance
from harness.tcp.timing import MS, PROMPT, RTO_MIN, SECOND

_NUMBERED = SYN | FIN | RST


_ALIKE = 1.3
"""Pauses of a timer that does not back off, the longest to the shortest, at most."""


class KeepAlive(NamedTuple):
    """How an idle connection is asked whether it lives (RFC 9293 3.8.4).

    Args:
        idle: seconds until it is asked.
        interval: seconds between two questions.
        most: questions without an answer after which it is given up; 0 where the capture does not tell.
    """

    idle: int
    interval: int
    most: int


class TimerView:
    """What the kernel of the near side has to wait for, as far as the frames that it was told go.

    Attributes:
        before: when the latest frame came, in ns.
        sent: the number behind what the near side has sent.
        shut: whether the far side's window is closed.
        over: whether the near side has ended, or was reset.
    """

    def __init__(self, near: int) -> None:
        self._near = near
        self.before = 0
        self.sent = 0
        self._acknowledged = 0
        self.shut = False
        self.over = False
        self._timed = False

    def tell(self, sighting: Sighting) -> None:
        """Take in the next frame."""
        segment = sighting.segment
        self._timed = self.by_a_timer(sighting)
        self.before = max(self.before, sighting.at)
        self.over = self.over or bool(segment.flags & RST)
        if sighting.side == self._near:
            self.over = self.over or bool(segment.flags & FIN)
            if sighting.length and distance(self.sent, segment.next_seq) > 0:
                self.sent = segment.next_seq
        elif segment.flags & ACK and not segment.flags & RST:
            if distance(self._acknowledged, segment.ack) > 0:
                self._acknowledged = segment.ack
            self.shut = segment.window == 0

    def pause(self, sighting: Sighting) -> int:
        """How long nothing was seen before it, in ns; 0 where an answer may take as long."""
        pause = sighting.at - self.before if self.before else 0
        return pause if pause > PROMPT.ns else 0

    @property
    def answered(self) -> bool:
        """Whether the far side has all that was sent, and takes more."""
        return distance(self._acknowledged, self.sent) <= 0 and not self.shut

    @property
    def idle(self) -> bool:
        """Whether no timer of an open connection can run."""
        return self.answered and not self.over

    def again(self, segment: Segment) -> bool:
        """Whether the near side has sent all of its numbers before; it takes some."""
        return segment.next_seq != segment.seq and self.sent > 0 and distance(segment.next_seq, self.sent) >= 0

    def by_a_timer(self, sighting: Sighting) -> bool:
        """Whether no call and no segment but a timer makes the near side send this."""
        segment = sighting.segment
        if sighting.side != self._near or not self.pause(sighting):
            return False
        if segment.flags & RST:
            return self._timed  # or a process may have called something
        return self.again(segment) or not sighting.length

    def gives_up(self, sighting: Sighting) -> bool:
        """Whether it resets the connection after what a timer sent without an answer."""
        return bool(sighting.segment.flags & RST) and self.by_a_timer(sighting)

    def probes(self, sighting: Sighting) -> bool:
        """Whether it asks for an ACK by a number that the far side has acknowledged."""
        segment = sighting.segment
        numbered = segment.flags & _NUMBERED or len(segment.data) > 1
        return self.by_a_timer(sighting) and not numbered and distance(segment.seq, self.sent) == 1


def kept_alive(sightings: list[Sighting], near: int) -> KeepAlive | None:
    """The times of its probes, where the near side sends any on an idle connection."""
    view = TimerView(near)
    idle = interval = unanswered = count = 0
    for sighting in sightings:
        if view.answered and view.probes(sighting):
            seconds = max(1, round(view.pause(sighting) / SECOND.ns))
            interval = seconds if idle else interval
            idle, unanswered = idle or seconds, unanswered + 1
        elif unanswered and view.gives_up(sighting):
            count = unanswered
        else:
            unanswered = 0
        view.tell(sighting)
    return KeepAlive(idle, interval or idle, count) if idle else None


def backoffs(sightings: list[Sighting], near: int) -> list[list[int]]:
    """The pauses in ns before each copy of a segment, other than a SYN, that a timer of the near side sent in a row."""
    view, rows, seq = TimerView(near), list[list[int]](), -1
    for sighting in sightings:
        segment = sighting.segment
        if sighting.side != near or not view.by_a_timer(sighting) or not view.again(segment) or segment.flags & SYN:
            seq = -1
        else:
            if segment.seq != seq:
                rows.append([])
            rows[-1].append(view.pause(sighting))
            seq = segment.seq
        view.tell(sighting)
    return rows


def linear(sightings: list[Sighting], near: int) -> bool:
    """Whether a timer of the near side has a segment sent again as soon as before, more often than a probe explains."""
    return any(max(row[1:4]) < _ALIKE * row[0] for row in backoffs(sightings, near) if len(row) > 3)


class GivenUp(NamedTuple):
    """What may have had the near side give a connection up.

    Args:
        user_timeout: TCP_USER_TIMEOUT in ms.
        retries: net.ipv4.tcp_retries2, or tcp_orphan_retries where its process has it no more.
    """

    user_timeout: int
    retries: int


def given_up(sightings: list[Sighting], near: int) -> GivenUp | None:
    """After what the near side knew a connection no more; None where it did not give it up.

    Counted from the first segment that a timer sent, or from the second one, where the first was a probe, it lies
    between the last one and that of the far side which was answered by a RST (retransmits_timed_out, tcp_timer.c).
    """
    view, sent, answered = TimerView(near), list[int](), 0
    for sighting in sightings:
        if sighting.side != near:
            answered = sighting.at
        elif sighting.segment.flags & RST:
            return _given_up(sent, answered) if sent and answered > sent[-1] else None
        elif view.by_a_timer(sighting):
            sent.append(sighting.at)
        else:
            sent.clear()
        view.tell(sighting)
    return None


def _given_up(sent: list[int], answered: int) -> GivenUp:
    first, latest = sent[0], sent[-1]
    second = sent[min(1, len(sent) - 1)]
    probe = len(sent) > 2 and second - first < _ALIKE * (sent[2] - second) / 2
    least, most = latest - first, answered - second
    if least >= most:
        most = answered - first
    lasted, retries = latest - (second if probe else first), 0
    while ((2 << retries) - 1) * RTO_MIN.ns <= lasted:
        retries += 1
    return GivenUp((least + most) // (2 * MS), retries)


def let_go(sightings: list[Sighting], near: int) -> int:
    """Seconds after which the near side knew a connection that it had ended no more; 0 where it knew it."""
    view = TimerView(near)
    pause = 0
    for sighting in sightings:
        if sighting.side == near and sighting.segment.flags & RST and view.over:
            return pause // (2 * SECOND.ns) or int(pause > SECOND.ns)
        pause = view.pause(sighting)
        view.tell(sighting)
    return 0


def deferred(sightings: list[Sighting], near: int) -> int:
    """The TCP_DEFER_ACCEPT in seconds by which the near side sends its SYN,ACK again after its ACK; 0 for none."""
    opened = again = 0
    for sighting in sightings:
        segment = sighting.segment
        if sighting.side == near and segment.flags & SYN:
            again += opened
        elif sighting.side != near:
            if segment.data:
                break
            opened = opened or int((segment.seq, segment.ack) == (1, 1))
    return int(2**again - 1)
