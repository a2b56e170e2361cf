"""What the frames of a captured connection tell together: of its options, and of the near side's process. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import msgspec

from harness.capture.conversation import Conversation, Sighting
from harness.capture.timers import TimerView
from harness.errors import FinwaitError
from harness.program.steps import Joined, Ref, Value
from harness.tcp.options import Option, encode_options, format_options, parse_options
from harness.tcp.segment import ACK, FIN, PSH, RST, SYN, Segment, add, distance
from harness.tcp.timing import MS

_USUAL_MSS = 1460
_STAMP_LENGTH = 12  # with the padding that all stacks put before it (RFC 7323 appendix A)
_AT_ONCE_NS = MS
_PARTS = {"mss", "sackOK", "wscale", "TS", "nop", "sack"}


@dataclass(frozen=True)
class Facts:
    """A connection, its segments in the order in which the near side has to have seen them, and which side that is."""

    conversation: Conversation
    sightings: list[Sighting]
    near: int

    @property
    def active(self) -> bool:
        """Whether the near side opens."""
        own = self.syn(self.near)
        opens = own is not None and not own.flags & ACK  # in a simultaneous open both do (RFC 9293 3.5)
        return (opens or (self.near == 0 and self.conversation.opened)) and not self.refused

    def syn(self, side: int) -> Segment | None:
        """The SYN of a side, if the capture has it."""
        return next((one.segment for one in self.sightings if one.side == side and one.segment.flags & SYN), None)

    @cached_property
    def mss(self) -> int:
        """What both sides announced at most, so that the lab's segments are as long as the capture's."""
        found = [syn.option("mss") for side in (0, 1) if (syn := self.syn(side))]
        return min([one.values[0] for one in found if one and one.values and one.values[0]] or [_USUAL_MSS])

    @cached_property
    def room(self) -> int:
        """Octets of data that fill a segment."""
        return max(1, self.mss - _STAMP_LENGTH * self.stamped)

    @cached_property
    def stamped(self) -> bool:
        """Whether both sides' segments carry timestamps."""
        seen = {one.side for one in self.sightings if one.segment.option("TS") and not one.segment.flags & RST}
        return seen == {0, 1}

    @cached_property
    def far_end(self) -> int:
        """The number behind the far side's data."""
        return max((one.segment.end for one in self.sightings if one.side != self.near and one.segment.data), default=0)

    @cached_property
    def without_nagle(self) -> bool:
        """Whether the near side sends a short segment while another is not acknowledged (RFC 9293 3.7.4)."""
        short = acked = 0
        for side, segment in ((one.side, one.segment) for one in self.sightings):
            if side != self.near:
                acked = max(acked, segment.ack * bool(segment.flags & ACK))
            elif len(segment.data) % self.room and not segment.flags & FIN:
                if acked < short <= segment.seq:
                    return True
                short = max(short, segment.end)
        return False

    @cached_property
    def _by_a_timer(self) -> dict[int, bool]:
        """Where a timer has the near side send something again, and whether that was the last of its flight."""
        view, found = TimerView(self.near), {}
        for place, sighting in enumerate(self.sightings):
            segment = sighting.segment
            if segment.data and view.by_a_timer(sighting) and view.again(segment):
                found[place] = segment.next_seq == view.sent
            view.tell(sighting)
        return found

    @cached_property
    def without_probes(self) -> bool:
        """Whether a timer has it send something again that is not the last of its flight (RFC 8985 7.3)."""
        first = True
        for place, sighting in enumerate(self.sightings):
            if sighting.side != self.near:
                first = True
            elif place in self._by_a_timer:
                if first and not self._by_a_timer[place]:
                    return True
                first = False
        return False

    @cached_property
    def refused(self) -> bool:
        """Whether nobody listened: the near side sent RSTs alone."""
        own = [one.segment for one in self.sightings if one.side == self.near]
        return bool(own) and all(one.flags & RST for one in own)

    def damaged(self, sighting: Sighting) -> bool:
        """Whether a segment of the far side came with a wrong checksum, where most of its others did not."""
        sums = [one.segment.checksum is not None for one in self.sightings if one.side != self.near and not one.cut]
        return sighting.segment.checksum is not None and not sighting.cut and 2 * sum(sums) <= len(sums)

    @cached_property
    def _behind_fins(self) -> set[int]:
        """The numbers behind the far side's FINs."""
        found = (one.segment for one in self.sightings if one.side != self.near)
        return {one.next_seq for one in found if one.flags & FIN}

    def acknowledges_a_fin(self, segment: Segment) -> bool:
        """Whether a segment of the near side is the ACK of the far side's FIN."""
        return segment.ack in self._behind_fins

    def ends_at(self, ack: int) -> bool:
        """Whether an acknowledgment takes the far side's FIN, or the last number of all, which can have been it."""
        if self._behind_fins:
            return ack in self._behind_fins
        acks = [one.segment.ack for one in self.sightings if one.side == self.near and one.segment.flags & ACK]
        return ack == self.far_end + 1 and ack == max(acks, key=lambda one: distance(ack, one))

    def written(self, place: int) -> tuple[int, bool]:
        """How many octets one call sends from the sighting at this place on, and whether a FIN is in the last segment.

        A call's data end where a segment is not full, or has PSH, no full one is right behind it, and none waits.
        """
        begin = until = self.sightings[place].segment.seq
        for at, sighting in enumerate(self.sightings[place:], place):
            segment = sighting.segment
            if sighting.side == self.near and segment.seq == until and segment.data:
                until = segment.end
                ends = segment.flags & PSH and not self._goes_on(at) and not self._waits(at, until)
                if len(segment.data) % self.room or segment.flags & FIN or ends:
                    return distance(begin, until), bool(segment.flags & FIN)
        return distance(begin, until), False

    def _goes_on(self, place: int) -> bool:
        """Whether a full segment follows at once; Linux sets PSH in one that is all of a buffer."""
        now, later = self.sightings[place], self.sightings[place + 1 : place + 2]
        return any(
            one.side == self.near
            and one.segment.seq == now.segment.end
            and len(one.segment.data) == self.room
            and one.at - now.at < _AT_ONCE_NS
            for one in later
        )

    def _waits(self, place: int, until: int) -> bool:
        """Whether the data behind had waited for a window: an ACK has them sent at once, which no call does.

        What a timer had sent again meanwhile says that none waited: a tail loss probe sends them (RFC 8985 7.3), and so
        does F-RTO behind the first ACK (RFC 5682 2.1).
        """
        later = range(place + 1, len(self.sightings))
        own = (at for at in later if self.sightings[at].side == self.near and self.sightings[at].segment.seq == until)
        at = next((at for at in own if self.sightings[at].segment.data), 0)
        cause = self.sightings[at - 1]
        waited = at > 0 and cause.side != self.near and not cause.length
        waited = waited and not any(place < one < at for one in self._by_a_timer)
        return waited and self.sightings[at].at - cause.at < _AT_ONCE_NS

    def options(self, segment: Segment) -> tuple[Value, bool]:
        """The options of a segment of the far side as its peer sends them, and whether all could be read.

        Its timestamps are the capture's; what they echo is the lab's. It announces the smaller MSS of the two.
        """
        options, whole = segment.options, True
        try:
            encode_options(parse_options(format_options(options)))
        except FinwaitError:
            options, whole = tuple(one for one in options if one.name in _PARTS and _complete(one)), False
        if segment.flags & SYN:
            options = tuple(Option("mss", (self.mss,)) if one.name == "mss" else one for one in options)
        stamp = next((one for one in options if one.name == "TS"), None)
        if stamp is None or not segment.flags & ACK:
            return format_options(options), whole
        before, after = options[: options.index(stamp)], options[options.index(stamp) + 1 :]
        text = ",".join([*map(str, before), f"TS val {stamp.values[0]} ecr "])
        rest = "".join(f",{one}" for one in after)
        return Joined((text, Ref("peer.echo"), *([rest] if rest else []))), whole


def in_parts(segment: Segment, room: int) -> list[Segment]:
    """A frame for several segments, which a network card was to cut or had joined, as those segments."""
    if len(segment.data) <= room:
        return [segment]
    starts = range(0, len(segment.data), room)
    parts = [
        msgspec.structs.replace(
            segment,
            seq=add(segment.seq, start),
            data=segment.data[start : start + room],
            flags=segment.flags & ~(FIN | PSH | SYN * (start > 0)),
        )
        for start in starts
    ]
    last = msgspec.structs.replace(parts[-1], flags=segment.flags & ~(SYN * (len(parts) > 1)))
    return [*parts[:-1], last]


def _complete(option: Option) -> bool:
    return bool(option.values) or option.name in ("sackOK", "nop")
