"""Whatever a capture holds is told, drawn, made programs of and scrubbed as far as it goes, without a traceback."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from harness.capture.trying import hypotheses
from harness.cli.import_against import tell_against
from harness.cli.import_capture import MOST_FRAMES, draw, told
from harness.cli.import_scrubbed import write_scrubbed
from harness.errors import FinwaitError
from harness.tcp.segment import ACK, FIN, NONE, PSH, RST, SYN, URG, Flags
from harness.tcp.timing import DAY
from tests.capture.captures import ethernet, packet, segment
from tests.capture.test_reading import block, section

HEADS = {
    **dict.fromkeys((12, 101, 127, 147, 228, 229), b""),
    0: struct.pack("<I", 2),
    108: struct.pack(">I", 2),
    1: ethernet(b""),
    113: bytes(14) + b"\x08\x00",
    276: b"\x08\x00" + bytes(18),
}
"""What stands before IP, by link type."""

OPTIONS = [b"", b"\5\2\1\1", b"\x08\0\1\1", b"\5\0\1\1", b"\2\3\1\0", b"\3\3\xff\0", b"\xfe\6abcd\1\1"]
"""None, a SACK and others of no length or a wrong one, and an experiment."""

FLAGS = [SYN, SYN | ACK, ACK, PSH | ACK, FIN | ACK, RST, RST | ACK, FIN, NONE, URG | ACK, SYN | FIN, Flags(0x1FF)]
NUMBERS = st.one_of(st.integers(0, 3000), st.sampled_from([2**31 - 1, 2**31, 2**32 - 1]))


@st.composite
def packets(some: st.DrawFn) -> bytes:
    """A segment with any options, damaged or not; or anything at all."""
    window, data = some(st.sampled_from([0, 1, 65535])), some(st.binary(max_size=30))
    one = segment(some(st.sampled_from(FLAGS)), some(NUMBERS), some(NUMBERS), data, window=window)
    raw = bytearray(packet(some(st.integers(0, 1)), one))
    options = some(st.sampled_from(OPTIONS))
    raw[40:40] = options
    raw[32] = (5 + len(options) // 4) << 4
    for place, value in some(st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), max_size=2)):
        raw[place % len(raw)] = value
    return some(st.one_of(st.just(bytes(raw)), st.binary(max_size=80)))


@st.composite
def files(some: st.DrawFn) -> bytes:
    """Frames of several sections and links, cut off or not."""
    content = b""
    several = st.tuples(st.sampled_from(sorted(HEADS)), st.lists(packets(), max_size=8))
    for link, those in some(st.lists(several, min_size=1, max_size=3)):
        content += section("<", link=link)
        for data in (HEADS[link] + one for one in those):
            stamp, more = some(st.integers(0, 10**12)), some(st.sampled_from([0, 0, 900]))
            head = struct.pack("<IIIII", 0, stamp >> 32, stamp & 0xFFFFFFFF, len(data), len(data) + more)
            content += block(6, head + data, "<")
    return content[: len(content) - some(st.sampled_from([0, 0, 0, 1, 5, 40]))]


def survives(path: Path) -> None:
    """All that a command does with a file but for asking a kernel."""
    console = Console(file=io.StringIO(), width=120)
    with suppress(FinwaitError):
        stories, _ = told(path, "", console, MOST_FRAMES)
        for story in stories:
            _, chosen = told(path, str(story.conversation.number), console, MOST_FRAMES)
            if chosen is None:
                continue
            draw(chosen, console)
            tell_against(story, chosen.sightings, path, console)
            for near in (0, 1):
                for found in hypotheses(story.conversation, chosen.sightings, near, DAY)[:2]:
                    compile(found.text("x"), "x", "exec")
    with suppress(FinwaitError):
        write_scrubbed(path, path.with_name("scrubbed"), console)


@settings(max_examples=25, deadline=None)
@given(files())
def test_anything_is_survived(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "anything"
    path.write_bytes(content)
    survives(path)
