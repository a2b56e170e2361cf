"""The far side's segments that a capture has not, and that its near side has to have seen. Pure.

They have the frame number 0. Data that are not in the capture are another thing: see ``FarSide.fill``.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from harness.capture.conversation import Sighting
from harness.tcp.options import Option
from harness.tcp.segment import ACK, RST, SYN, Segment, distance
from harness.tcp.timing import MS

ASSUMED = 0
"""The frame number of what is in no frame."""

_PAUSE_NS = MS
_WINDOW = 65535
_MSS, _SCALE = Option("mss", (1460,)), Option("wscale", (7,))


def completed(sightings: list[Sighting], near: int) -> list[Sighting]:
    """With what of the opening is missing of the far side; where all of it is, with its ACKs.

    Of a SYN whose options the snap length cut off, the usual ones are assumed.
    """
    sightings = [_with_options(one, sightings) if one.segment.flags & SYN and one.cut else one for one in sightings]
    opening = next((one for one in sightings if one.side == near and one.segment.flags & SYN), None)
    others = [one for one in sightings if one.side != near]
    if opening is None or any(one.segment.flags & SYN for one in others):
        return sightings
    if not opening.segment.flags & ACK and not _goes_on(sightings, opening):
        return sightings
    found: list[Sighting] = []
    for one in sightings:
        if not others:
            found += _acknowledged(found, one)
        before, behind = _around(opening, sightings) if one is opening else ((), ())
        found += [*before, one, *behind]
    return found


def _with_options(one: Sighting, sightings: list[Sighting]) -> Sighting:
    later = (other.segment for other in sightings if other.side == one.side and not other.segment.flags & SYN)
    stamp = next((found for other in later if (found := other.option("TS")) and found.values), None)
    stamps = () if stamp is None else (Option("TS", (stamp.values[0], 0)),)
    options = (one.segment.option("mss") or _MSS, Option("sackOK"), *stamps, Option("nop"), _SCALE)
    return msgspec.structs.replace(one, segment=msgspec.structs.replace(one.segment, options=options))


def _goes_on(sightings: list[Sighting], opening: Sighting) -> bool:
    """Whether the near side, which opens, has heard a SYN,ACK."""
    own = (one.segment for one in sightings if one.side == opening.side)
    return any(one.flags & (ACK | RST | SYN) == ACK for one in own)


def _around(opening: Sighting, sightings: list[Sighting]) -> tuple[list[Sighting], list[Sighting]]:
    """What has to have come before and behind the near side's SYN."""
    segment = opening.segment
    if not segment.flags & ACK:
        later = next(one.segment for one in sightings if one.side == opening.side and one.segment.flags & ACK)
        stamp = later.option("TS")
        answer = Segment(flags=SYN | ACK, ack=1, window=_WINDOW, options=_options(segment, stamp))
        return [], [_assumed(opening, answer)]
    asks = Segment(flags=SYN, window=_WINDOW, options=_options(segment, segment.option("TS")))
    follows = sightings[sightings.index(opening) + 1 :]
    first = next((one.segment for one in follows if one.side != opening.side), None)
    opens = first is not None and first.flags & ACK and (first.seq, first.ack) == (1, 1)
    return [_assumed(opening, asks)], [] if opens else [_ack(opening, opening, 1)]


def _options(own: Segment, stamp: Option | None) -> tuple[Option, ...]:
    """Those of the near side's SYN, with a timestamp that it echoes."""
    names = [_MSS]
    names += [Option("sackOK")] if own.option("sackOK") else []
    names += [Option("TS", (stamp.values[1], 0))] if stamp and stamp.values else []
    return (*names, Option("nop"), _SCALE) if own.option("wscale") else tuple(names)


def _acknowledged(before: list[Sighting], one: Sighting) -> Iterator[Sighting]:
    """An ACK of what was sent, where something new comes after a pause."""
    last = before[-1] if before else None
    if last is None or not (last.length and one.length) or last.segment.flags & SYN:
        return
    if one.at - last.at >= _PAUSE_NS and distance(last.segment.next_seq, one.segment.seq) >= 0:
        yield _ack(one, last, last.segment.ack)


def _ack(when: Sighting, of: Sighting, seq: int) -> Sighting:
    stamp = of.segment.option("TS")
    options = (Option("nop"), Option("nop"), Option("TS", (stamp.values[1], 0))) if stamp and stamp.values else ()
    segment = Segment(flags=ACK, seq=seq, ack=of.segment.next_seq, window=_WINDOW, options=options)
    return _assumed(when, segment)


def _assumed(when: Sighting, segment: Segment) -> Sighting:
    return Sighting(ASSUMED, when.at, 1 - when.side, segment)
