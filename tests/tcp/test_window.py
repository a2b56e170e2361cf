"""The window that the kernel offers, from its segments."""

from __future__ import annotations

from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, RST, SYN, Flags, Segment
from harness.tcp.window import OfferedWindow


def offered(*segments: Segment) -> OfferedWindow:
    offer = OfferedWindow()
    for segment in segments:
        offer.note(segment)
    return offer


def says(flags: Flags, ack: int, window: int, options: str = "") -> Segment:
    return Segment(flags=flags, ack=ack, window=window, options=parse_options(options))


def test_before_the_first_ack_nothing_is_offered() -> None:
    assert offered(says(SYN, 0, 65535)).window(1) == 0


def test_window_of_a_syn_is_not_scaled_and_those_after_it_are() -> None:
    opened = says(SYN | ACK, 1, 1000, "wscale 7")
    assert offered(opened).window(1) == 1000
    assert offered(opened, says(ACK, 101, 10)).window(101) == 1280


def test_without_a_scale_the_field_is_the_window() -> None:
    assert offered(says(SYN | ACK, 1, 1000), says(ACK, 1, 2000)).window(1) == 2000


def test_the_edge_does_not_move_left_and_a_reset_offers_nothing() -> None:
    opened = says(SYN | ACK, 1, 1000)
    assert offered(opened, says(ACK, 501, 0)).window(501) == 500
    assert offered(opened, says(RST | ACK, 5000, 9000)).window(1) == 1000
    assert offered(opened, says(ACK, 1001, 0)).window(1001) == 0


def test_numbers_go_round() -> None:
    assert offered(says(SYN | ACK, 2**32 - 10, 100)).window(2**32 - 10) == 100


def test_a_new_incarnation_offers_anew() -> None:
    assert offered(says(SYN | ACK, 1, 60000), says(SYN | ACK, 1, 100)).window(1) == 100
