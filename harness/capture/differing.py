"""What two captures of a connection tell together, as lines of text. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from harness.capture.against import Crossing, TwoCaptures
from harness.capture.conversation import Sighting
from harness.capture.story import Story, in_words
from harness.tcp.timing import MS, format_ms

_LATE_NS = 10 * MS
"""What takes so much longer than the fastest is told."""

_MOST = 40
"""Segments of a side that are told of; the others are counted."""

_FILES = ("A", "B")


def differences(comparison: TwoCaptures, story: Story) -> Iterator[str]:
    """Where each was captured, and a line for each segment that was lost, late, overtaken, altered or never sent."""
    near, away = story.who(comparison.near), story.who(1 - comparison.near)
    clock = f"B's clock is {format_ms(abs(comparison.ahead))} {'ahead' if comparison.ahead >= 0 else 'behind'}"
    least = f"the way takes {format_ms(comparison.way)} at least"
    yield f"A was captured nearer to {near}, B nearer to {away}; {clock}, if both ways take as long, and {least}"
    for number, count in enumerate(comparison.outside):
        if count:
            yield f"{count} segments of {_FILES[number]} are from a time that {_FILES[1 - number]} does not cover"
    for side in (0, 1):
        sender = _FILES[side != comparison.near]
        yield from _of_side(comparison.crossings[side], story.who(side), sender, "B" if sender == "A" else "A")


def _of_side(crossings: tuple[Crossing, ...], who: str, sender: str, other: str) -> Iterator[str]:
    lost = sum(one.seen is None for one in crossings)
    sent = sum(one.sent is not None for one in crossings)
    late = sum(one.late >= _LATE_NS for one in crossings)
    behind = sum(one.overtaker is not None for one in crossings)
    strange = len(crossings) - sent
    found = [f"{lost} never came" * bool(lost), f"{late} came late" * bool(late)]
    found += [f"{behind} were overtaken" * bool(behind), f"{strange} came that it had not sent" * bool(strange)]
    yield f"of {sent} segments of {who}, {', '.join(filter(None, found)) or 'all came in order and in time'}"
    told = [line for one in crossings for line in _lines(one, who, sender, other)]
    yield from (f"    {line}" for line in told[:_MOST])
    if len(told) > _MOST:
        yield f"    and {len(told) - _MOST} more such lines"


def _lines(one: Crossing, who: str, sender: str, other: str) -> Iterator[str]:
    if one.sent is None or one.seen is None:
        yield from _missing(one, who, sender, other)
        return
    both = (
        f"frame {one.sent.frame} of {sender}, frame {one.seen.frame} of {other}: {in_words(one.sent.segment)} of {who}"
    )
    if one.overtaker:
        yield f"{both} was overtaken by frame {one.overtaker.frame} of {sender}"
    if one.late >= _LATE_NS:
        yield f"{both} came {format_ms(one.late)} later than the fastest"
    if changes := _altered(one.sent, one.seen):
        yield f"{both} was altered on the way: {changes}"


def _missing(one: Crossing, who: str, sender: str, other: str) -> Iterator[str]:
    if one.sent:
        what = f"frame {one.sent.frame} of {sender}: {in_words(one.sent.segment)} of {who}"
        yield f"{what} never came: {other} has it not"
    elif one.seen:
        what = f"frame {one.seen.frame} of {other}: {in_words(one.seen.segment)}, as of {who}, is not in {sender}"
        yield f"{what}: it was made on the way, or {sender} missed it"


def _altered(sent: Sighting, seen: Sighting) -> str:
    old, new = sent.segment, seen.segment
    names = dict.fromkeys(option.name for option in (*old.options, *new.options) if option.name != "nop")
    text = [f"window {old.window} became {new.window}"] if old.window != new.window else []
    for name in names:
        before, after = old.option(name), new.option(name)
        if before != after:
            text.append(f"{before or f'no {name}'} became {after or f'no {name}'}")
    return ", ".join(text)
