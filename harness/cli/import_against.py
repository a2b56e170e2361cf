"""finwait import --against: two captures of one connection, from its two ends, compared."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from rich.console import Console

from harness.capture.against import compared, rebased
from harness.capture.conversation import Conversation, Conversations, Sighting
from harness.capture.differing import differences
from harness.capture.facts import Facts
from harness.capture.reading import read
from harness.capture.story import Story
from harness.errors import FinwaitError

MOST_COMPARED = 20_000
"""Segments of one connection that are compared."""


def tell_against(story: Story, sightings: list[Sighting], path: Path, console: Console) -> None:
    """Print what one side sent and the other did not see, or saw later, altered, or in another order.

    Args:
        story: of the connection in the first capture, A.
        sightings: its segments there.
        path: of the second, B.
        console: where to.

    Raises:
        FinwaitError: B cannot be read, or has not the connection.
    """
    conversation = story.conversation
    kept: dict[int, list[Sighting]] = defaultdict(list)
    likely: dict[int, Conversation] = {}
    for other, sighting in Conversations().sort(read(path)):
        if _likely(other, conversation):
            likely[other.number] = other
            if len(kept[other.number]) < MOST_COMPARED:
                kept[other.number].append(sighting)
    same = [one for one in likely.values() if _same_numbers(one, conversation)] or list(likely.values())
    if len(same) != 1:
        what = f"{path.name} has {len(same)} connections that can be {conversation.name(0)} {conversation.name(1)}"
        raise FinwaitError(what, why="addresses and ports are others, or the same again", hint="another file")
    (other,) = same
    theirs = rebased(kept[other.number], other, conversation)
    room = min(Facts(conversation, half, 0).room for half in (sightings, theirs))
    found = compared(sightings, theirs, room)
    console.print()
    if found is None:
        console.print(f"no segment of the connection is in {path.name} too")
        return
    console.print(f"A is this file, B {path.name}, connection {other.number}")
    for line in differences(found, story):
        console.print(line)


def _likely(other: Conversation, one: Conversation) -> bool:
    return set(other.ends) == set(one.ends) or _same_numbers(other, one)


def _same_numbers(other: Conversation, one: Conversation) -> bool:
    """Whether they begin alike: what translates addresses leaves these."""
    return one.opened and other.opened and other.first[0].isn is not None and other.first[0].isn == one.first[0].isn
