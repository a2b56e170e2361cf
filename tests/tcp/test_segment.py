"""Sequence numbers go round a circle, and a segment prints as packetdrill prints it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FinwaitError
from harness.tcp.options import parse_options
from harness.tcp.segment import (
    ACK,
    CWR,
    ECE,
    FIN,
    NONE,
    PSH,
    RST,
    SYN,
    URG,
    WRONG_CHECKSUM,
    Flags,
    Segment,
    add,
    before,
    check_range,
    distance,
    format_flags,
)

TOP = 4294967295
HALF = 2147483648

numbers = st.integers(0, TOP)
steps = st.integers(-HALF, HALF - 1)


def test_numbers_go_round() -> None:
    assert add(TOP, 1) == 0
    assert add(0, -1) == TOP
    assert distance(TOP, 0) == 1
    assert distance(0, TOP) == -1
    assert before(TOP, 0)
    assert not before(0, TOP)


def test_nothing_comes_before_itself() -> None:
    assert not before(7, 7)


def test_opposite_of_a_number_counts_as_behind_it() -> None:
    assert distance(0, HALF) == -HALF
    assert distance(0, HALF - 1) == HALF - 1


@given(numbers, steps)
def test_distance_is_the_step_that_was_added(start: int, step: int) -> None:
    assert 0 <= add(start, step) <= TOP
    assert distance(start, add(start, step)) == step


@given(numbers, st.integers(1, HALF - 1))
def test_of_two_numbers_only_one_comes_before_the_other(start: int, step: int) -> None:
    later = add(start, step)
    assert before(start, later)
    assert not before(later, start)


@pytest.mark.parametrize(("value", "bits"), [(0, 16), (65535, 16), (-HALF, 32), (TOP, 32), (15, 4)])
def test_numbers_at_the_edge_of_a_field_fit(value: int, bits: int) -> None:
    assert check_range("field", value, bits) == (value + 4294967296 if value < 0 else value)


@pytest.mark.parametrize(
    ("value", "bits", "text"),
    [
        (TOP + 1, 32, "seq=4294967296 does not fit; the field has 32 bits; "),
        (-HALF - 1, 32, "seq=-2147483649 does not fit; the field has 32 bits; "),
        (-1, 16, "seq=-1 does not fit; the field has 16 bits; try: a whole number from 0 to 65535"),
        (16, 4, "seq=16 does not fit; the field has 4 bits; try: a whole number from 0 to 15"),
        (1.0, 16, "seq=1.0 does not fit; "),
        ("7", 16, "seq='7' does not fit; "),
    ],
)
def test_number_that_does_not_fit_its_field_is_told(value: int, bits: int, text: str) -> None:
    with pytest.raises(FinwaitError) as raised:
        check_range("seq", value, bits)
    assert str(raised.value).startswith(text)


def test_flags_have_the_values_of_the_wire() -> None:
    # RFC 9293 3.1 from the right: FIN is the lowest bit of the header's fourteenth byte
    assert [int(flag) for flag in (FIN, SYN, RST, PSH, ACK, URG, ECE, CWR)] == [1, 2, 4, 8, 16, 32, 64, 128]
    assert int(Flags.AE) == 256  # RFC 9768 3.1


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (NONE, "-"),
        (SYN, "S"),
        (SYN | ACK, "S."),
        (FIN | PSH | ACK, "FP."),
        (RST | ACK, "R."),
        (SYN | ECE | CWR, "SEW"),
        (URG | ACK, ".U"),
        (Flags(0x1FF), "SFRP.UEWA"),
    ],
)
def test_flags_print_as_packetdrill_prints_them(flags: Flags, text: str) -> None:
    assert format_flags(flags) == text


@pytest.mark.parametrize(
    ("segment", "text"),
    [
        (
            Segment(flags=FIN | ACK, seq=1, ack=1, window=257, options=parse_options("nop,nop,TS val 3 ecr 2")),
            "F. 1:1(0) ack 1 win 257 <nop,nop,TS val 3 ecr 2>",
        ),
        (Segment(flags=SYN, ack=9), "S 0:0(0) win 65535"),
        (Segment(flags=ACK | PSH, seq=TOP, ack=5, data=b"abc"), "P. 4294967295:2(3) ack 5 win 65535"),
        (Segment(flags=ACK, urgent=3), ". 0:0(0) ack 0 win 65535 urg 3"),
        (Segment(flags=ACK | URG), ".U 0:0(0) ack 0 win 65535 urg 0"),
        (
            Segment(flags=NONE, raw_options=b"\x02\x00", checksum=255, data_offset=15, reserved=5),
            "- 0:0(0) win 65535 <raw 0200> checksum 0xff offset 0xf reserved 0x5",
        ),
        (Segment(flags=RST, checksum=WRONG_CHECKSUM), "R 0:0(0) win 65535 checksum wrong"),
    ],
)
def test_segment_prints_all_that_is_unusual_about_it(segment: Segment, text: str) -> None:
    assert str(segment) == text


@pytest.mark.parametrize(
    ("segment", "end", "next_seq"),
    [
        (Segment(flags=SYN), 0, 1),
        (Segment(flags=SYN | FIN, data=b"ab"), 2, 4),
        (Segment(flags=FIN, seq=TOP), TOP, 0),
        (Segment(flags=ACK, seq=TOP, data=b"ab"), 1, 1),
        (Segment(flags=RST, seq=4), 4, 4),
    ],
)
def test_syn_and_fin_take_a_number_each(segment: Segment, end: int, next_seq: int) -> None:
    assert (segment.end, segment.next_seq) == (end, next_seq)


def test_option_is_found_by_name_and_the_first_counts() -> None:
    segment = Segment(flags=ACK, options=parse_options("nop,mss 9,mss 8"))
    found = segment.option("mss")
    assert found is not None
    assert found.values == (9,)
    assert segment.option("wscale") is None
