"""finwait import of a capture: tells its connections, and makes programs of one and asks kernels to do it again."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from harness.capture.conversation import Conversation, Conversations, Sighting
from harness.capture.files import Reading
from harness.capture.packets import FRAGMENT
from harness.capture.reading import read
from harness.capture.story import Story
from harness.capture.telling import lines
from harness.cli.import_against import MOST_COMPARED, tell_against
from harness.cli.import_reproduction import USUAL_KERNELS, KernelsByName, reproduce
from harness.cli.import_scrubbed import write_scrubbed
from harness.errors import FinwaitError
from harness.tcp.segment import RST
from reports.columns import Arrow, LadderRow
from reports.ladder import Ladder
from reports.lines import show, width_of

MOST_FRAMES = 2000
"""Frames of one connection that are drawn, or made a program of."""


_SHOWN_EACH = 10_000
_LARGE = 10_000_000
"""Octets of a file whose reading takes a while."""


class Chosen(NamedTuple):
    """A connection of a file, with its frames."""

    story: Story
    sightings: list[Sighting]


def import_capture(
    options: argparse.Namespace, kernels: KernelsByName, folder: Path, checkout: Path, console: Console
) -> int:
    """Tell what is in a capture, and of one connection what happened; the exit status.

    Args:
        options: of the command line.
        kernels: gives the kernels of these names.
        folder: is made for what kernels are asked.
        checkout: the folder with pyproject.toml.
        console: where to.
    """
    stories, chosen = told(options.file, options.connection, console, MOST_COMPARED if options.against else MOST_FRAMES)
    if options.scrub:
        write_scrubbed(options.file, options.scrub, console)
    if chosen is None:
        if options.reproduce or options.save or options.against:
            raise FinwaitError(
                f"{options.file} holds {len(stories)} connections, and none is chosen",
                hint="--connection with a number, a port, or an address and port of those above",
            )
        return 0
    if options.against:
        tell_against(chosen.story, chosen.sightings, options.against, console)
    chosen = chosen._replace(sightings=chosen.sightings[:MOST_FRAMES])
    if not options.against:
        draw(chosen, console)
    if len(chosen.sightings) == MOST_FRAMES:
        console.print(f"only the first {MOST_FRAMES} frames of the connection are drawn, and tried where that is asked")
    if options.reproduce or options.save:
        specs = kernels(options.kernel or USUAL_KERNELS)
        return reproduce(chosen.story, chosen.sightings, options, specs, folder, checkout, console)
    return 0


def told(path: Path, wanted: str, console: Console, most: int) -> tuple[list[Story], Chosen | None]:
    """Print what a file holds; its connections, and the one that is wanted, or the only one, with its first frames."""
    reading, sorting = Reading(), Conversations()
    stories: dict[int, Story] = {}
    kept: list[Sighting] = []
    wanted_numbers: set[int] = set()
    with progress(path, reading, console) as show_it:
        for conversation, sighting in sorting.sort(read(path, reading)):
            story = stories.get(conversation.number)
            if story is None:
                story = stories[conversation.number] = Story(conversation)
                if _is(conversation, wanted) if wanted else conversation.number == 1:
                    wanted_numbers.add(conversation.number)
            story.tell(sighting)
            if conversation.number in wanted_numbers and len(kept) < most:
                kept.append(sighting)
            if not reading.frames % _SHOWN_EACH:
                show_it()
    for line in summary(path, reading, sorting):
        console.print(line)
    matching = [one for one in stories.values() if not wanted or _is(one.conversation, wanted)]
    if wanted and len(matching) != 1:
        known = "; ".join(
            f"{one.conversation.number} {one.conversation.name(0)} {one.conversation.name(1)}"
            for one in list(stories.values())[:5]
        )
        raise FinwaitError(f"{len(matching)} connections are {wanted!r}", why=f"there are {known}", hint="its number")
    for story in matching:
        for line in lines(story):
            console.print(line)
    return list(stories.values()), Chosen(matching[0], kept) if len(matching) == 1 else None


@contextmanager
def progress(path: Path, reading: Reading, console: Console) -> Iterator[Callable[[], None]]:
    """Show on a terminal how far the reading of a large file has come, each time that what is given is called."""
    size = path.stat().st_size if path.is_file() else 0
    if size < _LARGE or not console.is_terminal:
        yield lambda: None
        return
    with console.status(f"reading {path.name}") as status:
        yield lambda: status.update(f"reading {path.name}: {reading.frames} frames, {100 * reading.octets // size} %")


def summary(path: Path, reading: Reading, sorting: Conversations) -> Iterator[str]:
    """What is in a file beside its connections."""
    count = len(sorting.numbered)
    others = ", ".join(f"{number} {_named(what, number)}" for what, number in sorting.others.most_common() if number)
    joined = sorting.fragments.joined
    yield (
        f"{path.name}: {reading.frames} frames, {count} TCP connection{'s' * (count != 1)}"
        + (f"; {joined} segment{'s' * (joined > 1)} put together from fragments" if joined else "")
        + (f"; not TCP: {others}" if others else "")
    )
    if reading.cut:
        yield f"  the file is not whole: {reading.cut}"


def _named(what: str, count: int) -> str:
    if what != FRAGMENT:
        return what
    return f"fragment{'s' * (count > 1)} of segments of which others are missing, so that their numbers are not known"


def _is(conversation: Conversation, wanted: str) -> bool:
    names = [conversation.name(0), conversation.name(1)]
    ports = [str(end[1]) for end in conversation.ends]
    return (
        wanted == str(conversation.number)
        or wanted in names
        or wanted in ports
        or wanted in (" ".join(names), ",".join(names))
    )


def draw(chosen: Chosen, console: Console) -> None:
    """Print a connection as a ladder, the frames beside it."""
    conversation = chosen.story.conversation
    rows = [_row(one) for one in chosen.sightings]
    zero = chosen.sightings[0].at if chosen.sightings else 0
    console.print()
    show(console, Ladder(tuple(rows), zero, (conversation.name(0), conversation.name(1))).lines(width_of(console)))


def _row(sighting: Sighting) -> LadderRow:
    segment = sighting.segment
    style = "red" if segment.flags & RST else "cyan" if sighting.side == 0 else "green"
    arrow = Arrow(sighting.side, 1 - sighting.side, segment.brief, style=style)
    return LadderRow(sighting.at, 1, arrow, side=f"frame {sighting.frame}", side_style="dim")
