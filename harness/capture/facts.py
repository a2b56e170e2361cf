"""What the frames of a captured connection tell together: of its options, and of the near side's process. Pure."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import msgspec

from harness.capture.conversation import Conversation, Sighting
from harness.capture.timers import TimerView, backoffs
from harness.errors import FinwaitError
from harness.program.steps import Joined, Ref, Value
from harness.tcp.options import Option, encode_options, format_options, parse_options
from harness.tcp.segment import ACK, FIN, PSH, RST, SYN, Segment, add, distance

_USUAL_MSS = 1460
_STAMP_LENGTH = 12  # with the padding that all stacks put before it (RFC 7323 appendix A)
_LEAST_USUAL_WINDOW = 13_000  # what Linux offers at first where nobody sets a buffer is more
_DOUBLED = 1.7  # a timer's second pause to its first, at least, where it backs off (RFC 6298 5.5)
_MOST_SCALE = 14  # RFC 7323 2.3
_PARTS = {"mss", "sackOK", "wscale", "TS", "nop", "sack"}


@dataclass(frozen=True)
class Facts:
    """A connection as its near side has to have seen it.

    Args:
        conversation: which.
        sightings: its segments, in the order in which they reached that side, or left it.
        near: the side.
        records: whether its calls may have ended records.
    """

    conversation: Conversation
    sightings: list[Sighting]
    near: int
    records: bool = True

    @property
    def active(self) -> bool:
        """Whether the near side opens."""
        own = self.syn(self.near)
        opens = own is not None and not own.flags & ACK  # in a simultaneous open both do (RFC 9293 3.5)
        return (opens or (self.near == 0 and self.conversation.opened)) and not self.refused

    def syn(self, side: int) -> Segment | None:
        """The SYN of a side, if the capture has it."""
        return next((one.segment for one in self.sightings if one.side == side and one.segment.flags & SYN), None)

    @property
    def syns(self) -> int:
        """How often the near side sends its SYN."""
        return sum(one.side == self.near and bool(one.segment.flags & SYN) for one in self.sightings)

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
        full = (one.segment for one in self.sightings if one.side != self.near and one.segment.data)
        return max((one.end + bool(one.flags & SYN) for one in full), default=0)

    @cached_property
    def lacking(self) -> int:
        """The highest number that the near side acknowledges, where the capture lost what is before it; else 0."""
        own = (one.segment for one in self.sightings if one.side == self.near)
        known = max((one.segment.next_seq for one in self.sightings if one.side != self.near), default=0)
        highest = max((one.ack for one in own if one.flags & (SYN | RST | ACK) == ACK), default=0)
        return highest if distance(max(1, known), highest) > 0 else 0

    @cached_property
    def late_fin(self) -> int:
        """The number behind the far side's FIN where what is sent acknowledges it first, and no ACK alone; else 0."""
        for one in self.sightings:
            acknowledges = one.side == self.near and one.segment.flags & (SYN | ACK) == ACK
            if acknowledges and self.acknowledges_a_fin(one.segment):
                return one.segment.ack if one.length else 0
        return 0

    @cached_property
    def octets(self) -> int:
        """Of data that the near side sent, each once."""
        return max(
            (one.segment.end - 1 for one in self.sightings if one.side == self.near and one.segment.data), default=0
        )

    @cached_property
    def receive_buffer(self) -> int:
        """The SO_RCVBUF that has the near side offer as little as it does; 0 where it may be the system's."""
        syn = self.syn(self.near)
        scale = syn.option("wscale") if syn else None
        shift = min(scale.values[0], _MOST_SCALE) if scale and scale.values else 0
        own = [one.segment for one in self.sightings if one.side == self.near and not one.segment.flags & RST]
        if syn is None or not own or syn.window > _LEAST_USUAL_WINDOW:
            return 0
        most = max(one.window << (0 if one.flags & SYN else shift) for one in own)
        if most > 2 * max(syn.window, self.mss):
            return 0
        # it is rounded down to whole segments; people name powers of two
        power = 1 << (syn.window + self.mss - 1).bit_length() - 1
        return power if power >= syn.window else syn.window + self.mss // 2

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
    def timed(self) -> dict[int, bool]:
        """Where a timer has the near side send something again, and whether that was the last of its flight."""
        view, found, last = TimerView(self.near), {}, 0
        for place, sighting in enumerate(self.sightings):
            segment = sighting.segment
            if segment.data and view.by_a_timer(sighting) and view.again(segment):
                found[place] = segment.seq == last
            elif sighting.side == self.near and sighting.length and distance(view.sent, segment.next_seq) > 0:
                last = segment.seq
            view.tell(sighting)
        return found

    def by_a_timer(self, place: int) -> bool:
        """Whether a timer has the near side send again what stands at this place."""
        return place in self.timed

    @cached_property
    def fast_open(self) -> bool:
        """Whether the near side takes data that come with the far side's SYN (RFC 7413)."""
        syn, own = self.syn(1 - self.near), self.syn(self.near)
        taken = syn is not None and own is not None and bool(syn.data and own.flags & ACK)
        return taken and distance(1, own.ack if own else 0) > 0

    @cached_property
    def without_probes(self) -> bool:
        """Whether the first of a flight that a timer sends again is not a probe of its last (RFC 8985 7.3).

        Else it is that one, and the timer behind it begins as it did, and not with twice the time.
        """
        first = True
        for place, sighting in enumerate(self.sightings):
            if sighting.side != self.near:
                first = True
            elif place in self.timed:
                if first and not self.timed[place]:
                    return True
                first = False
        return any(len(row) > 1 and row[1] >= _DOUBLED * row[0] for row in backoffs(self.sightings, self.near))

    @cached_property
    def refused(self) -> bool:
        """Whether nobody listened: the near side sent RSTs alone."""
        own = [one.segment for one in self.sightings if one.side == self.near]
        return bool(own) and all(one.flags & RST for one in own)

    def takes_more(self, place: int) -> bool:
        """Whether the near side's window is open behind the segment at this place."""
        later = (one.segment for one in self.sightings[place + 1 :] if one.side == self.near)
        return any(one.window > 0 and not one.flags & RST for one in itertools.islice(later, 1))

    def forgotten(self, place: int) -> bool:
        """Whether the near side knows nothing of a connection any more that the segment at this place is to open."""
        later = [one.segment for one in self.sightings[place:] if one.side == self.near]
        return bool(later) and all(one.flags & (RST | ACK) == RST for one in later)

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
