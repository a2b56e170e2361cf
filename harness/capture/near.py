"""Which side of a captured connection is the kernel to ask. Pure."""

from __future__ import annotations

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
    if story.suspect is not None:
        return story.suspect, "it left a segment unacknowledged that had come to it, or was to"
    if story.host is not None:
        return story.host, "its frames are larger than a segment: the capture was taken on its machine"
    sums = [side.wrong_sums for side in story.sides]
    if bool(sums[0]) != bool(sums[1]):
        side = int(bool(sums[1]))
        return side, "its checksums are left to a network card: the capture was taken on its machine"
    if story.conversation.opened:
        return 1, "it was asked to open the connection; --endpoint names the other"
    return 1, "it answered first, as far as the capture goes; --endpoint names the other"
