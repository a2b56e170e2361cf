"""A connection's story as lines of text. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from harness.capture.story import Story
from harness.tcp.timing import format_ms


def lines(story: Story) -> Iterator[str]:
    """A line for the connection, and one for each frame worth a remark."""
    conversation = story.conversation
    yield f"#{conversation.number}  {conversation.name(0)} -> {conversation.name(1)}: {'; '.join(_parts(story))}"
    for frame, remarks in itertools.groupby(story.remarks, lambda remark: remark.frame):
        yield f"    frame {frame}: {'; '.join(remark.text for remark in remarks)}"
    if (left := sum(story.counted.values()) - len(story.remarks)) > 0:
        yield f"    and {left} more such frames"


def _parts(story: Story) -> Iterator[str]:
    conversation, sides = story.conversation, story.sides
    frames = " and ".join(map(str, story.opening))
    if not conversation.opened:
        yield "it was open before the capture begins"
    elif len(story.opening) > 1:
        yield f"opens in frames {frames}" + ", whose SYNs cross: a simultaneous open (RFC 9293 3.5)" * story.crossed
    elif story.answered:
        yield f"opens in frame {frames}, which answers a SYN that is not in the capture"
    else:
        yield f"opens in frame {frames}, which no SYN answers" if story.opening else "opens"
    yield f"{sides[0].octets} octets there, {sides[1].octets} back"
    yield from story.endings or ["no end in the capture"]
    if again := sum(side.again for side in sides):
        yield f"{again} segment{'s' * (again > 1)} sent again"
    if story.longest[0]:
        yield f"the longest silence is {format_ms(story.longest[0])}, before frame {story.longest[1]}"
    if not all(side.seen for side in sides):
        yield "only one direction is in the capture"
    if conversation.twice:
        yield f"every frame is there twice, and {conversation.twice} copies are left out"
    if wrong := [story.who(side) for side in (0, 1) if sides[side].offloads]:
        yield f"the checksums of {' and '.join(wrong)} are wrong, as those that a network card fills in are"
    damaged = [(story.who(side), sides[side].wrong_sums) for side in (0, 1) if not sides[side].offloads]
    yield from (f"{who} sent {count} with a wrong checksum, so damaged" for who, count in damaged if count)
