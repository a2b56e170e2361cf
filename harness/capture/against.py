"""Two captures of one connection, one from each end: what one side sent and the other saw, when, in which order. Pure.

Each capture has a clock of its own. The least time that anything takes there and the least that it takes back, both by
these two clocks, tell how far apart they are, if both ways take as long.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from harness.capture.conversation import Conversation, Sighting
from harness.capture.facts import in_parts
from harness.tcp.relative import FirstNumbers, to_wire
from harness.tcp.segment import PSH, distance
from harness.tcp.timing import MS

_NOT_YET_NS = 5 * MS
"""How much before it was sent a segment may be seen: the clocks drift."""

_Key = tuple[int, int, int, int, int]


class Crossing(NamedTuple):
    """One segment in both captures, or in one of them.

    Args:
        sent: as its sender's capture has it; None where it has it not.
        seen: as the other's has it.
        late: ns that it took longer than the fastest; 0 where one is missing.
        overtaker: what was sent behind it, and seen before it.
    """

    sent: Sighting | None
    seen: Sighting | None
    late: int = 0
    overtaker: Sighting | None = None


class TwoCaptures(NamedTuple):
    """What two captures of a connection tell together.

    Args:
        near: the side to which the first capture is nearer; the second is nearer to the other.
        ahead: how many ns the second's clock is ahead of the first's, if both ways take as long.
        way: the least time in ns from the one place to the other.
        crossings: of each side, in the order in which it sent them, or they were seen.
        outside: how many segments of the first and of the second fall into a time that the other does not cover.
    """

    near: int
    ahead: int
    way: int
    crossings: tuple[tuple[Crossing, ...], tuple[Crossing, ...]]
    outside: tuple[int, int]


def compared(first: Sequence[Sighting], second: Sequence[Sighting], room: int) -> TwoCaptures | None:
    """Match the segments of two captures; None where no segment is in both.

    Args:
        first: of one capture, in its order.
        second: of the other.
        room: octets of data that fill a segment: a frame with more stands for several.
    """
    halves = [
        [msgspec.structs.replace(one, segment=part) for one in half for part in in_parts(one.segment, room)]
        for half in (first, second)
    ]
    keyed = [_by_key(half) for half in halves]
    delays: tuple[list[int], list[int]] = ([], [])
    for key in keyed[0].keys() & keyed[1].keys():
        if len(keyed[0][key]) == len(keyed[1][key]) == 1:  # or one of them may be another's second try
            delays[key[0]].append(keyed[1][key][0].at - keyed[0][key][0].at)
    if not any(delays):
        return None
    near = int(all(delays) and statistics.median(delays[1]) > statistics.median(delays[0]))
    there, back = delays[near], delays[1 - near]
    least, most = min(there or back), max(back or there)
    ahead, way = (least + most) // 2, max(0, least - most) // 2
    # from here on by the first's clock
    halves[1] = [msgspec.structs.replace(one, at=one.at - ahead) for one in halves[1]]
    crossings: list[tuple[Crossing, ...]] = []
    outside = [0, 0]
    for side in (0, 1):
        sender = int(side != near)
        sent, seen = ([one for one in halves[half] if one.side == side] for half in (sender, 1 - sender))
        found, left_sent = _within(_paired(sent, seen, way), halves[1 - sender], way)
        found, left_seen = _within(found, halves[sender], -way, seen=True)
        outside[sender] += left_sent
        outside[1 - sender] += left_seen
        crossings.append(tuple(found))
    return TwoCaptures(near, ahead, way, (crossings[0], crossings[1]), (outside[0], outside[1]))


def rebased(sightings: Sequence[Sighting], of: Conversation, to: Conversation) -> list[Sighting]:
    """A connection's segments with the sides and the relative numbers that another capture gives it."""
    turned = of.ends[0] != to.ends[0] and of.ends[0] == to.ends[1]
    shifts = [FirstNumbers(_shift(of.first[side].isn, to.first[side ^ turned].isn)) for side in (0, 1)]
    return [
        msgspec.structs.replace(
            one, side=one.side ^ turned, segment=to_wire(one.segment, shifts[one.side], shifts[1 - one.side])
        )
        for one in sightings
    ]


def _shift(of: int | None, to: int | None) -> int:
    return 0 if of is None or to is None else distance(to, of)


def _key(one: Sighting) -> _Key:
    segment = one.segment
    return one.side, segment.flags & ~PSH, segment.seq, segment.ack, len(segment.data)


def _by_key(half: Sequence[Sighting]) -> dict[_Key, list[Sighting]]:
    found: dict[_Key, list[Sighting]] = defaultdict(list)
    for one in half:
        found[_key(one)].append(one)
    return found


def _paired(sent: list[Sighting], seen: list[Sighting], way: int) -> list[Crossing]:
    """Of segments that are alike, each that was seen is the last one that had been sent by then with its timestamp."""
    waiting = _by_key(sent)
    source: dict[int, Sighting] = {}
    for place in reversed(range(len(seen))):
        ones = waiting.get(_key(seen[place]), [])
        by_then = [n for n in reversed(range(len(ones))) if ones[n].at + way <= seen[place].at + _NOT_YET_NS]
        stamp = seen[place].segment.option("TS")  # tells one from its second try, unless a box on the way alters it
        at = next((n for n in by_then if ones[n].segment.option("TS") == stamp), by_then[0] if by_then else None)
        if at is not None:
            source[place] = ones.pop(at)
    places = {id(one): place for place, one in source.items()}
    found: list[Crossing] = []
    first = len(seen)
    overtaker: Sighting | None = None
    for one in reversed(sent):
        place = places.get(id(one), -1)
        if place < 0:
            found.append(Crossing(one, None))
            continue
        late = max(0, seen[place].at - one.at - way)
        found.append(Crossing(one, seen[place], late, overtaker if place > first else None))
        if place < first:
            first, overtaker = place, one
    return _with_unsent(found[::-1], seen, places)


def _with_unsent(found: list[Crossing], seen: list[Sighting], places: dict[int, int]) -> list[Crossing]:
    """What was seen and not sent, behind what was sent last of all that was seen before it."""
    by_place = {places[id(one.sent)]: n for n, one in enumerate(found) if id(one.sent) in places}
    behind: dict[int, list[Crossing]] = defaultdict(list)
    last = -1
    for place, one in enumerate(seen):
        if place in by_place:
            last = max(last, by_place[place])
        else:
            behind[last].append(Crossing(None, one))
    return [*behind[-1], *(each for n, one in enumerate(found) for each in (one, *behind[n]))]


def _within(
    found: list[Crossing], other: list[Sighting], way: int, *, seen: bool = False
) -> tuple[list[Crossing], int]:
    """Without what the other capture lacks since it does not cover that time; and how many those are."""
    times = [one.at for one in other]
    begin, end = min(times), max(times)

    def covered(one: Crossing) -> bool:
        missing = one.seen if seen else one.sent
        there = one.sent if seen else one.seen
        return there is not None or missing is None or begin <= missing.at + way <= end

    kept = [one for one in found if covered(one)]
    return kept, len(found) - len(kept)
