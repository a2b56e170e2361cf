"""A scrubbed capture tells the story of its original, and nothing of what was in it."""

from __future__ import annotations

import random
import re
import socket
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import TCP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrRouting, PadN
from scapy.layers.l2 import CookedLinuxV2, Dot1Q, Ether

from harness.capture.conversation import Conversations
from harness.capture.files import CapturedFrame
from harness.capture.packets import packet_of
from harness.capture.scrubbing import Scrubber
from harness.capture.story import Story
from harness.capture.telling import lines
from harness.cli.main import main
from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, FIN, PSH, RST, SYN, Segment
from tests.capture.captures import HANDSHAKE, INCIDENT, ethernet, packet, segment, written

ADDRESS = re.compile(r"\[[0-9a-f:]+\]:\d+|\d+\.\d+\.\d+\.\d+:\d+")
SECRET = b"secret words"


def frames_of(told: list[tuple[int, Segment]], link: int = 1) -> list[CapturedFrame]:
    packets = [packet(side, one, identification=n) for n, (side, one) in enumerate(told)]
    data = [ethernet(one) if link == 1 else one for one in packets]
    return [CapturedFrame(n, n * 10**7, link, one, len(one)) for n, one in enumerate(data, 1)]


def story(frames: list[CapturedFrame]) -> list[str]:
    """All that is told, but the names; those are numbered, for each is as long as another."""
    stories: dict[int, Story] = {}
    for conversation, sighting in Conversations().sort(frames):
        stories.setdefault(conversation.number, Story(conversation)).tell(sighting)
    text = "\n".join(line for one in stories.values() for line in lines(one))
    names: dict[str, str] = {}
    return ADDRESS.sub(lambda found: names.setdefault(found[0], f"name {len(names)}"), text).splitlines()


SEGMENTS = st.builds(
    segment,
    st.sampled_from([ACK, FIN | ACK, SYN, SYN | ACK, RST, PSH | ACK]),
    st.integers(0, 3000),
    st.one_of(st.none(), st.integers(0, 3000)),
    st.binary(max_size=40),
    window=st.sampled_from([0, 1, 65535]),
    checksum=st.sampled_from([None, None, None, 7]),
    options=st.sampled_from(
        [(), parse_options("mss 1460,sackOK,TS val 7 ecr 0,nop,wscale 7"), parse_options("nop,nop,sack 5:9")]
    ),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), SEGMENTS), min_size=1, max_size=12),
    st.sampled_from([1, 101]),
    st.sampled_from([0, 0, 1, 20, 40]),
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 60), st.integers(0, 255)), max_size=3),
)
def test_a_scrubbed_capture_tells_the_same_story(
    told: list[tuple[int, Segment]], link: int, cut: int, damage: list[tuple[int, int, int]]
) -> None:
    frames = frames_of(told, link)
    for number, place, value in damage:
        frame = frames[number % len(frames)]
        data = bytearray(frame.data)
        data[place % len(data)] = value
        frames[number % len(frames)] = frame._replace(data=bytes(data))
    frames = [frame._replace(data=frame.data[: len(frame.data) - cut]) for frame in frames]
    scrubber = Scrubber()
    assert story([scrubber.scrubbed(frame) for frame in frames]) == story(frames)


def test_nothing_of_the_original_is_left() -> None:
    (frame,) = frames_of([(0, segment(PSH | ACK, 1, 1, SECRET))])
    mac = bytes(random.Random(1).choices(range(256), k=12))
    whole = mac + frame.data[12:] + b"trailer"
    scrubbed = Scrubber().scrubbed(frame._replace(data=whole, length=len(whole))).data
    assert len(scrubbed) == len(whole)
    for part in (SECRET, b"trailer", mac[:6], mac[6:], socket.inet_aton("192.0.2.1"), struct.pack("!HH", 40000, 80)):
        assert part not in scrubbed
    found = packet_of(frame._replace(data=scrubbed))
    assert not isinstance(found, str)
    assert (found.segment.checksum, found.segment.seq, found.segment.data) == (None, 1001, bytes(len(SECRET)))


def test_a_frame_without_a_segment_is_blank_and_keeps_its_number() -> None:
    other = CapturedFrame(3, 5, 1, ethernet(b"\x45" + SECRET * 3, 0x0800), 51)
    assert Scrubber().scrubbed(other) == other._replace(data=bytes(len(other.data)))


@pytest.mark.parametrize("kind", [19, 30, 34, 253])  # signed, an address of MPTCP, Fast Open, an experiment
def test_options_keep_their_kind_and_length_and_no_value_that_may_be_a_secret(kind: int) -> None:
    signed = segment(ACK, 1, 1, options=parse_options(f"nop,opt {kind} {'ab' * 16},mss 1460"))
    (frame,) = frames_of([(0, signed)])
    found = packet_of(Scrubber().scrubbed(frame))
    assert not isinstance(found, str)
    assert found.segment.options[:3] == parse_options(f"nop,opt {kind} {'00' * 16},mss 1460")


@pytest.mark.parametrize("damaged", [bytes((0,)), bytes((34, 0)), bytes((34, 200)), bytes((2, 9))])
def test_what_cannot_be_read_as_options_is_blank_behind_its_kind(damaged: bytes) -> None:
    (frame,) = frames_of([(0, segment(ACK, 1, 1, options=parse_options("opt 19 " + "ab" * 10)))])
    begin = frame.data.index(b"\x13\x0c" + b"\xab" * 10)
    broken = frame.data[:begin] + damaged + frame.data[begin + len(damaged) :]
    scrubbed = Scrubber().scrubbed(frame._replace(data=broken)).data
    assert (len(scrubbed), scrubbed[begin], b"\xab" * 2 in scrubbed) == (len(broken), damaged[0], False)


@pytest.mark.parametrize(
    ("link", "around"),
    [
        (1, Ether(src="02:11:22:33:44:55", dst="02:11:22:33:44:55") / Dot1Q(vlan=7)),
        (276, CookedLinuxV2(proto=0x86DD, src=b"\x11\x22\x33\x44\x55\x66\0\0")),
    ],
)
def test_ipv6_with_extension_headers_over_any_link(link: int, around: Any) -> None:  # noqa: ANN401
    source, target = "2001:db8:aaaa::1", "2001:db8:bbbb::2"
    extension = IPv6ExtHdrRouting(addresses=[source], segleft=0) / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"hidden")])
    whole = around / IPv6(src=source, dst=target) / extension / TCP(sport=40000, dport=80, flags="PA") / SECRET
    data = bytes(whole)
    found = packet_of(frame := CapturedFrame(1, 0, link, data, len(data)))
    scrubbed = Scrubber().scrubbed(frame)
    again = packet_of(scrubbed)
    assert not isinstance(found, str)
    assert not isinstance(again, str)
    assert again.segment == msgspec.structs.replace(found.segment, data=bytes(len(SECRET)))
    hidden = (
        b"\x11\x22\x33\x44\x55",
        b"hidden",
        SECRET,
        *(socket.inet_pton(socket.AF_INET6, one) for one in (source, target)),
    )
    assert not [one for one in hidden if one in scrubbed.data]


def test_the_command_writes_a_capture_that_it_can_read(tmp_path: Path) -> None:
    path, to = written(tmp_path / "x.pcap", [*INCIDENT, (300.0, 0, HANDSHAKE[0][2])]), tmp_path / "y.pcapng"
    assert main(["import", str(path), "--scrub", str(to)]) == 0
    assert main(["import", str(to)]) == 0
    assert sorted(one.name for one in tmp_path.iterdir()) == ["x.pcap", "y.pcapng"]


def test_a_folder_is_not_written_and_that_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["import", str(written(tmp_path / "x.pcap", INCIDENT)), "--scrub", "."]) == 2
    assert "finwait: . cannot be written" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["x.pcap"]


def test_a_file_with_a_like_name_stays(tmp_path: Path) -> None:
    (tmp_path / "y.part").write_text("of somebody")
    assert main(["import", str(written(tmp_path / "x.pcap", INCIDENT)), "--scrub", str(tmp_path / "y")]) == 0
    assert (tmp_path / "y.part").read_text() == "of somebody"
