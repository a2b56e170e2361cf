"""What RFC 9293 has answered, held against its words; every figure here is typed in from there."""

from __future__ import annotations

import pytest

from harness.model.connection import ControlBlock
from harness.model.numbers import acceptable
from harness.model.rfc9293 import answers
from harness.tcp.segment import ACK, FIN, NONE, PSH, RST, SYN, URG, Flags
from tests.model.told import all_told, only, seg, told

SYNCHRONIZED = ("ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT")


@pytest.mark.parametrize(
    ("window", "length", "seq", "inside"),
    [
        (0, 0, 50, True),
        (0, 0, 51, False),
        (0, 0, 49, False),
        (10, 0, 50, True),
        (10, 0, 59, True),
        (10, 0, 60, False),
        (10, 0, 49, False),
        (0, 1, 50, False),
        (10, 5, 45, False),  # its last number is 49
        (10, 6, 45, True),
        (10, 5, 59, True),
        (10, 5, 60, False),
    ],
)
def test_table_6_acceptability(window: int, length: int, seq: int, inside: bool) -> None:
    at = ControlBlock("ESTABLISHED", snd_una=7, snd_nxt=7, rcv_nxt=50, rcv_wnd=window)
    assert acceptable(at, seg(ACK, seq, ack=7, length=length)) == inside


@pytest.mark.parametrize("state", [*SYNCHRONIZED, "SYN-RECEIVED"])
def test_unacceptable_segment_is_acknowledged_unless_it_is_a_rst(state: str) -> None:
    at = ControlBlock(state, snd_una=6, snd_nxt=7, rcv_nxt=50, rcv_wnd=10)
    assert only(at, seg(ACK, 60, ack=7, length=3)) == ("<SEQ=7><ACK=50><CTL=ACK>", state)
    assert only(at, seg(RST, 60)) == ("", state)


@pytest.mark.parametrize("state", SYNCHRONIZED)
def test_rfc_5961_section_3_three_checks_of_a_rst(state: str) -> None:
    at = ControlBlock(state, snd_una=6, snd_nxt=7, rcv_nxt=50, rcv_wnd=10)
    assert only(at, seg(RST, 49)) == ("", state)
    assert only(at, seg(RST, 50)) == ("", "CLOSED")
    assert only(at, seg(RST, 51)) == ("<SEQ=7><ACK=50><CTL=ACK>", state)
    assert only(at, seg(RST, 59)) == ("<SEQ=7><ACK=50><CTL=ACK>", state)


@pytest.mark.parametrize("state", SYNCHRONIZED[:-1])
@pytest.mark.parametrize("seq", [40, 50, 55, 60, 5000])
def test_rfc_5961_section_4_syn_is_challenged_whatever_its_number(state: str, seq: int) -> None:
    at = ControlBlock(state, snd_una=6, snd_nxt=7, rcv_nxt=50, rcv_wnd=10)
    assert only(at, seg(SYN, seq)) == ("<SEQ=7><ACK=50><CTL=ACK>", state)


def test_rfc_5961_section_5_range_of_acknowledgments() -> None:
    at = ControlBlock("ESTABLISHED", snd_una=1000, snd_nxt=1200, rcv_nxt=50, rcv_wnd=10, max_snd_wnd=300, quickack=True)
    assert only(at, seg(ACK, 50, ack=699, length=1)) == ("<SEQ=1200><ACK=50><CTL=ACK>", "ESTABLISHED")
    assert only(at, seg(ACK, 50, ack=700, length=1)) == ("<SEQ=1200><ACK=51><CTL=ACK>", "ESTABLISHED")
    assert only(at, seg(ACK, 50, ack=1200, length=1)) == ("<SEQ=1200><ACK=51><CTL=ACK>", "ESTABLISHED")
    assert only(at, seg(ACK, 50, ack=1201, length=1)) == ("<SEQ=1200><ACK=50><CTL=ACK>", "ESTABLISHED")


def test_closed_resets_with_a_number_that_the_sender_takes() -> None:
    assert only(ControlBlock("CLOSED"), seg(SYN, 700)) == ("<SEQ=0><ACK=701><CTL=RST,ACK>", "CLOSED")
    assert only(ControlBlock("CLOSED"), seg(NONE, 700, length=20)) == ("<SEQ=0><ACK=720><CTL=RST,ACK>", "CLOSED")
    assert only(ControlBlock("CLOSED"), seg(SYN | FIN, 700)) == ("<SEQ=0><ACK=702><CTL=RST,ACK>", "CLOSED")
    assert only(ControlBlock("CLOSED"), seg(RST, 700)) == ("", "CLOSED")


def test_listen_ignores_a_rst_resets_an_ack_and_drops_the_rest() -> None:
    assert only(ControlBlock("LISTEN"), seg(RST, 700, ack=5)) == ("", "LISTEN")
    assert only(ControlBlock("LISTEN"), seg(FIN, 700, ack=5)) == ("<SEQ=5><CTL=RST>", "LISTEN")
    assert only(ControlBlock("LISTEN"), seg(FIN, 700)) == ("", "LISTEN")


def test_syn_sent_believes_only_a_rst_that_acknowledges_its_syn() -> None:
    asking = ControlBlock("SYN-SENT", snd_una=100, snd_nxt=101, iss=100, actively=True)
    assert only(asking, seg(RST, 0)) == ("", "SYN-SENT")
    assert only(asking, seg(RST, 0, ack=100)) == ("", "SYN-SENT")
    assert only(asking, seg(RST, 0, ack=101)) == ("", "CLOSED")
    assert only(asking, seg(RST, 12345, ack=101)) == ("", "CLOSED")  # RFC 5961 3.2: its ACK alone decides
    assert only(asking, seg(FIN, 300, ack=101)) == ("", "SYN-SENT")


def test_syn_received_ends_as_it_began() -> None:
    passively = ControlBlock("SYN-RECEIVED", snd_una=300, snd_nxt=301, iss=300, rcv_nxt=91, rcv_wnd=1000)
    actively = ControlBlock("SYN-RECEIVED", snd_una=300, snd_nxt=301, iss=300, rcv_nxt=91, rcv_wnd=1000, actively=True)
    assert only(passively, seg(RST, 91)) == ("", "LISTEN")
    assert only(actively, seg(RST, 91)) == ("", "CLOSED")
    assert only(passively, seg(SYN, 95)) == ("", "LISTEN")
    assert only(actively, seg(SYN, 95)) == ("<SEQ=301><ACK=91><CTL=ACK>", "SYN-RECEIVED")


def test_syn_received_resets_an_acknowledgment_of_what_it_did_not_send() -> None:
    at = ControlBlock("SYN-RECEIVED", snd_una=300, snd_nxt=301, iss=300, rcv_nxt=91, rcv_wnd=1000)
    assert only(at, seg(ACK, 91, ack=300)) == ("<SEQ=300><CTL=RST>", "SYN-RECEIVED")
    assert ("<SEQ=302><CTL=RST>", "SYN-RECEIVED") in all_told(at, seg(ACK, 91, ack=302))
    # 3.5.2 has a RST for it in any unsynchronized state, 3.10.7.4 looks at the sequence number first
    assert all_told(at, seg(ACK, 9000, ack=302)) == [
        ("<SEQ=301><ACK=91><CTL=ACK>", "SYN-RECEIVED"),
        ("<SEQ=302><CTL=RST>", "SYN-RECEIVED"),
    ]


def test_without_an_ack_nothing_happens() -> None:
    at = ControlBlock("ESTABLISHED", snd_una=7, snd_nxt=7, rcv_nxt=50, rcv_wnd=10)
    for flags in (NONE, FIN, URG):
        assert only(at, seg(flags, 50)) == ("", "ESTABLISHED")


def test_zero_window_takes_an_ack_and_a_rst_and_nothing_else() -> None:
    at = ControlBlock("FIN-WAIT-1", snd_una=100, snd_nxt=101, rcv_nxt=300, rcv_wnd=0)
    assert only(at, seg(ACK, 300, ack=101)) == ("", "FIN-WAIT-2")
    assert only(at, seg(RST, 300)) == ("", "CLOSED")
    assert only(at, seg(RST, 301)) == ("", "FIN-WAIT-1")
    assert only(at, seg(ACK, 300, ack=100, length=1)) == ("<SEQ=101><ACK=300><CTL=ACK>", "FIN-WAIT-1")
    assert only(at, seg(ACK, 301, ack=101)) == ("<SEQ=101><ACK=300><CTL=ACK>", "FIN-WAIT-1")


@pytest.mark.parametrize(
    ("state", "una", "then"),
    [
        ("FIN-WAIT-1", 100, "FIN-WAIT-2"),
        ("CLOSING", 100, "TIME-WAIT"),
        ("LAST-ACK", 100, "CLOSED"),
        ("ESTABLISHED", 100, "ESTABLISHED"),
        ("CLOSE-WAIT", 100, "CLOSE-WAIT"),
        ("SYN-RECEIVED", 100, "ESTABLISHED"),
    ],
)
@pytest.mark.parametrize(("flags", "length"), [(FIN, 0), (ACK, 1)], ids=["FIN", "data"])
def test_at_a_zero_window_the_ack_of_what_has_no_room_may_count(
    state: str, una: int, then: str, flags: Flags, length: int
) -> None:
    at = ControlBlock(state, snd_una=una, snd_nxt=101, rcv_nxt=300, rcv_wnd=0)
    found = {(told(one), one.after.snd_una) for one in answers(at, seg(flags, 300, ack=101, length=length))}
    told_again = "<SEQ=101><ACK=300><CTL=ACK>"
    assert ((told_again, state), 100) in found
    if state == "LAST-ACK":
        assert {one for one, _ in found} == {(told_again, state), (told_again, then), ("", then)}
    else:
        assert found == {((told_again, state), 100), ((told_again, then), 101)}


def test_ack_of_data_in_sequence_may_wait_until_two_full_segments_have_come() -> None:
    at = ControlBlock("ESTABLISHED", snd_una=7, snd_nxt=7, rcv_nxt=50, rcv_wnd=5000, rmss=1000)
    first = answers(at, seg(ACK, 50, ack=7, length=1000))
    assert [told(one)[0] for one in first] == ["<SEQ=7><ACK=1050><CTL=ACK>", ""]
    assert only(first[1].after, seg(ACK, 1050, ack=7, length=1000)) == ("<SEQ=7><ACK=2050><CTL=ACK>", "ESTABLISHED")
    assert len(answers(first[0].after, seg(ACK, 1050, ack=7, length=1000))) == 2


def test_ack_of_a_fin_or_of_what_fills_a_gap_does_not_wait() -> None:
    at = ControlBlock("ESTABLISHED", snd_una=7, snd_nxt=7, rcv_nxt=50, rcv_wnd=5000)
    assert only(at, seg(FIN, 50, ack=7, length=4)) == ("<SEQ=7><ACK=55><CTL=ACK>", "CLOSE-WAIT")
    (kept,) = answers(at, seg(ACK, 54, ack=7, length=4))
    assert only(kept.after, seg(ACK, 50, ack=7, length=4)) == ("<SEQ=7><ACK=58><CTL=ACK>", "ESTABLISHED")


def test_with_quickack_the_ack_of_data_in_sequence_does_not_wait() -> None:
    at = ControlBlock("ESTABLISHED", snd_una=7, snd_nxt=7, rcv_nxt=50, rcv_wnd=5000, quickack=True)
    assert only(at, seg(ACK, 50, ack=7, length=1)) == ("<SEQ=7><ACK=51><CTL=ACK>", "ESTABLISHED")


def test_what_was_read_before_the_close_resets_nothing_when_it_comes_again() -> None:
    at = ControlBlock("FIN-WAIT-1", snd_una=100, snd_nxt=101, rcv_nxt=304, rcv_wnd=1000, reads=False)
    assert only(at, seg(FIN, 300, ack=100, length=4)) == ("<SEQ=101><ACK=305><CTL=ACK>", "CLOSING")


def test_what_was_kept_with_an_ack_of_what_was_never_sent_is_dropped_in_its_turn() -> None:
    at = ControlBlock("ESTABLISHED", snd_una=7, snd_nxt=7, rcv_nxt=50, rcv_wnd=5000)
    for kept in answers(at, seg(ACK, 54, ack=9000, length=4)):
        for after in answers(kept.after, seg(ACK, 50, ack=7, length=4)):
            assert (after.after.rcv_nxt, after.after.snd_una) == (54, 7)


def test_answers_that_leave_the_connection_elsewhere_have_names_of_their_own() -> None:
    # the ACK counts at once, or with the rest
    at = ControlBlock("ESTABLISHED", snd_una=0, snd_nxt=1, rcv_nxt=0, rcv_wnd=2)
    found = answers(at, seg(PSH, 1, ack=1, length=1))
    assert sorted(one.after.snd_una for one in found) == [0, 1]
    assert len({one.name for one in found}) == 2


def test_time_wait_acknowledges_the_fin_again_and_may_be_reopened_by_a_newer_syn() -> None:
    at = ControlBlock("TIME-WAIT", snd_una=101, snd_nxt=101, rcv_nxt=301, rcv_wnd=1000)
    assert only(at, seg(FIN, 300, ack=101)) == ("<SEQ=101><ACK=301><CTL=ACK>", "TIME-WAIT")
    assert all_told(at, seg(SYN, 302)) == [
        ("<SEQ=101><ACK=301><CTL=ACK>", "TIME-WAIT"),
        ("<SEQ=0><ACK=303><CTL=SYN,ACK>", "SYN-RECEIVED"),
    ]
    assert all_told(at, seg(SYN, 299)) == [("<SEQ=101><ACK=301><CTL=ACK>", "TIME-WAIT"), ("", "TIME-WAIT")]


def test_rfc_5681_section_3_2_what_lies_further_on_in_the_window_is_acknowledged_at_once() -> None:
    at = ControlBlock("ESTABLISHED", snd_una=7, snd_nxt=7, rcv_nxt=50, rcv_wnd=10)
    assert set(all_told(at, seg(FIN, 55, ack=7))) == {("<SEQ=7><ACK=50><CTL=ACK>", "ESTABLISHED")}
    assert set(all_told(at, seg(ACK, 55, ack=7, length=1))) == {("<SEQ=7><ACK=50><CTL=ACK>", "ESTABLISHED")}


def test_what_lies_further_on_without_text_may_be_held_or_acknowledged() -> None:
    last = ControlBlock("LAST-ACK", snd_una=6, snd_nxt=7, rcv_nxt=50, rcv_wnd=10)
    assert all_told(last, seg(ACK, 55, ack=7)) == [
        ("", "CLOSED"),
        ("", "LAST-ACK"),
        ("<SEQ=7><ACK=50><CTL=ACK>", "LAST-ACK"),
    ]


def test_what_was_kept_counts_when_its_turn_comes() -> None:
    at = ControlBlock("FIN-WAIT-1", snd_una=100, snd_nxt=101, rcv_nxt=300, rcv_wnd=1000)
    for kept in answers(at, seg(FIN, 304, ack=100)):
        assert only(kept.after, seg(ACK, 300, ack=100, length=4)) == ("<SEQ=101><ACK=305><CTL=ACK>", "CLOSING")


def test_acknowledgment_in_what_is_kept_counts_at_once_or_later() -> None:
    at = ControlBlock("FIN-WAIT-1", snd_una=100, snd_nxt=101, rcv_nxt=300, rcv_wnd=1000)
    kept = answers(at, seg(FIN, 304, ack=101))
    assert {answer.after.state for answer in kept} == {"FIN-WAIT-1", "FIN-WAIT-2"}
    for answer in kept:
        assert only(answer.after, seg(ACK, 300, ack=100, length=4)) == ("<SEQ=101><ACK=305><CTL=ACK>", "TIME-WAIT")


def test_of_what_was_there_before_the_new_part_is_taken() -> None:
    at = ControlBlock("FIN-WAIT-1", snd_una=100, snd_nxt=101, rcv_nxt=300, rcv_wnd=1000, quickack=True)
    assert only(at, seg(ACK, 298, ack=100, length=4)) == ("<SEQ=101><ACK=302><CTL=ACK>", "FIN-WAIT-1")


def test_data_that_nobody_reads_reset_the_connection() -> None:
    at = ControlBlock("FIN-WAIT-1", snd_una=100, snd_nxt=101, rcv_nxt=300, rcv_wnd=1000, reads=False)
    assert all_told(at, seg(ACK, 300, ack=100, length=4)) == [
        ("<SEQ=100><CTL=RST>", "CLOSED"),
        ("<SEQ=101><CTL=RST>", "CLOSED"),
        ("<SEQ=101><ACK=300><CTL=RST,ACK>", "CLOSED"),
    ]
    assert only(at, seg(FIN, 300, ack=100)) == ("<SEQ=101><ACK=301><CTL=ACK>", "CLOSING")


def test_reset_of_unread_data_has_one_name_where_both_ways_to_number_it_agree() -> None:
    at = ControlBlock("FIN-WAIT-1", snd_una=100, snd_nxt=101, rcv_nxt=300, rcv_wnd=1000, reads=False)
    assert all_told(at, seg(ACK, 300, ack=101, length=4)) == [
        ("<SEQ=101><CTL=RST>", "CLOSED"),
        ("<SEQ=101><ACK=300><CTL=RST,ACK>", "CLOSED"),
    ]


def test_new_incarnation_has_nothing_of_the_one_before() -> None:
    kept = (seg(ACK, 55, length=1),)
    at = ControlBlock("TIME-WAIT", snd_una=7, snd_nxt=7, rcv_nxt=50, rcv_wnd=10, iss=3, reads=False, kept=kept)
    (_, opened) = answers(at, seg(SYN, 60))
    assert (opened.after.state, opened.after.reads, opened.after.kept) == ("SYN-RECEIVED", True, ())


def test_the_syn_and_ack_completes_a_simultaneous_open() -> None:
    """Figure 7, line 7."""
    at = ControlBlock("SYN-RECEIVED", snd_una=100, snd_nxt=101, rcv_nxt=301, rcv_wnd=10, iss=100, actively=True)
    established = "<SEQ=101><ACK=301><CTL=ACK>", "ESTABLISHED"
    assert established in all_told(at, seg(SYN, 300, ack=101))
    assert established not in all_told(at, seg(SYN, 300, ack=100))
