"""What the calls behind the data of a captured connection's near side wrote, as far as its segments tell. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from harness.capture.conversation import Sighting
from harness.capture.facts import Facts
from harness.tcp.segment import FIN, PSH, SYN, distance
from harness.tcp.timing import MS

_AT_ONCE_NS = MS
_FIRST_FLIGHT = 10  # segments (RFC 6928 2)
_MOST_SCALE = 14  # RFC 7323 2.3


class Written(NamedTuple):
    """What calls write at once: octets of each, and whether a FIN is in the last one's last segment."""

    sizes: list[int]
    with_fin: bool

    @property
    def octets(self) -> int:
        """Of all of them."""
        return sum(self.sizes)


@dataclass(frozen=True)
class Writing:
    """The calls of a connection's near side."""

    facts: Facts

    def written(self, place: int) -> Written:
        """What calls write from the sighting at this place on, of which none waits for a segment of the far side.

        A call's data end where a segment is not full, or has PSH, no full one is right behind it, and none waits.
        """
        facts, sizes = self.facts, list[int]()
        start = until = facts.sightings[place].segment.seq
        for at, sighting in enumerate(facts.sightings[place:], place):
            segment = sighting.segment
            if sighting.side != facts.near or segment.seq != until or not segment.data:
                continue
            until = segment.end
            short = len(segment.data) % facts.room or segment.flags & FIN
            if short or (segment.flags & PSH and (self.one_each or not (self._goes_on(at) or self._waits(at)))):
                sizes.append(distance(start, until))
                start = until
                if not (self.one_each and self._waits(at)):
                    return Written(sizes, bool(segment.flags & FIN))
        return Written([*sizes, distance(start, until)] if start != until else sizes, False)

    @cached_property
    def one_each(self) -> bool:
        """Whether each segment was written by a call that ends its record (MSG_EOR): full ones in a row have PSH.

        Linux sets PSH in the last segment of a buffer, to which the next call adds unless the first ended a record.
        """
        before: Sighting | None = None
        for one in self.facts.sightings if self.facts.records else ():
            if not self._is_full(one) or not one.segment.flags & PSH:
                before = None
                continue
            if before and before.segment.end == one.segment.seq and one.at - before.at < _AT_ONCE_NS:
                return True
            before = one
        return False

    def _is_full(self, one: Sighting) -> bool:
        return one.side == self.facts.near and len(one.segment.data) == self.facts.room

    def _goes_on(self, place: int) -> bool:
        """Whether a full segment follows at once; Linux sets PSH in one that is all of a buffer."""
        now, later = self.facts.sightings[place], self.facts.sightings[place + 1 : place + 2]
        return any(
            self._is_full(one) and one.segment.seq == now.segment.end and one.at - now.at < _AT_ONCE_NS for one in later
        )

    def _waits(self, place: int) -> bool:
        """Whether the data behind had waited for a window: an ACK has them sent at once, which no call does.

        Not where there was room. What a tail loss probe had sent again meanwhile says that none waited, for it sends
        those first (RFC 8985 7.3); and so does F-RTO behind the first ACK (RFC 5682 2.1).
        """
        sightings = self.facts.sightings
        at = self._sent_at(place + 1, sightings[place].segment.end)
        cause = at - 1
        while cause > place and sightings[cause].side == self.facts.near and sightings[cause].segment.data:
            cause -= 1
        if cause < place or sightings[at].at - sightings[cause].at >= _AT_ONCE_NS:
            return False
        if cause == place:
            return self.one_each  # in one burst with those before
        if sightings[cause].side == self.facts.near or sightings[cause].length or self._has_room(place):
            return False
        timers = [(one, last) for one, last in self.facts.timed.items() if place < one < cause]
        return not any(last or self._acknowledged_at(one) < cause for one, last in timers)

    def _sent_at(self, begin: int, seq: int) -> int:
        """The place of the near side's data of this number, 0 where there are none."""
        for at, one in enumerate(self.facts.sightings[begin:], begin):
            if one.side == self.facts.near and one.segment.seq == seq and one.segment.data:
                return at
        return 0

    def _acknowledged_at(self, place: int) -> int:
        """Where the far side acknowledges what was sent here, or the end."""
        seq, later = self.facts.sightings[place].segment.seq, enumerate(self.facts.sightings[place:], place)
        answers = (at for at, one in later if one.side != self.facts.near and distance(seq, one.segment.ack) > 0)
        return next(answers, len(self.facts.sightings))

    def _has_room(self, place: int) -> bool:
        """Whether one segment more fits behind this one: nothing was lost, and no more is sent than may be at first."""
        sent = acked = 1
        window = 0
        for one in self.facts.sightings[: place + 1]:
            segment = one.segment
            if one.side != self.facts.near:
                acked = max(acked, segment.ack)
                window = segment.window << (0 if segment.flags & SYN else self._scale)
            elif segment.data and distance(sent, segment.end) <= 0:
                return False
            else:
                sent = max(sent, segment.end)
        return sent - acked + self.facts.room <= min(window, _FIRST_FLIGHT * self.facts.room)

    @cached_property
    def _scale(self) -> int:
        """The shift of the far side's windows, where both SYNs have one (RFC 7323 2.2)."""
        own, far = (syn.option("wscale") if (syn := self.facts.syn(side)) else None for side in self._sides)
        return min(far.values[0], _MOST_SCALE) if own and far and own.values and far.values else 0

    @property
    def _sides(self) -> tuple[int, int]:
        return self.facts.near, 1 - self.facts.near
