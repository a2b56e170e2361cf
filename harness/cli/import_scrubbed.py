"""finwait import --scrub: a capture written again without what tells whose it was, to be passed on."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from harness.capture.reading import read
from harness.capture.scrubbing import Scrubber
from harness.errors import FinwaitError
from harness.trace.owner import hand_back
from harness.trace.pcapng import interface_block, packet_block, section_block


def write_scrubbed(path: Path, to: Path, console: Console) -> None:
    """Write a capture with other addresses, ports and data, frame by frame; whole, or not at all.

    Raises:
        FinwaitError: it cannot be read, or the other cannot be written.
    """
    part = to.parent / f".{to.name}.{os.getpid()}"
    try:
        frames = _write(path, part)
        part.replace(to)
    except OSError as error:
        raise FinwaitError(f"{to} cannot be written ({error.strerror})") from error
    finally:
        part.unlink(missing_ok=True)
    hand_back(to)
    console.print(f"{to}: {frames} frames, with other addresses, ports and data (docs/captures.md says what stays)")


def _write(path: Path, part: Path) -> int:
    scrubber = Scrubber()
    links: dict[int, int] = {}
    frames = 0
    with part.open("wb") as file:
        file.write(section_block())
        for frame in map(scrubber.scrubbed, read(path)):
            if frame.link not in links:
                links[frame.link] = len(links)
                file.write(interface_block(frame.link))
            file.write(packet_block(frame.at, frame.data, frame.length, links[frame.link]))
            frames += 1
    return frames
