"""In which order the far side's segments can have reached the near one. Pure.

A capture shows the order at one place. Where it was taken away from the near side, what that side answers tells more:
a segment that it does not acknowledge had not come yet, or was lost, or was dropped.
"""

from __future__ import annotations

from typing import NamedTuple

from harness.capture.conversation import Sighting
from harness.tcp.segment import ACK, FIN, RST, SYN, distance
from harness.tcp.timing import MS

_ON_THE_WAY_NS = 10 * MS
"""What one side sends so soon after the other, without having heard it, has crossed it."""

_MOST = 3
"""Segments of the far side whose fate is asked; each doubles the orders."""


class Arrivals(NamedTuple):
    """An order of a connection's segments, as the near side has to have seen them.

    Args:
        words: how it differs from the capture's.
        sightings: in that order.
    """

    words: str
    sightings: tuple[Sighting, ...]


def orders(sightings: list[Sighting], near: int) -> list[Arrivals]:
    """All orders worth trying, that of the capture first."""
    begun = _crossed(sightings, near)
    found = [Arrivals("in the order of the capture", tuple(begun))]
    for sighting in [one for one in begun if _unheard(one, begun, near)][:_MOST]:
        place = begun.index(sighting)
        rest = begun[:place] + begun[place + 1 :]
        if (behind := _overtaker(sighting, begun, near)) is not None:
            put = rest.index(behind) + 1
            late = [*rest[:put], sighting, *rest[put:]]
            found.append(Arrivals(f"frame {behind.frame} overtakes frame {sighting.frame}", tuple(late)))
        found.append(Arrivals(f"frame {sighting.frame} is lost", tuple(rest)))
    if ignored := _ignored(begun, near):
        frames = ", ".join(str(one.frame) for one in ignored[:_MOST]) + " ..." * (len(ignored) > _MOST)
        kept = tuple(one for one in begun if one not in ignored)
        found.append(Arrivals(f"frame{'s' * (len(ignored) > 1)} {frames} {_are(ignored)} lost", kept))
    return found


def _are(several: list[Sighting]) -> str:
    return "are" if len(several) > 1 else "is"


def _ignored(sightings: list[Sighting], near: int) -> list[Sighting]:
    """The far side's pure ACKs of what a timer of the near side sends again all the same."""
    found: list[Sighting] = []
    for place, one in enumerate(sightings):
        if one.side == near or one.length or one.segment.flags & (SYN | RST):
            continue
        again = next((later for later in sightings[place:] if later.side == near and later.length), None)
        if again is not None and distance(again.segment.next_seq, one.segment.ack) >= 0:
            found.append(one)
    return found


def _crossed(sightings: list[Sighting], near: int) -> list[Sighting]:
    """The capture's order, but what the near side sent without knowing of a segment stands before it."""
    keys: list[tuple[int, int, int]] = []
    latest = 0
    for place, sighting in enumerate(sightings):
        if sighting.side == near:
            keys.append((place, 0, place))
            continue
        until = place
        for later in range(place + 1, len(sightings)):
            if sightings[later].at - sighting.at >= _ON_THE_WAY_NS:
                break
            if sightings[later].side == near and _crosses(sighting, sightings[later]):
                until = later
        latest = max(latest, until)  # what comes behind one that was on its way was so too
        keys.append((latest, 1, place))
    return [sightings[place] for _, _, place in sorted(keys)]


def _crosses(far: Sighting, near: Sighting) -> bool:
    """Whether the near side sent this of its own accord while the other was on its way."""
    soon = 0 < near.at - far.at < _ON_THE_WAY_NS and near.frame > far.frame
    if not soon:
        return False
    flags = far.segment.flags | near.segment.flags
    if flags & SYN:
        return bool(far.segment.flags & near.segment.flags & SYN and not flags & ACK)  # a simultaneous open
    return bool(far.length and near.length and _without(far, near))


def _without(far: Sighting, near: Sighting) -> bool:
    return bool(near.segment.flags & ACK) and distance(near.segment.ack, far.segment.next_seq) > 0


def _unheard(far: Sighting, sightings: list[Sighting], near: int) -> bool:
    """Whether the near side goes on without it until it comes again."""
    if far.side == near or not far.length or far.segment.flags & (SYN | RST):
        return False
    later = sightings[sightings.index(far) + 1 :]
    again = next((one for one in later if one.side != near and one.segment.seq == far.segment.seq and one.length), None)
    if again is None:
        return False
    between = [one for one in later[: later.index(again)] if one.side == near]
    return all(_without(far, one) for one in between)


def _overtaker(far: Sighting, sightings: list[Sighting], near: int) -> Sighting | None:
    """What came before it, where the near side's next answer leaves it out."""
    found: Sighting | None = None
    for one in sightings[sightings.index(far) + 1 :]:
        if one.side == near and not one.length and _without(far, one):
            return found
        if one.side != near and one.at - far.at < 5 * _ON_THE_WAY_NS and not one.segment.flags & FIN:
            found = one
        elif one.side == near and one.length == 0:
            return None
    return None
