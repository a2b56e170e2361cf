"""Captures are read as tcpdump, dumpcap and Wireshark write them; what is none, or not whole, is said in one line."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.capture.conversation import Conversations
from harness.capture.packets import packet_of
from harness.capture.reading import CapturedFrame, Reading, read
from harness.capture.story import Story
from harness.errors import FinwaitError
from harness.tcp.segment import ACK
from harness.trace.events import Frame
from harness.trace.pcapng import pcapng
from tests.capture.captures import HANDSHAKE, INCIDENT, ethernet, packet, pcap, segment, written

SYN = packet(0, HANDSHAKE[0][2])
NANOSECONDS = 0xA1B23C4D


def test_the_times_of_all_three_formats_are_the_same(tmp_path: Path) -> None:
    frames = [(0.25, ethernet(SYN)), (1500.5, ethernet(SYN))]
    began = 1_700_000_000 * 10**9
    whole = pcapng([Frame(began + round(at * 1e6), True, data) for at, data in frames], "")
    for content in (pcap(frames), pcap(frames, magic=NANOSECONDS), whole, gzip.compress(pcap(frames))):
        (tmp_path / "x").write_bytes(content)
        found = list(read(tmp_path / "x"))
        assert [(one.number, one.at - began, one.data) for one in found] == [
            (1, 250_000, ethernet(SYN)),
            (2, 1_500_500_000, ethernet(SYN)),
        ]


@pytest.mark.parametrize(
    ("link", "wrap"),
    [
        (1, ethernet),
        (1, lambda ip: ethernet(struct.pack("!HH", 7, 0x0800) + ip, 0x8100)),
        (1, lambda ip: ethernet(struct.pack("!HHHH", 7, 0x8100, 8, 0x0800) + ip, 0x88A8)),
        (1, lambda ip: ethernet(struct.pack("!BBHHH", 0x11, 0, 1, len(ip) + 2, 0x0021) + ip, 0x8864)),
        (113, lambda ip: bytes(14) + b"\x08\x00" + ip),
        (276, lambda ip: b"\x08\x00" + bytes(18) + ip),
        (101, bytes),
        (228, bytes),
        (0, lambda ip: struct.pack("<I", 2) + ip),
        (108, lambda ip: struct.pack(">I", 2) + ip),
    ],
    ids=["Ethernet", "VLAN", "QinQ", "PPPoE", "cooked", "cooked-2", "raw", "IPv4", "null", "loopback"],
)
def test_a_segment_is_found_in_every_link_type(link: int, wrap: Callable[[bytes], bytes]) -> None:
    data = wrap(SYN)
    found = packet_of(CapturedFrame(1, 0, link, data, len(data)))
    assert not isinstance(found, str)
    assert (found.source, found.target[1], found.segment.seq) == ((b"\xc0\x00\x02\x01", 40000), 80, 1000)
    assert found.segment.checksum is None


def test_data_that_the_snap_length_cut_off_keep_their_length() -> None:
    told = ethernet(packet(1, segment(ACK, 1, 1, b"x" * 900)))
    found = packet_of(CapturedFrame(1, 0, 1, told[:96], len(told)))
    assert not isinstance(found, str)
    assert (len(found.segment.data), found.cut) == (900, len(told) - 96)
    assert packet_of(CapturedFrame(1, 0, 1, told[:40], len(told))) == "TCP header cut off"


def test_a_frame_without_a_length_is_as_long_as_it_is_on_the_wire() -> None:
    whole = bytearray(ethernet(packet(1, segment(ACK, 1, 1, b"x" * 3000))))
    whole[16:18] = bytes(2)  # as a card leaves it that is to cut the frame
    found = packet_of(CapturedFrame(1, 0, 1, bytes(whole), len(whole)))
    assert not isinstance(found, str)
    assert len(found.segment.data) == 3000


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"packetdrill", pcap([]), gzip.compress(b"x")[:9], b"\x0a\x0d\x0d\x0a"]
)
def test_what_is_no_capture_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(FinwaitError, match="holds no frame"):
        list(read(tmp_path / "x"))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FinwaitError, match="cannot be read"):
        list(read(tmp_path))


def test_a_file_that_breaks_off_ends_there(tmp_path: Path) -> None:
    whole = written(tmp_path / "x", INCIDENT).read_bytes()
    for content in (whole[:-3], gzip.compress(whole)[:-12]):
        (tmp_path / "x").write_bytes(content)
        reading = Reading()
        assert 0 < len(list(read(tmp_path / "x", reading))) <= len(INCIDENT)
        assert reading.cut


CONTENT = {
    "pcap": pcap((at, ethernet(packet(side, one))) for at, side, one in INCIDENT),
    "pcapng": pcapng([Frame(round(at), True, ethernet(packet(side, one))) for at, side, one in INCIDENT], "x"),
}


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(CONTENT)),
    at=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.integers(0, 1000),
    packed=st.booleans(),
)
def test_no_damage_gives_more_than_one_line(
    tmp_path_factory: pytest.TempPathFactory, kind: str, at: list[tuple[int, int]], cut: int, packed: bool
) -> None:
    content = bytearray(gzip.compress(CONTENT[kind]) if packed else CONTENT[kind])
    for place, value in at:
        content[place % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content[: len(content) - cut] or b"x")
    stories: dict[int, Story] = {}
    with suppress(FinwaitError):
        for conversation, sighting in Conversations().sort(read(path)):
            stories.setdefault(conversation.number, Story(conversation)).tell(sighting)
