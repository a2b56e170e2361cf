"""Numbers of the wire and relative ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tcp.options import Option, parse_options
from harness.tcp.relative import FirstNumbers, to_relative, to_wire
from harness.tcp.segment import ACK, RST, SYN, Segment

numbers = st.integers(0, 2**32 - 1)
options = st.lists(
    st.one_of(
        st.just(Option("TS")),
        st.builds(lambda value, echo: Option("TS", (value, echo)), numbers, numbers),
        st.builds(lambda left, right: Option("sack", (left, right)), numbers, numbers),
        st.just(Option("mss", (1460,))),
    ),
    max_size=3,
).map(tuple)
segments = st.builds(Segment, flags=st.just(ACK), seq=numbers, ack=numbers, options=options)
known = st.one_of(st.none(), numbers)
firsts = st.builds(FirstNumbers, known, known, st.just(True))


def kernel(isn: int | None = None, timestamp: int | None = None) -> FirstNumbers:
    return FirstNumbers(isn, timestamp)


def peer(isn: int) -> FirstNumbers:
    return FirstNumbers(isn, crafted=True)


@given(firsts, firsts, segments)
def test_segment_comes_back_as_it_was_made(own: FirstNumbers, other: FirstNumbers, segment: Segment) -> None:
    assert to_relative(to_wire(segment, own, other), own, other) == segment


@pytest.mark.parametrize("isn", [0, 1_000, 4294967295])
def test_first_byte_of_either_side_is_number_one(isn: int) -> None:
    next_one = (isn + 1) % 2**32
    own, its = peer(isn), kernel(77)
    assert to_wire(Segment(flags=ACK, seq=1, ack=1), own, its) == Segment(flags=ACK, seq=next_one, ack=78)
    assert to_relative(Segment(flags=ACK, seq=78, ack=next_one), its, own) == Segment(flags=ACK, seq=1, ack=1)


def test_selective_acknowledgments_count_as_the_side_that_is_acknowledged() -> None:
    own, its = peer(100), kernel(1000)
    by_kernel = Segment(flags=ACK, seq=1001, ack=101, options=parse_options("sack 111:121"))
    assert str(to_relative(by_kernel, its, own).options[0]) == "sack 11:21"
    by_peer = Segment(flags=ACK, options=parse_options("sack 11:21"))
    assert str(to_wire(by_peer, own, its).options[0]) == "sack 1011:1021"


def test_kernels_timestamps_count_from_its_first_and_the_peers_stand_as_they_are() -> None:
    own, its = peer(0), kernel(0, 5000)
    by_kernel = to_relative(Segment(flags=ACK, options=parse_options("TS val 5007 ecr 3")), its, own)
    assert str(by_kernel.options[0]) == "TS val 7 ecr 3"
    by_peer = to_wire(Segment(flags=ACK, options=parse_options("TS val 4 ecr 7")), own, its)
    assert str(by_peer.options[0]) == "TS val 4 ecr 5007"


def test_without_an_acknowledgment_neither_its_number_nor_the_echo_beside_it_is_moved() -> None:
    own, its = peer(0), kernel(900, 5000)
    for segment in (Segment(flags=SYN, options=parse_options("TS val 1 ecr 0")), Segment(flags=RST, ack=3)):
        assert to_wire(segment, own, its) == segment
        assert to_relative(segment, own, its) == segment


def test_zero_of_a_reset_that_acknowledges_is_of_no_connection() -> None:
    own, its = peer(100), kernel(1000)
    answer = Segment(flags=RST | ACK, seq=0, ack=109)
    assert to_relative(answer, its, own) == Segment(flags=RST | ACK, seq=0, ack=9)
    assert to_wire(to_relative(answer, its, own), its, own) == answer
    resets = Segment(flags=RST | ACK, seq=1001, ack=101)
    assert to_relative(resets, its, own) == Segment(flags=RST | ACK, seq=1, ack=1)
    at_its_syn = Segment(flags=RST | ACK, seq=0, ack=1)
    assert to_wire(at_its_syn, own, its) == Segment(flags=RST | ACK, seq=100, ack=1001)
