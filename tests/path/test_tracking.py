"""Which connection a frame belongs to, in which numbers, and what a corrupted one looks like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.path.rules import Side
from harness.path.tracking import Tracker, corrupted, is_syn
from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, FIN, SYN, Segment
from harness.wire.decode import decode
from harness.wire.frames import Encoder, Flow
from netns.plan import plan

PLAN = plan(7, 7)


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
def test_a_syn_is_told_at_a_glance(segment: Segment, version: int, padding: int) -> None:
    assert is_syn(frame(segment, version) + bytes(padding)) == bool(segment.flags & SYN)


@given(st.binary(max_size=120))
def test_any_bytes_can_be_corrupted(content: bytes) -> None:
    head = bytes(12) + b"\x08\x00"
    for frame_of in (content, head + content, bytes(12) + b"\x86\xdd" + content):
        is_syn(frame_of)
        assert len(corrupted(frame_of)) == len(frame_of)


@pytest.mark.parametrize("data", [b"", b"data"])
def test_corruption_makes_the_checksum_wrong_and_leaves_the_rest(data: bytes) -> None:
    right = frame(Segment(flags=ACK, seq=5, data=data))
    wrong = decode(corrupted(right))
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
    assert [str(one.segment.options[0]) for one in seen if one] == ["TS val 0 ecr 0", "TS val 7 ecr 3"]


def test_a_new_syn_over_the_same_ports_is_a_new_connection_and_a_repeated_one_is_not() -> None:
    tracker = Tracker()
    read = [tracker.read(Side.CLIENT, frame(Segment(flags=SYN, seq=seq))) for seq in (5, 5, 900)]
    other = tracker.read(Side.CLIENT, frame(Segment(flags=SYN, seq=5), port=1001))
    assert [one.connection for one in (*read, other) if one] == [1, 1, 2, 3]


def test_what_began_before_belongs_to_no_connection() -> None:
    tracked = Tracker().read(Side.CLIENT, frame(Segment(flags=ACK, seq=5)))
    assert tracked is not None
    assert (tracked.connection, tracked.segment.seq) == (0, 5)
