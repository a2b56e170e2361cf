"""Which side of a captured connection is the kernel to ask. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from harness.capture.story import Story
from harness.errors import FinwaitError


def near_side(story: Story, endpoint: str = "") -> tuple[int, str]:
    """The side, 0 or 1, and why it is that one.

    Args:
        story: of the whole connection.
        endpoint: an address, or an address and port; empty where the capture has to tell.

    Raises:
        FinwaitError: neither side or both have that address.
    """
    names = [story.conversation.name(side) for side in (0, 1)]
    if endpoint:
        addresses = [name.rpartition(":")[0].strip("[]") for name in names]
        fitting = [side for side in (0, 1) if endpoint in (names[side], addresses[side])]
        if len(fitting) != 1:
            raise FinwaitError(f"--endpoint {endpoint} is not one side of the connection", hint=" or ".join(names))
        return fitting[0], "--endpoint says so"
    return next(_signs(story))


def _signs(story: Story) -> Iterator[tuple[int, str]]:
    """What tells which side it is, the surest first."""
    if story.suspect is not None:
        yield story.suspect, "it left a segment unacknowledged that had come to it, or was to"
    if story.host is not None:
        yield story.host, "frames that are larger than a segment say that the capture was taken on its machine"
    sums = [side.offloads for side in story.sides]
    if sums[0] != sums[1]:
        yield int(sums[1]), "its checksums are left to a network card: the capture was taken on its machine"
    seen = [side.seen for side in story.sides]
    if seen[0] != seen[1]:
        yield int(seen[1]), "the capture has nothing of the other"
    if story.crossed:
        yield 0, "both open at once, it first; --endpoint names the other"
    if story.conversation.opened:
        yield 1, "it was asked to open the connection; --endpoint names the other"
    yield 1, "it answered first, as far as the capture goes; --endpoint names the other"
