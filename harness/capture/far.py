"""The far side of a captured connection as a program's peer: it sends what that side sent. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from harness.capture.conversation import Sighting
from harness.capture.draft import ProgramDraft, flags_of
from harness.capture.facts import Facts, in_parts
from harness.capture.signing import key_of, mute, sign, signed, unsigned
from harness.program.steps import Made, Octets, Send, Value
from harness.tcp.segment import ACK, RST, SYN, URG, WRONG_CHECKSUM, Flags, Segment, add, distance

_MOST_LOST = 1 << 16
"""Octets that the capture can have lost in a row; an acknowledgment of more is of something else."""


@dataclass
class FarSide:
    """Writes down what the peer sends, and counts what the near side's process can read of it.

    Args:
        facts: of the connection.
        draft: where to.
        unread: octets in sequence that no call has taken.
    """

    facts: Facts
    draft: ProgramDraft
    unread: int = 0
    _came: int = 1  # the number behind what came in sequence
    _ahead: list[Segment] = field(default_factory=list)
    _signs: bool = False

    @cached_property
    def _key(self) -> Made | None:
        return None if mute(self.facts) else key_of(self.facts)

    def sign(self, segment: Segment) -> None:
        """Have the next segment, of either side, signed as the capture's is."""
        if self._key and self._signs != signed(segment):
            self._signs = not self._signs
            sign(self.draft, self._key if self._signs else None)

    def send(self, sighting: Sighting) -> None:
        """The peer sends this."""
        damaged = self.facts.damaged(sighting)
        for segment in in_parts(sighting.segment, self.facts.room):
            options, whole = self.facts.options(unsigned(segment) if self._key else segment)
            named: dict[str, Value] = {"seq": segment.seq}
            named |= {"ack": segment.ack} if segment.flags & ACK else {}
            named |= {"window": segment.window, "options": options}
            named |= {"data": Octets(b"." * len(segment.data))} if segment.data else {}
            named |= {"checksum": WRONG_CHECKSUM} if damaged else {}
            named |= {"urgent": segment.urgent} if segment.flags & URG else {}
            self.sign(segment)
            flags = Flags(segment.flags & ~ACK) or segment.flags & ACK
            step = Send(on="peer", name="send", args=(flags_of(flags),), named=named)
            self.draft.add(step, f"frame {sighting.frame}" if sighting.frame else "assumed")
            if not damaged:
                self._take_in(segment)
            if not whole:
                self.draft.say(f"options of frame {sighting.frame} cannot be read, and are left out")

    def _take_in(self, segment: Segment) -> None:
        """Count what lies in sequence now."""
        if not segment.data or segment.flags & RST or (segment.flags & SYN and not self.facts.fast_open):
            return
        if segment.flags & SYN:  # which takes a number before them
            segment = Segment(flags=ACK, seq=add(segment.seq, 1), data=segment.data)
        self._ahead = sorted([*self._ahead, segment], key=lambda one: distance(self._came, one.seq))
        for one in self._ahead:
            new = distance(self._came, one.end)
            if distance(self._came, one.seq) <= 0 < new:
                self.unread += new
                self._came = one.end
        self._ahead = [one for one in self._ahead if distance(self._came, one.end) > 0]

    def fill(self, segment: Segment, sent: int) -> None:
        """Send what the near side acknowledges, and no frame of the far side holds: the capture lost that.

        Args:
            segment: of the near side.
            sent: the number behind what that has sent before.
        """
        if segment.flags & RST or not segment.flags & ACK:
            return
        until = segment.ack - self.facts.ends_at(segment.ack)
        while 0 < (lost := distance(self._came, until)) <= _MOST_LOST:
            ahead = min((distance(self._came, one.seq) for one in self._ahead), default=lost)
            size = max(1, min(ahead, lost, self.facts.room))
            named: dict[str, Value] = {"seq": self._came, "ack": sent, "data": Octets(b"." * size)}
            self.draft.add(Send(on="peer", name="send", args=(flags_of(ACK),), named=named), "assumed")
            self.draft.say(f"octets from {self._came} on are not in the capture, and are sent: they are acknowledged")
            self._take_in(Segment(flags=ACK, seq=self._came, data=bytes(size)))
