"""Numbers of the wire and relative ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tcp.options import Option, parse_options
from harness.tcp.relative import RelativeNumbers
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
origins = st.builds(RelativeNumbers, numbers, st.one_of(st.none(), numbers), st.one_of(st.none(), numbers))


@given(origins, segments)
def test_segment_of_the_peers_comes_back_as_it_was_made(origin: RelativeNumbers, segment: Segment) -> None:
    assert origin.from_peer(origin.to_wire(segment)) == segment


@pytest.mark.parametrize("isn", [0, 1_000, 4294967295])
def test_first_byte_of_either_side_is_number_one(isn: int) -> None:
    next_one = (isn + 1) % 2**32
    origin = RelativeNumbers(peer_isn=isn, kernel_isn=77)
    assert origin.to_wire(Segment(flags=ACK, seq=1, ack=1)) == Segment(flags=ACK, seq=next_one, ack=78)
    assert origin.from_kernel(Segment(flags=ACK, seq=78, ack=next_one)) == Segment(flags=ACK, seq=1, ack=1)


def test_selective_acknowledgments_count_as_the_side_that_is_acknowledged() -> None:
    origin = RelativeNumbers(peer_isn=100, kernel_isn=1000)
    by_kernel = Segment(flags=ACK, seq=1001, ack=101, options=parse_options("sack 111:121"))
    assert str(origin.from_kernel(by_kernel).options[0]) == "sack 11:21"
    by_peer = Segment(flags=ACK, options=parse_options("sack 11:21"))
    assert str(origin.to_wire(by_peer).options[0]) == "sack 1011:1021"


def test_kernels_timestamps_count_from_its_first_and_the_peers_stand_as_they_are() -> None:
    origin = RelativeNumbers(peer_isn=0, kernel_isn=0, kernel_ts=5000)
    by_kernel = origin.from_kernel(Segment(flags=ACK, options=parse_options("TS val 5007 ecr 3")))
    assert str(by_kernel.options[0]) == "TS val 7 ecr 3"
    by_peer = origin.to_wire(Segment(flags=ACK, options=parse_options("TS val 4 ecr 7")))
    assert str(by_peer.options[0]) == "TS val 4 ecr 5007"


def test_before_the_kernel_has_sent_anything_an_echo_stands_as_it_is() -> None:
    syn = Segment(flags=SYN, options=parse_options("TS val 1 ecr 0"))
    assert RelativeNumbers(peer_isn=0).to_wire(syn) == syn


def test_zero_of_a_reset_that_acknowledges_is_of_no_connection() -> None:
    origin = RelativeNumbers(peer_isn=100, kernel_isn=1000)
    answer = Segment(flags=RST | ACK, seq=0, ack=109)
    assert origin.from_kernel(answer) == Segment(flags=RST | ACK, seq=0, ack=9)
    assert origin.to_kernels_wire(origin.from_kernel(answer)) == answer
    own = Segment(flags=RST | ACK, seq=1001, ack=101)
    assert origin.from_kernel(own) == Segment(flags=RST | ACK, seq=1, ack=1)
    at_its_syn = Segment(flags=RST | ACK, seq=0, ack=1)
    assert origin.to_wire(at_its_syn) == Segment(flags=RST | ACK, seq=100, ack=1001)
