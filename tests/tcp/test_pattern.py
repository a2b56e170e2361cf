"""Patterns: what matches, and which fields are named when it does not."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FinwaitError
from harness.tcp.options import Option, format_options, parse_options
from harness.tcp.pattern import ANY, Between, Pattern
from harness.tcp.segment import ACK, FIN, NONE, PSH, RST, SYN, URG, Flags, Segment

numbers = st.integers(0, 2**32 - 1)
options = st.lists(
    st.one_of(
        st.just(Option("nop")),
        st.builds(lambda size: Option("mss", (size,)), st.integers(0, 65535)),
        st.builds(lambda value, echo: Option("TS", (value, echo)), numbers, numbers),
        st.builds(lambda raw: Option("opt 253", raw=raw), st.binary(max_size=4)),
    ),
    max_size=3,
).map(tuple)
segments = st.builds(
    Segment,
    flags=st.integers(0, 0x1FF),
    seq=numbers,
    ack=numbers,
    window=st.integers(0, 65535),
    data=st.binary(max_size=8),
    options=options,
)


def pattern_of(segment: Segment) -> Pattern:
    """A pattern that names every field of a segment."""
    return Pattern(
        Flags(segment.flags),
        seq=segment.seq,
        ack=segment.ack if segment.flags & ACK else None,
        window=segment.window,
        data=segment.data,
        options=format_options(segment.options),
    )


@given(segments)
def test_pattern_made_from_a_segment_matches_it(segment: Segment) -> None:
    assert pattern_of(segment).matches(segment)


@given(segments, st.sampled_from(["seq", "ack", "window"]), st.integers(1, 65535))
def test_number_that_is_named_and_another_is_noticed_alone(segment: Segment, name: str, step: int) -> None:
    segment = msgspec.structs.replace(segment, flags=segment.flags | ACK)
    size = 65536 if name == "window" else 2**32
    altered = msgspec.structs.replace(segment, **{name: (getattr(segment, name) + step) % size})
    assert [difference.field for difference in pattern_of(segment).differences(altered)] == [name]


@given(segments, st.sampled_from([flag for flag in Flags if flag != PSH]))
def test_every_flag_that_differs_is_noticed(segment: Segment, flag: Flags) -> None:
    altered = msgspec.structs.replace(segment, flags=segment.flags ^ flag)
    assert "flags" in [difference.field for difference in pattern_of(segment).differences(altered)]


@given(segments, st.binary(min_size=1, max_size=8))
def test_data_that_differ_are_noticed(segment: Segment, data: bytes) -> None:
    longer = msgspec.structs.replace(segment, data=segment.data + data)
    assert [difference.field for difference in pattern_of(segment).differences(longer)] == ["length"]
    flipped = msgspec.structs.replace(segment, data=bytes(byte ^ 1 for byte in data))
    original = msgspec.structs.replace(segment, data=data)
    assert [difference.field for difference in pattern_of(original).differences(flipped)] == ["data"]


@given(segments.filter(lambda segment: bool(segment.options)))
def test_option_that_is_gone_is_noticed(segment: Segment) -> None:
    bare = msgspec.structs.replace(segment, options=())
    found = pattern_of(segment).differences(bare)
    assert [difference.expected for difference in found] == [str(option) for option in segment.options]


def test_what_is_left_out_may_be_anything_except_flags_and_length() -> None:
    pattern = Pattern(ACK)
    assert pattern.matches(Segment(flags=ACK, seq=7, ack=8, window=0, options=parse_options("nop,nop,TS val 1 ecr 2")))
    assert not pattern.matches(Segment(flags=ACK, data=b"x"))
    assert not pattern.matches(Segment(flags=ACK | FIN))


@pytest.mark.parametrize(("named", "sent", "matches"), [(ACK, ACK | PSH, True), (ACK | PSH, ACK, False)])
def test_push_counts_only_where_it_is_named(named: Flags, sent: Flags, matches: bool) -> None:
    assert Pattern(named).matches(Segment(flags=sent)) is matches


def test_ack_comes_with_its_number() -> None:
    assert Pattern(FIN, ack=0).matches(Segment(flags=FIN | ACK))
    assert not Pattern(FIN, ack=0).matches(Segment(flags=FIN))


@pytest.mark.parametrize(("length", "size", "matches"), [(3, 3, True), (ANY, 9, True), (Between(1, 3), 4, False)])
def test_length_alone_may_be_expected(length: int | Between, size: int, matches: bool) -> None:
    assert Pattern(ACK, length=length).matches(Segment(flags=ACK, data=bytes(size))) is matches


@pytest.mark.parametrize(("window", "matches"), [(9, False), (10, True), (20, True), (21, False)])
def test_range_includes_both_ends(window: int, matches: bool) -> None:
    assert Pattern(ACK, window=Between(10, 20)).matches(Segment(flags=ACK, window=window)) is matches


def test_number_left_of_the_initial_one_stands_at_the_far_end_of_the_circle() -> None:
    assert Pattern(ACK, seq=-1).matches(Segment(flags=ACK, seq=4294967295))


def test_option_by_name_takes_any_value_and_with_a_value_that_one() -> None:
    segment = Segment(flags=SYN, options=parse_options("mss 1460,TS val 9 ecr 0"))
    assert Pattern(SYN, options="TS,mss 1460").matches(segment)
    assert not Pattern(SYN, options="mss 1459").matches(segment)
    assert not Pattern(SYN, options="opt 253 ab").matches(Segment(flags=SYN, options=parse_options("opt 253 ac")))


def test_unwanted_option_is_noticed_whatever_its_value() -> None:
    segment = Segment(flags=SYN, options=parse_options("mss 1460,TS val 9 ecr 0"))
    assert [str(found) for found in Pattern(SYN, without="TS,wscale").differences(segment)] == [
        "options: <mss 1460,TS val 9 ecr 0>, not without TS"
    ]


def test_every_field_that_differs_is_named_with_both_values() -> None:
    pattern = Pattern(FIN, seq=1, ack=Between(1, 2), window=5, data=b"a", options="TS", without="nop")
    seen = Segment(flags=RST, seq=3, ack=4, window=6, data=b"bc", options=parse_options("nop"))
    assert [str(found) for found in pattern.differences(seen)] == [
        "flags: R, not F.",
        "no ack, not 1..2",
        "seq: 3, not 1",
        "window: 6, not 5",
        "length: 2, not 1",
        "options: <nop>, not TS",
        "options: <nop>, not without nop",
    ]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (Pattern(ACK, seq=2, ack=2), ". 2:2(0) ack 2"),
        (Pattern(FIN), "F *(0)"),
        (Pattern(SYN, seq=0, ack=1, options="mss", without="TS"), "S. 0:0(0) ack 1 <mss,!TS>"),
        (Pattern(ACK, seq=4294967295, data=b"ab"), ". 4294967295:1(2)"),
        (Pattern(ACK, seq=Between(1, 2), length=ANY, window=Between(1, 9)), ". 1..2(*) win 1..9"),
        (Pattern(NONE), "- *(0)"),
        (Pattern(ACK | URG, ack=3), ".U *(0) ack 3"),
        (Pattern(ACK, ack=3, flow_label=5), ". *(0) ack 3 flow label 5"),
    ],
)
def test_pattern_prints_as_a_segment_does(pattern: Pattern, text: str) -> None:
    assert str(pattern) == text


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"seq": 2**32}, "seq=4294967296 does not fit"),
        ({"ack": -(2**31) - 1}, "ack=-2147483649 does not fit"),
        ({"window": 65536}, "window=65536 does not fit"),
        ({"flow_label": 2**20}, "flow_label=1048576 does not fit"),
        ({"length": -1}, "length=-1 does not fit"),
        ({"seq": "1"}, "seq='1' does not fit"),
        ({"ack": 1.5}, "ack=1.5 does not fit"),
        ({"length": "3"}, "length='3' does not fit"),
        ({"data": "hi"}, "data='hi' is no payload; a segment carries bytes; try: data=b'hi'"),
        ({"options": "tsval"}, "there is no TCP option named 'tsval'"),
        ({"without": "TSS"}, "there is no TCP option named 'TSS'"),
        ({"data": b"abc", "length": 2}, "length=2 does not fit data of 3 bytes; try: leave out length, which"),
    ],
)
def test_what_no_segment_could_match_is_told(fields: dict[str, object], says: str) -> None:
    with pytest.raises(FinwaitError) as raised:
        Pattern(ACK, **fields)  # type: ignore[arg-type]
    assert str(raised.value).startswith(says)


def test_range_that_is_the_wrong_way_round_is_told() -> None:
    with pytest.raises(FinwaitError, match=r"no number lies in 2\.\.1; try: Between\(1, 2\)"):
        Between(2, 1)
