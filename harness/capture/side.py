"""What is known of one side of a captured connection, and why it sends something again. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from harness.capture.conversation import Sighting
from harness.tcp.segment import ACK, FIN, PSH, RST, SPACE, SYN, Segment, add, distance
from harness.tcp.timing import MS, RTO_MIN, format_ms

_LATE_NS = 3 * MS
"""What fills a hole within this has only changed places with what came before it: no sender can know of it so soon."""

_SOONEST_TIMER_NS = 2 * MS
"""No timer has anything sent again before that: two ticks of 1 ms (TCP_TIMEOUT_MIN of include/net/tcp.h)."""

_REMEMBERED = 128
"""Segments of a side that are known by their frames at least; of what is sent again later the first is not known."""

_USUAL_MSS = 1460
_HALF = SPACE // 2
# made once: they are asked of every frame
_NUMBERED, _PSH, _PSH_ACK = int(SYN | FIN), int(PSH), int(PSH | ACK)


class SentBefore(NamedTuple):
    """What is kept of a segment, without its data: a file may hold many connections."""

    frame: int
    at: int
    seq: int
    ack: int
    fin: bool


class Reason(NamedTuple):
    """Why a segment is likely to be sent again: a word, and in words that follow what is sent."""

    kind: str
    text: str


@dataclass(slots=True)
class SideStory:
    """One side, in relative numbers.

    Args:
        next: the number behind the highest that it sent.
        acknowledged: the highest that it acknowledged.
        octets: of data that it sent, each once.
        again: segments that it sent again.
        resets: RSTs that it sent.
        fin: its first FIN.
        heard: what the other side sent last.
        said: what it acknowledged last.
        last: what it sent last.
        mss: of its SYN.
        wrong_sums: segments with a wrong checksum.
        whole: segments of which the capture holds all, so that their checksums are known.
        large: frames with more data than a segment may have.
        whole_large: those of them of which the capture holds all.
        wrong_large: those of these with a wrong checksum.
        shut_at: when it closed its window; 0 where it is open.
        asked: segments that it got which ask for an ACK that says nothing new, and that it has not sent.
        sent: what takes numbers of its segments, the latest ones.
    """

    next: int = 0
    acknowledged: int = 0
    octets: int = 0
    again: int = 0
    resets: int = 0
    fin: Sighting | None = None
    heard: Sighting | None = None
    said: Sighting | None = None
    last: Sighting | None = None
    mss: int | None = None
    wrong_sums: int = 0
    whole: int = 0
    large: int = 0
    whole_large: int = 0
    wrong_large: int = 0
    shut_at: int = 0
    asked: int = 0
    sent: list[SentBefore] = field(default_factory=list)  # a deque of none takes 0.7 kB, and there may be many
    _unseen: int = 0
    _holes: dict[int, int] = field(default_factory=dict)

    @property
    def most(self) -> int:
        """Octets of data that a segment to it may have."""
        return self.mss or _USUAL_MSS

    @property
    def offloads(self) -> bool:
        """Whether a network card is to fill in its checksums: most are wrong, and were seen on its own machine."""
        return 2 * self.wrong_sums > self.whole

    @property
    def seen(self) -> bool:
        """Whether the capture has anything of it."""
        return self.last is not None or self.resets > 0

    @property
    def cuts(self) -> bool | None:
        """Whether its own network card was to cut its large frames, whose others were joined by the receiver (GRO).

        A card that cuts fills in all checksums, and what was joined has come with right ones. None where it is not
        known: where there are no large frames, or no others of which all is there.
        """
        small = self.whole - self.whole_large
        return 2 * (self.wrong_sums - self.wrong_large) > small if self.large and small else None

    def repeats(self, segment: Segment) -> bool:
        """Whether a segment without data says what the one before it said."""
        said = self.said.segment if self.said else None
        return said is not None and (said.ack, said.window) == (segment.ack, segment.window)

    def goes_on(self, sighting: Sighting, other: SideStory) -> bool:
        """Take in what comes in its turn, and of which nothing is to be told; whether it is such a segment.

        Most are, and this takes a fifth of the time.
        """
        segment, said = sighting.segment, self.said
        length, ack, acknowledged = len(segment.data), segment.ack, self.acknowledged
        if (
            segment.seq != self.next
            or segment.flags | _PSH != _PSH_ACK
            or said is None
            or not (ack - acknowledged) % SPACE <= (other.next - acknowledged) % SPACE < _HALF
            or self.shut_at
            or self._holes
            or not segment.window
            or length > other.most
            or not (length or ack != acknowledged or segment.window != said.segment.window)
        ):
            return False
        if not sighting.cut:
            self.whole += 1
            self.wrong_sums += segment.checksum is not None
        if length:
            self.octets += length
            self.next = (segment.seq + length) % SPACE
            self._remember(SentBefore(sighting.frame, sighting.at, segment.seq, ack, False))
        self.acknowledged = ack
        self.said = self.last = sighting
        return True

    def sends(self, sighting: Sighting) -> None:
        """Take in what it sends."""
        segment = sighting.segment
        if not sighting.cut:
            self.whole += 1
            self.wrong_sums += segment.checksum is not None
        if segment.flags & RST:
            self.resets += 1
            return
        if segment.flags & SYN and (mss := segment.option("mss")) and mss.values and self.mss is None:
            self.mss = mss.values[0]
        if segment.flags & FIN and self.fin is None:
            self.fin = sighting
        if sighting.length:
            self._count(sighting)
        elif self.last is None:
            self.next = segment.seq  # of a connection that was open before
        if segment.flags & ACK:
            self.acknowledged = max(self.acknowledged, segment.ack, key=lambda one: distance(self.acknowledged, one))
            self.said = sighting
        self.last = sighting

    def _count(self, sighting: Sighting) -> None:
        segment = sighting.segment
        if self.last and distance(self.next, segment.seq) > 0 and len(self._holes) < _REMEMBERED:
            self._holes[self.next] = sighting.at
        new = distance(self.next, segment.next_seq) if self.last else sighting.length
        if new > 0:
            self.octets += min(len(segment.data), new)
            self.next = segment.next_seq
        self._remember(SentBefore(sighting.frame, sighting.at, segment.seq, segment.ack, bool(segment.flags & FIN)))

    def _remember(self, one: SentBefore) -> None:
        self.sent.append(one)
        if len(self.sent) > 2 * _REMEMBERED:
            del self.sent[:_REMEMBERED]

    def hears(self, sighting: Sighting) -> None:
        """Take in what the other side sends: what it acknowledges is no hole, whether the capture has it or not."""
        self.heard = sighting
        segment = sighting.segment
        if self._holes and segment.flags & ACK:
            filled = [begin for begin in self._holes if distance(begin, segment.ack) > 0]
            for begin in filled:
                del self._holes[begin]

    def is_asked(self, sighting: Sighting, sender: SideStory) -> None:
        """Take in what the other side, as it was before, sends out of turn: each such segment asks for an ACK."""
        segment = sighting.segment
        in_turn = sender.last is None or (segment.seq == sender.next and not segment.flags & (SYN | RST))
        if not in_turn:
            self.asked += max(1, -(-len(segment.data) // self.most))

    def lacks(self, segment: Segment) -> int:
        """How many of its numbers the other side acknowledges anew, without that they were in the capture."""
        if self.last is None or segment.flags & RST or not segment.flags & ACK:
            return 0
        known = max(self.next, self._unseen, key=lambda one: distance(self.next, one))
        lacking = distance(known, segment.ack)
        if lacking > 0:
            self._unseen = segment.ack
        return max(0, lacking)

    def why_again(self, sighting: Sighting, other: SideStory) -> Reason | None:
        """Why it sends what it sent before, or what was not seen when it was due; None for what is new."""
        segment = sighting.segment
        if segment.flags & RST or self.last is None:
            return None
        if self._probes(sighting, other):
            return Reason("probe", "as a probe of the closed window" if other.shut_at else "as a keepalive probe")
        return self._why_counted(sighting, other) if sighting.length else None

    def _why_counted(self, sighting: Sighting, other: SideStory) -> Reason | None:
        segment = sighting.segment
        if (since := self._holes.pop(segment.seq, None)) is not None:
            return self._fills(sighting, since)
        if distance(self.next, segment.next_seq) > 0:
            return None
        before = next((one for one in reversed(self.sent) if _holds(one, segment)), None)
        if before is None and segment.flags & FIN:
            return None  # a FIN in the place of something else
        self.again += 1
        return self._sent_before(sighting, before, other)

    def _probes(self, sighting: Sighting, other: SideStory) -> bool:
        """Whether it asks for an ACK by the last octet that was acknowledged (RFC 9293 3.8.4)."""
        segment = sighting.segment
        if segment.flags & _NUMBERED or len(segment.data) > 1 or self.next == 0:
            return False
        return segment.seq == add(self.next, -1) and other.acknowledged == self.next

    def _fills(self, sighting: Sighting, since: int) -> Reason:
        late = sighting.at - since
        if late < _LATE_NS:
            return Reason("order", f"late: what it should stand before overtook it by {format_ms(late)}")
        self.again += 1
        return Reason(
            "lost", f"{format_ms(late)} after what follows it: its first copy is not in the capture, so it was lost"
        )

    def _sent_before(  # noqa: PLR0911  (one for each reason)
        self, sighting: Sighting, before: SentBefore | None, other: SideStory
    ) -> Reason:
        segment, said = sighting.segment, other.said
        again = f"of frame {before.frame} again, {format_ms(sighting.at - before.at)} later" if before else "again"
        if said is None:
            return Reason("unanswered", f"{again}: nothing was heard of the other side")
        if segment.flags & FIN and segment.seq == 0 and said.segment.flags & SYN:
            return Reason("unanswered", f"{again}: frame {said.frame} acknowledges its number as that of the SYN")
        if distance(segment.next_seq, other.acknowledged) >= 0:
            return Reason("spurious", f"{again}: needlessly, for frame {said.frame} had acknowledged it")
        if other.shut_at:
            return Reason("probe", f"{again}: a probe of the closed window")
        answered = before is not None and said.at > before.at and said.segment.ack == segment.seq
        after = sighting.at - before.at if before else RTO_MIN.ns
        if not answered and after < _SOONEST_TIMER_NS:
            return Reason(
                "held", f"{again}: too soon for any timer, so one of the two had waited, as for a link address"
            )
        if not answered and after < RTO_MIN.ns and segment.next_seq == self.next:
            return Reason("probe", f"{again}: sooner than a timeout, so as a probe of a lost tail (RFC 8985 7)")
        if not answered:
            return Reason("unanswered", f"{again}: nothing had answered it, so it was lost, or its ACK")
        if segment.flags & FIN and not segment.data and not said.segment.option("sack"):
            return Reason("challenged", f"{again}: frame {said.frame} had left it out, so it was dropped, or lost")
        return Reason("lost", f"{again}: frame {said.frame} asked for it, so it was lost")


def _holds(before: SentBefore, segment: Segment) -> bool:
    return before.seq == segment.seq and before.fin >= bool(segment.flags & FIN)
