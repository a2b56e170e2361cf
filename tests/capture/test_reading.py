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
from harness.capture.files import CapturedFrame, Reading
from harness.capture.packets import packet_of
from harness.capture.reading import read
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
    for content in (pcap(frames), pcap(frames, magic=NANOSECONDS), whole, gzip.compress(pcap(frames), mtime=0)):
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


def test_an_ip_header_that_is_shorter_than_one_can_be_holds_no_segment() -> None:
    short = b"\x44" + packet(0, segment(ACK, 1, 1, b"data"))[1:]
    assert packet_of(CapturedFrame(1, 0, 101, short, len(short))) == "no IP"


def test_a_frame_without_a_length_is_as_long_as_it_is_on_the_wire() -> None:
    whole = bytearray(ethernet(packet(1, segment(ACK, 1, 1, b"x" * 3000))))
    whole[16:18] = bytes(2)  # as a card leaves it that is to cut the frame
    found = packet_of(CapturedFrame(1, 0, 1, bytes(whole), len(whole)))
    assert not isinstance(found, str)
    assert len(found.segment.data) == 3000


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"packetdrill", pcap([]), gzip.compress(b"x", mtime=0)[:9], b"\x0a\x0d\x0d\x0a"]
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
    for content in (whole[:-3], gzip.compress(whole, mtime=0)[:-12]):
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
    content = bytearray(gzip.compress(CONTENT[kind], mtime=0) if packed else CONTENT[kind])
    for place, value in at:
        content[place % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content[: len(content) - cut] or b"x")
    stories: dict[int, Story] = {}
    with suppress(FinwaitError):
        for conversation, sighting in Conversations().sort(read(path)):
            stories.setdefault(conversation.number, Story(conversation)).tell(sighting)


def block(kind: int, body: bytes, order: str) -> bytes:
    size = len(body) + -len(body) % 4 + 12
    return struct.pack(order + "II", kind, size) + body + bytes(-len(body) % 4) + struct.pack(order + "I", size)


def section(order: str, *options: bytes, link: int = 1, snap: int = 0) -> bytes:
    head = struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)
    return block(0x0A0D0D0A, head, order) + block(
        1, struct.pack(order + "HHI", link, 0, snap) + b"".join(options), order
    )


def option(order: str, code: int, value: bytes) -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


@pytest.mark.parametrize("order", ["<", ">"])
def test_all_that_pcapng_says_of_times_and_sections_counts(tmp_path: Path, order: str) -> None:
    frame = ethernet(SYN)

    def enhanced(stamp: int, interface: int = 0) -> bytes:
        head = struct.pack(order + "IIIII", interface, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), len(frame))
        return block(6, head + frame, order)

    halves = section(order, option(order, 9, b"\x81"), option(order, 14, struct.pack(order + "q", 100)))
    simple = block(3, struct.pack(order + "I", len(frame)) + frame, order)
    old = block(2, struct.pack(order + "HHIIII", 0, 0, 0, 7_000_000, len(frame), len(frame)) + frame, order)
    unknown = block(0xBAD, b"what is this", order)
    raw = section(order, link=101) + block(6, struct.pack(order + "IIIII", 0, 0, 5, len(SYN), len(SYN)) + SYN, order)
    (tmp_path / "x").write_bytes(
        halves + enhanced(3) + unknown + enhanced(1, interface=9) + section(order) + old + simple + raw
    )
    found = list(read(tmp_path / "x"))
    assert [(one.number, one.at, one.link) for one in found] == [
        (1, 101_500_000_000, 1),  # three halves of a second behind 100 s
        (2, 7_000_000_000, 1),
        (3, 7_000_000_000, 1),  # has no stamp of its own
        (4, 5_000, 101),
    ]
    assert {len(one.data) for one in found} == {len(frame), len(SYN)}


@pytest.mark.parametrize("magic", [0xA1B2C3D4, NANOSECONDS, 0xA1B2CD34])
def test_a_pcap_file_may_have_either_byte_order(tmp_path: Path, magic: int) -> None:
    extra = bytes(8) if magic == 0xA1B2CD34 else b""
    head = struct.pack(">IHHIIII", magic, 2, 4, 0, 0, 65535, 101)
    (tmp_path / "x").write_bytes(head + struct.pack(">IIII", 7, 9, len(SYN), 99) + extra + SYN)
    (found,) = read(tmp_path / "x")
    assert found == CapturedFrame(1, 7 * 10**9 + 9 * (1 if magic == NANOSECONDS else 1000), 101, SYN, 99)


def test_a_frame_that_lies_across_what_is_read_at_once_is_whole(tmp_path: Path) -> None:
    large = [(float(n), bytes([n]) * 100_001) for n in range(8)]
    (tmp_path / "x").write_bytes(pcap(large))
    assert [one.data for one in read(tmp_path / "x")] == [data for _, data in large]
    (tmp_path / "x").write_bytes(pcapng([Frame(n, True, data) for n, (_, data) in enumerate(large)], ""))
    assert [one.data for one in read(tmp_path / "x")] == [data for _, data in large]


def test_a_length_that_no_frame_has_ends_the_reading(tmp_path: Path) -> None:
    reading = Reading()
    (tmp_path / "x").write_bytes(pcap([(0, SYN)]) + struct.pack("<IIII", 0, 0, 2**31, 1))
    assert len(list(read(tmp_path / "x", reading))) == 1
    assert reading.cut == "behind frame 1 stands a length that no frame has"
