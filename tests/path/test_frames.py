"""Frames taken apart with struct: the same as scapy finds in them, and nothing that is not there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether

from harness.path.frames import Tracker, asks_for, corrupted, is_neighbour_answer, is_syn, parse
from harness.path.rules import Side
from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, FIN, SYN, Segment
from harness.trace.events import Frame
from harness.wire.frames import Encoder, Flow, decode
from netns.plan import plan

PLAN = plan(7, 7)
HOSTS = {"src": "10.0.0.2", "dst": "10.0.0.1"}


def frame(segment: Segment, version: int = 4, port: int = 1000) -> bytes:
    return Encoder(PLAN, Flow(version, port, 80)).encode(segment)


numbers = st.integers(0, 2**32 - 1)
made = st.builds(
    Segment,
    flags=st.integers(0, 0x1FF),
    seq=numbers,
    ack=numbers,
    window=st.integers(0, 65535),
    data=st.binary(max_size=60),
    options=st.sampled_from(["", "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7", "nop,nop,sack 5:9"]).map(parse_options),
    urgent=st.integers(0, 65535),
)


@given(made, st.sampled_from([4, 6]), st.integers(0, 8))
def test_a_segment_is_read_as_scapy_reads_it(segment: Segment, version: int, padding: int) -> None:
    sent = frame(segment, version) + bytes(padding)
    parsed, decoded = parse(sent), decode(Frame(0, True, sent))
    assert parsed is not None
    assert decoded is not None
    assert parsed.segment == decoded.segment == segment
    assert (parsed.version, parsed.sender, parsed.receiver) == (version, 1000, 80)
    assert is_syn(sent) == bool(segment.flags & SYN)


@given(st.binary(max_size=120))
def test_any_bytes_are_a_segment_or_none(content: bytes) -> None:
    head = bytes(12) + b"\x08\x00"
    for frame_of in (content, head + content, bytes(12) + b"\x86\xdd" + content):
        parse(frame_of)
        is_neighbour_answer(frame_of)
        assert len(corrupted(frame_of)) == len(frame_of)


@pytest.mark.parametrize(
    "packet",
    [
        IP(**HOSTS) / UDP(),
        IP(**HOSTS, flags="MF") / TCP(),
        IP(**HOSTS, frag=3) / TCP(),
        IPv6(src="::2", dst="::1") / UDP(),
        ARP(hwsrc="02:00:00:00:00:01", psrc="10.0.0.2", pdst="10.0.0.1"),
    ],
)
def test_what_is_no_whole_tcp_is_no_segment(packet: object) -> None:
    assert parse(bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / packet)) is None


@pytest.mark.parametrize("data", [b"", b"data"])
def test_corruption_makes_the_checksum_wrong_and_leaves_the_rest(data: bytes) -> None:
    right = frame(Segment(flags=ACK, seq=5, data=data))
    wrong = decode(Frame(0, True, corrupted(right)))
    assert wrong is not None
    assert wrong.segment.checksum is not None
    assert (wrong.segment.seq, len(wrong.segment.data)) == (5, len(data))


def test_numbers_are_relative_to_each_sides_syn() -> None:
    tracker = Tracker()
    stamps = parse_options("TS val 500 ecr 0")
    steps = [
        (Side.CLIENT, Segment(flags=SYN, seq=1000, options=stamps)),
        (Side.CLIENT, Segment(flags=FIN | ACK, seq=1001, ack=77, options=parse_options("TS val 507 ecr 3"))),
    ]
    seen = [tracker.read(side, frame(segment)) for side, segment in steps]
    assert [str(one.segment).partition(" win")[0] for one in seen if one] == ["S 0:0(0)", "F. 1:1(0) ack 77"]
    assert [str(one.segment.options[0]) for one in seen if one] == ["TS val 1 ecr 0", "TS val 8 ecr 3"]


def test_a_new_syn_over_the_same_ports_is_a_new_connection_and_a_repeated_one_is_not() -> None:
    tracker = Tracker()
    read = [tracker.read(Side.CLIENT, frame(Segment(flags=SYN, seq=seq))) for seq in (5, 5, 900)]
    other = tracker.read(Side.CLIENT, frame(Segment(flags=SYN, seq=5), port=1001))
    assert [one.connection for one in (*read, other) if one] == [1, 1, 2, 3]


def test_what_began_before_belongs_to_no_connection() -> None:
    tracked = Tracker().read(Side.CLIENT, frame(Segment(flags=ACK, seq=5)))
    assert tracked is not None
    assert (tracked.connection, tracked.segment.seq) == (0, 5)


def test_neighbour_request_is_as_scapy_makes_it() -> None:
    own, other = PLAN.peer, PLAN.kernel
    arp = ARP(op="who-has", hwsrc=own.mac, psrc=own.ipv4, pdst=other.ipv4, hwdst="00:00:00:00:00:00")
    assert asks_for(other.mac, other.ipv4, own.mac, own.ipv4) == bytes(Ether(src=own.mac, dst=other.mac) / arp)
    arp.op = 2
    assert is_neighbour_answer(bytes(Ether(src=own.mac, dst=other.mac) / arp))
