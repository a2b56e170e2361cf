"""The answers that are derived, held against figures that were typed in from RFC 9293's and RFC 5961's text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.closing import Tcb, acceptable, arrives
from harness.segment import ACK, FIN, NONE, RST, SYN, Segment

# RFC 9293 3.6, figures 12 and 13: A's FIN is 100, B's is 300
FIN_WAIT_1 = Tcb("FIN-WAIT-1", snd_una=100, snd_nxt=101, rcv_nxt=300)


def said(tcb: Tcb, segment: Segment) -> tuple[str, list[str]]:
    follows = arrives(tcb, segment)
    return follows.tcb.state, [str(pattern) for pattern in follows.answers.values()]


def test_normal_close_sequence_of_figure_12() -> None:
    acknowledged = arrives(FIN_WAIT_1, Segment(flags=ACK, seq=300, ack=101))
    assert (acknowledged.tcb.state, acknowledged.answers) == ("FIN-WAIT-2", {})
    assert said(acknowledged.tcb, Segment(flags=FIN | ACK, seq=300, ack=101)) == ("TIME-WAIT", [". 101:101(0) ack 301"])
    last_ack = Tcb("LAST-ACK", snd_una=300, snd_nxt=301, rcv_nxt=101)
    assert said(last_ack, Segment(flags=ACK, seq=101, ack=301)) == ("CLOSED", [])


def test_simultaneous_close_sequence_of_figure_13() -> None:
    crossed = arrives(FIN_WAIT_1, Segment(flags=FIN | ACK, seq=300, ack=100))
    assert (crossed.tcb.state, str(crossed.answers["acknowledges"])) == ("CLOSING", ". 101:101(0) ack 301")
    assert said(crossed.tcb, Segment(flags=ACK, seq=301, ack=101)) == ("TIME-WAIT", [])


def test_fin_that_acknowledges_ours_of_note_2_to_figure_5() -> None:
    assert said(FIN_WAIT_1, Segment(flags=FIN | ACK, seq=300, ack=101)) == ("TIME-WAIT", [". 101:101(0) ack 301"])


@pytest.mark.parametrize(
    ("window", "taken", "seq", "accepted"),
    [  # RFC 9293 3.10.7.4, table 6: SEG.LEN and RCV.WND, each zero or not, at RCV.NXT = 300
        (0, 0, 300, True),
        (0, 0, 301, False),
        (0, 0, 299, False),
        (10, 0, 300, True),
        (10, 0, 309, True),
        (10, 0, 310, False),
        (10, 0, 299, False),
        (0, 1, 300, False),
        (10, 3, 300, True),
        (10, 3, 298, True),  # its last byte is 300
        (10, 3, 297, False),  # its last byte is 299
        (10, 3, 309, True),
        (10, 3, 310, False),
    ],
)
def test_acceptability(window: int, taken: int, seq: int, accepted: bool) -> None:
    tcb = replace(FIN_WAIT_1, rcv_wnd=window)
    assert acceptable(tcb, Segment(flags=ACK, seq=seq, ack=100, data=bytes(taken))) == accepted


def test_acceptability_around_the_end_of_the_number_space() -> None:
    tcb = replace(FIN_WAIT_1, rcv_nxt=2**32 - 2, rcv_wnd=10)
    assert acceptable(tcb, Segment(flags=ACK, seq=7, ack=100))
    assert not acceptable(tcb, Segment(flags=ACK, seq=8, ack=100))
    assert not acceptable(tcb, Segment(flags=ACK, seq=2**32 - 3, ack=100))


@pytest.mark.parametrize(
    ("segment", "state", "answers"),
    [
        (Segment(flags=RST, seq=300), "CLOSED", []),  # RFC 5961 3.2: exactly the next expected number
        (Segment(flags=RST, seq=301), "FIN-WAIT-1", [". 101:101(0) ack 300"]),  # in the window: challenge
        (Segment(flags=RST, seq=299), "FIN-WAIT-1", []),  # outside: drop
        (Segment(flags=SYN, seq=305), "FIN-WAIT-1", [". 101:101(0) ack 300"]),  # RFC 5961 4.2
        (Segment(flags=SYN, seq=5), "FIN-WAIT-1", [". 101:101(0) ack 300"]),  # irrespective of the number
        (Segment(flags=NONE, seq=300, data=b"x"), "FIN-WAIT-1", []),  # fifth: if the ACK bit is off, drop
        (Segment(flags=ACK, seq=300, ack=102), "FIN-WAIT-1", [". 101:101(0) ack 300"]),  # acks something not yet sent
        (Segment(flags=ACK, seq=300, ack=99), "FIN-WAIT-1", []),  # a duplicate can be ignored
        (Segment(flags=ACK, seq=300, ack=100 - 2**30), "FIN-WAIT-1", []),
        (Segment(flags=ACK, seq=300, ack=99 - 2**30), "FIN-WAIT-1", [". 101:101(0) ack 300"]),  # RFC 5961 5.2
        (Segment(flags=ACK, seq=300, ack=100, data=b"four"), "FIN-WAIT-1", [". 101:101(0) ack 304"]),
        (Segment(flags=ACK, seq=298, ack=100, data=b"four"), "FIN-WAIT-1", [". 101:101(0) ack 302"]),  # the new part
        (Segment(flags=FIN | ACK, seq=300, ack=100, data=b"four"), "CLOSING", [". 101:101(0) ack 305"]),
    ],
    ids=str,
)
def test_segment_in_fin_wait_1(segment: Segment, state: str, answers: list[str]) -> None:
    assert said(FIN_WAIT_1, segment) == (state, answers)


def test_what_is_ahead_waits_and_the_fin_counts_when_its_turn_comes() -> None:
    fin = arrives(FIN_WAIT_1, Segment(flags=FIN | ACK, seq=304, ack=100))
    assert (fin.tcb.state, str(fin.answers["acknowledges"])) == ("FIN-WAIT-1", ". 101:101(0) ack 300")
    data = Segment(flags=ACK, seq=300, ack=100, data=b"four")
    assert said(fin.tcb, data) == ("CLOSING", [". 101:101(0) ack 305"])


def test_data_that_nobody_reads_reset_the_connection() -> None:
    closed = replace(FIN_WAIT_1, reads=False)
    state, answers = said(closed, Segment(flags=ACK, seq=300, ack=100, data=b"four"))
    assert state == "CLOSED"
    assert answers == ["R 100:100(0)", "R 101:101(0)", "R. 101:101(0) ack 300"]
    assert said(closed, Segment(flags=FIN | ACK, seq=300, ack=100))[0] == "CLOSING"


@pytest.mark.parametrize("state", ["CLOSING", "LAST-ACK", "TIME-WAIT", "CLOSE-WAIT"])
def test_text_after_the_fin_is_ignored(state: str) -> None:
    tcb = Tcb(state, snd_una=100, snd_nxt=101, rcv_nxt=301)
    follows = arrives(tcb, Segment(flags=ACK, seq=301, ack=100, data=b"four"))
    assert follows.tcb == tcb
    assert follows.optional


def test_fin_again_is_acknowledged_and_its_ack_is_not_looked_at() -> None:
    last_ack = Tcb("LAST-ACK", snd_una=100, snd_nxt=101, rcv_nxt=301)
    assert said(last_ack, Segment(flags=FIN | ACK, seq=300, ack=101)) == ("LAST-ACK", [". 101:101(0) ack 301"])


@pytest.mark.parametrize(
    ("segment", "answers"),
    [
        (Segment(flags=RST, seq=7), []),
        (Segment(flags=ACK, seq=7, ack=9), ["R 9:9(0)"]),  # <SEQ=SEG.ACK><CTL=RST>
        (Segment(flags=FIN, seq=7, data=b"x"), ["R. 0:0(0) ack 9"]),  # <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>
    ],
)
def test_closed_connection(segment: Segment, answers: list[str]) -> None:
    closed = Tcb("CLOSED", snd_una=100, snd_nxt=101, rcv_nxt=300)
    assert said(closed, segment) == ("CLOSED", answers)


@given(
    st.lists(st.sampled_from([(300, b"ab", NONE), (302, b"cd", NONE), (304, b"", FIN), (301, b"bc", NONE)]), max_size=8)
)
def test_nothing_is_lost_or_taken_twice_in_whatever_order(arrivals: list[tuple[int, bytes, int]]) -> None:
    tcb = replace(FIN_WAIT_1, state="ESTABLISHED")
    for seq, data, flags in arrivals:
        after = arrives(tcb, Segment(flags=flags | ACK, seq=seq, ack=100, data=data)).tcb
        assert tcb.rcv_nxt <= after.rcv_nxt <= 305
        tcb = after
    came = {(seq, bool(flags & FIN)) for seq, _, flags in arrivals}
    if {(300, False), (302, False), (304, True)} <= came:
        assert (tcb.state, tcb.rcv_nxt) == ("CLOSE-WAIT", 305)
