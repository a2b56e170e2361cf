"""What happened on a captured connection, in words: told frame by frame, in memory that does not grow. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import msgspec

from harness.capture.asking import as_without_connection, asked, deviation, missing
from harness.capture.conversation import Conversation, Sighting
from harness.capture.side import Reason, SideStory
from harness.tcp.segment import ACK, FIN, RST, SYN, Flags, Segment, distance, format_flags
from harness.tcp.timing import MS, format_ms

GAP_NS = 50 * MS
"""A pause above this is told: an answer that no timer delays comes within a few round trips."""

_MOST = 40
"""Remarks that are kept of a connection, from its beginning on; the others are counted."""

_UNASKED = "a segment is answered by one ACK at most (RFC 5681 4.2)"

_NEARER = 4
"""How much sooner an answer comes of the side at which a capture is taken, at least."""

_NO_DATA = int(SYN | RST)  # made once: it is asked of every frame


class Remark(msgspec.Struct, frozen=True):
    """Something worth saying, with the frame that shows it."""

    frame: int
    text: str


@dataclass(slots=True)
class Story:
    """What is known of a connection after the frames that it was told.

    Args:
        conversation: whose.
        sides: the one that opened it, or was seen first, and the other.
        remarks: in the order of their frames.
        counted: how many there are of each kind, those that are not kept as well.
        opening: the frames of the SYNs.
        endings: what ended it, in words.
        longest: the longest pause in ns, and the frame that ended it.
        suspect: the side that left out a segment of the other, if any did.
        answered: whether the first SYN answers one that is not there.
        crossed: whether both sides opened it, each before it had heard the other's SYN.
    """

    conversation: Conversation
    sides: tuple[SideStory, SideStory] = field(default_factory=lambda: (SideStory(), SideStory()))
    remarks: list[Remark] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    opening: list[int] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    longest: tuple[int, int] = (0, 0)
    suspect: int | None = None
    answered: bool = False
    crossed: bool = False
    _handshake: list[int] = field(default_factory=list)  # the times of both SYNs and of what the first side sends then
    _last: Sighting | None = None
    _unanswered: int | None = None  # the number of what was told last to be without an answer

    def tell(self, sighting: Sighting) -> None:
        """Take in the next frame."""
        segment, side = sighting.segment, sighting.side
        own, other = self.sides[side], self.sides[1 - side]
        if self._last is not None and 0 <= sighting.at - self._last.at <= GAP_NS and own.goes_on(sighting, other):
            other.hears(sighting)
            self._last = sighting
            return
        reason = own.why_again(sighting, other)
        if reason:
            self._again(sighting, reason, own, other)
        self._pause(sighting, reason)
        self._offload(sighting, own, other)
        if len(self._handshake) == 2 and side == 0:
            self._handshake.append(sighting.at)
        if segment.flags & SYN:
            self._syn(sighting, own, other, reason)
        elif segment.flags & RST:
            self._reset(sighting, own, other)
        elif segment.flags & FIN and own.fin is None:
            self._fin(sighting, other)
        elif not sighting.length and not reason and own.repeats(segment):
            self._repeated(sighting, own, other)
        self._window(sighting, own)
        if lacking := other.lacks(segment):
            who, its = self.who(side), self.who(1 - side)
            what = f"{who} acknowledges {lacking} more than is there of {its}: the capture has lost it, or has it later"
            self._remark("lacking", sighting, what)
        other.is_asked(sighting, own)
        own.sends(sighting)
        other.hears(sighting)
        self._last = sighting

    def who(self, side: int) -> str:
        """A side's name: what it is where that is known, else its address and port."""
        return ("the client", "the server")[side] if self.conversation.opened else self.conversation.name(side)

    def _remark(self, kind: str, sighting: Sighting, text: str) -> None:
        self.counted[kind] += 1
        if len(self.remarks) < _MOST:
            self.remarks.append(Remark(sighting.frame, text))

    def _again(self, sighting: Sighting, reason: Reason, own: SideStory, other: SideStory) -> None:
        text = f"{self.who(sighting.side)} sends {in_words(sighting.segment)} {reason.text}"
        if reason.kind == "unanswered" and self._unanswered != sighting.segment.seq:
            waited = sighting.at - (own.last.at if own.last else sighting.at)
            if due := missing(other, own, sighting.segment, waited):
                self._unanswered, text = sighting.segment.seq, text + due
        self._remark(reason.kind, sighting, text)
        if reason.kind == "challenged":
            self.suspect = 1 - sighting.side

    def _pause(self, sighting: Sighting, reason: Reason | None) -> None:
        if self._last is None:
            return
        pause = sighting.at - self._last.at
        if pause < 0:
            self._remark("backwards", sighting, f"its time is {format_ms(-pause)} before that of the frame before it")
        if pause <= GAP_NS:
            return
        self.longest = max(self.longest, (pause, sighting.frame))
        own = self.who(sighting.side)
        if reason:
            waited = f"{own} had waited for its timer"
        elif self._last.side != sighting.side:
            waited = f"{self.who(self._last.side)} had waited for {own}"
        else:
            waited = f"{own} had sent the frame before as well, so its application, or a timer, took the time"
        what = "it" if reason else f"{in_words(sighting.segment)} of {own}"
        self._remark("pause", sighting, f"{what} ends a silence of {format_ms(pause)}, in which {waited}")

    def _syn(self, sighting: Sighting, own: SideStory, other: SideStory, reason: Reason | None) -> None:
        if reason is None and own.last is None:
            self.answered = self.answered or (not self.opening and bool(sighting.segment.flags & ACK))
            self.opening.append(sighting.frame)
            if sighting.side == len(self._handshake):
                self._handshake.append(sighting.at)
            self.crossed = not sighting.segment.flags & ACK and other.last is not None
        elif reason is None:
            self._remark("syn", sighting, f"{self.who(sighting.side)} sends a SYN on the open connection")

    def _fin(self, sighting: Sighting, other: SideStory) -> None:
        crosses = other.fin is not None and distance(other.fin.segment.next_seq, sighting.segment.ack) < 0
        how = "FIN, which crosses the other's" if crosses else "FIN"
        self.endings.append(f"{self.who(sighting.side)} ends in frame {sighting.frame} ({how})")
        if sighting.segment.seq == 0:
            self._remark("fin", sighting, f"{self.who(sighting.side)} numbers its FIN as its SYN: it ends in SYN-SENT")

    def _offload(self, sighting: Sighting, own: SideStory, other: SideStory) -> None:
        length = len(sighting.segment.data)
        if length <= other.most:
            return
        own.large += 1
        own.whole_large += not sighting.cut
        own.wrong_large += sighting.segment.checksum is not None and not sighting.cut
        self.counted["offload"] += 1
        if self.counted["offload"] > 1:
            return
        who, its = self.who(sighting.side), self.who(1 - sighting.side)
        cut, joined = f"which {who}'s network card was to cut (TSO)", f"which {its}'s machine had joined (GRO)"
        how = {True: cut, False: joined, None: f"{cut}, or {joined}"}[self._cut_by(sighting.side)]
        text = f"{length} octets in one frame, above the MSS of {other.most}: several segments, {how}"
        self.remarks.append(Remark(sighting.frame, text))

    @property
    def host(self) -> int | None:
        """The side on whose machine the capture was taken, as large frames show it; None where they do not."""
        if all(side.offloads for side in self.sides):
            return None  # both on one machine, or a virtual network: neither side's frames come from a wire
        known = ((side if self._cut_by(side) else 1 - side) for side in (0, 1) if self._cut_by(side) is not None)
        return next(known, None)

    def _cut_by(self, side: int) -> bool | None:
        """Whether a side's own network card was to cut its large frames; None where it is not known.

        Right checksums may have been filled in since, as of a file that was made anonymous: then the handshake has to
        tell that the capture was not taken at that side.
        """
        cuts, nearer = self.sides[side].cuts, self._nearer
        return nearer == side if cuts is False and nearer is not None else cuts or None

    @property
    def _nearer(self) -> int | None:
        """The side that answered in the handshake so much sooner that the capture was taken near it, if one did."""
        if len(self._handshake) < 3:
            return None
        asked, answered, opened = self._handshake
        client, server = opened - answered, answered - asked
        return 0 if _NEARER * client < server else 1 if _NEARER * server < client else None

    def _reset(self, sighting: Sighting, own: SideStory, other: SideStory) -> None:
        who, seq = self.who(sighting.side), sighting.segment.seq
        if own.resets == 0:
            self.endings.append(f"{who} resets it in frame {sighting.frame}" + " after its FIN" * (own.fin is not None))
        else:
            self._remark("reset", sighting, f"{who} resets it once more")
        heard = own.heard
        if (
            heard
            and heard.segment.flags & SYN
            and (otherwise := deviation(own, other, heard.segment, sighting.segment))
        ):
            text = f"{who} resets the open connection for the SYN of frame {heard.frame}{otherwise}"
            self._remark("reset", sighting, text)
        expected = other.acknowledged
        if other.said and seq not in (expected, own.next) and not (sighting.segment.flags & ACK and seq == 0):
            what = (
                f"the RST has the number {seq} and not {expected}, the next that {self.who(1 - sighting.side)} expects"
            )
            what += ": it counts only outside of a connection, or is challenged (RFC 5961 3.2)"
            self._remark("reset", sighting, what + as_without_connection(sighting.segment, other))

    def _repeated(self, sighting: Sighting, own: SideStory, other: SideStory) -> None:
        segment, who, fin, heard = sighting.segment, self.who(sighting.side), other.fin, own.heard
        behind = distance(segment.ack, other.next)
        if own.asked:
            own.asked -= 1
        elif segment.flags & ACK and behind == 0 and heard is not None:
            text = f"{who} acknowledges {segment.ack} again, and nothing in the capture asks for it"
            self._remark("unasked", sighting, f"{text}: {_UNASKED}")
            return
        if not segment.flags & ACK or heard is None or (own.last and heard.at < own.last.at):
            return
        if fin is not None and fin.segment.end == segment.ack:
            may = "a challenge ACK, or the FIN came later"
            text = f"{who} acknowledges {segment.ack} again, and not the FIN of frame {fin.frame}: {may}"
            text += asked(own, other, fin.segment)
            self._remark("challenge", sighting, text)
        elif heard.segment.flags & _NO_DATA:
            text = f"{who} challenges {format_flags(heard.segment.flags)} of frame {heard.frame} (RFC 5961 3.2, 4.2)"
            text += deviation(own, other, heard.segment, segment)
            self._remark("challenge", sighting, text)
        elif behind > 0 and heard.length:
            has = ", and has some of what follows (SACK)" if segment.option("sack") else ""
            text = f"{who} acknowledges {segment.ack} again: it misses what begins there{has}"
            if heard.segment.next_seq == other.next:  # else it may answer something else that was on its way
                text += deviation(own, other, heard.segment, segment)
            self._remark("duplicate", sighting, text)
        elif heard.length and (blocks := segment.option("sack")) and blocks.values:
            self._remark(
                "dsack", sighting, f"{who} tells that it got {blocks.values[0]}:{blocks.values[1]} twice (D-SACK)"
            )

    def _window(self, sighting: Sighting, own: SideStory) -> None:
        shut = sighting.segment.window == 0 and not sighting.segment.flags & _NO_DATA
        if shut and not own.shut_at:
            own.shut_at = sighting.at
            self._remark("window", sighting, f"{self.who(sighting.side)} closes its window")
        elif own.shut_at and not shut and not sighting.segment.flags & RST:
            after = format_ms(sighting.at - own.shut_at)
            self._remark("window", sighting, f"{self.who(sighting.side)} opens its window again, after {after}")
            own.shut_at = 0


def in_words(segment: Segment) -> str:
    """A segment in words."""
    for flag in (SYN, RST, FIN):
        if segment.flags & flag:
            with_ack = ",ACK" if flag == SYN and segment.flags & ACK else ""
            return f"the {Flags(flag).name}{with_ack}" + (f" with {len(segment.data)} octets" if segment.data else "")
    return f"{segment.seq}:{segment.end}" if segment.data else "an ACK"
