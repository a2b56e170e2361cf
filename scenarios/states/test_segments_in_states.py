"""What each kind of segment does to a connection in each state (RFC 9293 3.10.7.4, step by step; RFC 5961).

The numbers of each state stand in ``harness.live.states.NUMBERS``. Where nothing is to be answered, the state is asked
for after the kernel took the segment in, and an answer that nobody mentioned fails the scenario at its end.
"""

from __future__ import annotations

import pytest

from harness import ACK, FIN, NONE, NUMBERS, RST, SYN, Cell, both_families, in_shared_lab, in_states, judge, requirement

pytestmark = in_shared_lab

FAR = 1_000_000  # beyond any window here: the kernel offers 64 KiB at first
WITHIN = 100  # inside the window, and not at its left edge
HUGE = 2**30  # more than the largest window there is (RFC 7323 2.3)


def left_of_window(cell: Cell) -> int:
    return cell.at.rcv_nxt - FAR


def right_of_window(cell: Cell) -> int:
    return cell.at.rcv_nxt + FAR


def inside_window(cell: Cell) -> int:
    return cell.at.rcv_nxt + WITHIN


def ahead_of_all(cell: Cell) -> int:
    return cell.at.snd_nxt + WITHIN


def behind_all(cell: Cell) -> int:
    return cell.at.snd_una - HUGE


# -- first, the sequence number


out_of_window = in_states(
    {
        "SYN-RECEIVED": "FSM-082",
        "ESTABLISHED": "FSM-093",
        "FIN-WAIT-1": "FSM-094",
        "FIN-WAIT-2": "FSM-095",
        "CLOSE-WAIT": "FSM-096",
        "CLOSING": "FSM-097",
        "LAST-ACK": "FSM-098",
        "TIME-WAIT": "FSM-099",
    }
)


@requirement("RFC9293-3.10.7.4", "RFC9293-E-10")
@both_families
@out_of_window
def test_segment_left_of_the_window_is_acknowledged_and_dropped(cell: Cell) -> None:
    cell.peer.send(ACK, seq=left_of_window(cell), ack=cell.at.snd_nxt, data=b"long ago")
    cell.peer.expect(ACK, seq=cell.at.snd_nxt, ack=cell.at.rcv_nxt)
    cell.expect_same_state()


@requirement("RFC9293-3.10.7.4", "RFC9293-E-10")
@both_families
@out_of_window
def test_segment_right_of_the_window_is_acknowledged_and_dropped(cell: Cell) -> None:
    cell.peer.send(ACK, seq=right_of_window(cell), ack=cell.at.snd_nxt, data=b"too far")
    cell.peer.expect(ACK, seq=cell.at.snd_nxt, ack=cell.at.rcv_nxt)
    cell.expect_same_state()


# -- second, the RST bit


@requirement("RFC9293-3.10.7.4", "RFC9293-E-20", "RFC5961-3.2-1")
@pytest.mark.parametrize("side", [left_of_window, right_of_window])
@in_states(
    {
        "SYN-RECEIVED": "FSM-083",
        "ESTABLISHED": "FSM-100",
        "FIN-WAIT-1": "FSM-101",
        "FIN-WAIT-2": "FSM-102",
        "CLOSE-WAIT": "FSM-103",
        "CLOSING": "FSM-104",
        "LAST-ACK": "FSM-105",
        "TIME-WAIT": "FSM-106",
    }
)
def test_rst_outside_the_window_is_dropped(cell: Cell, side: object) -> None:
    assert callable(side)
    cell.peer.send(RST, seq=side(cell))
    cell.expect_same_state()


@requirement("RFC9293-3.10.7.4", "RFC9293-U-4", "RFC5961-3.2-2")
@both_families
@in_states(
    {
        "ESTABLISHED": "FSM-107",
        "FIN-WAIT-1": "FSM-108",
        "FIN-WAIT-2": "FSM-109",
        "CLOSE-WAIT": "FSM-110",
        "CLOSING": "FSM-111",
        "LAST-ACK": "FSM-112",
        "TIME-WAIT": "FSM-113",
    }
)
def test_rst_at_the_left_edge_ends_the_connection(cell: Cell) -> None:
    cell.peer.send(RST, seq=cell.at.rcv_nxt)
    cell.expect_gone()


@requirement("RFC9293-3.10.7.4", "RFC9293-U-5", "RFC9293-U-6", "RFC5961-3.2-3")
@both_families
@in_states(
    {
        "SYN-RECEIVED": "FSM-084",
        "ESTABLISHED": "FSM-114",
        "FIN-WAIT-1": "FSM-115",
        "FIN-WAIT-2": "FSM-116",
        "CLOSE-WAIT": "FSM-117",
        "CLOSING": "FSM-118",
        "LAST-ACK": "FSM-119",
        "TIME-WAIT": "FSM-120",
    }
)
def test_rst_inside_the_window_is_challenged(cell: Cell) -> None:
    cell.peer.send(RST, seq=inside_window(cell))
    cell.peer.expect(ACK, seq=cell.at.snd_nxt, ack=cell.at.rcv_nxt)
    cell.expect_same_state()


# -- fourth, the SYN bit


@requirement("RFC9293-3.10.7.4", "RFC5961-4.2-1")
@both_families
@in_states(
    {"SYN-RECEIVED": "FSM-088"}
    | {
        "ESTABLISHED": "FSM-128",
        "FIN-WAIT-1": "FSM-129",
        "FIN-WAIT-2": "FSM-130",
        "CLOSE-WAIT": "FSM-131",
        "CLOSING": "FSM-132",
        "LAST-ACK": "FSM-133",
    },
    ways={"SYN-RECEIVED": ["owned"]}
    | {state: ["owned", "orphaned"] for state in ("FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "LAST-ACK")}
    | {state: ["owned", "unaccepted"] for state in ("ESTABLISHED", "CLOSE-WAIT")},
)
def test_syn_inside_the_window_is_challenged(cell: Cell) -> None:
    cell.peer.send(SYN, seq=inside_window(cell))
    cell.peer.expect(ACK, seq=cell.at.snd_nxt, ack=cell.at.rcv_nxt)
    cell.expect_same_state()


@requirement("RFC9293-3.10.7.4", "RFC5961-4.2-1")
@in_states(
    {
        "ESTABLISHED": "FSM-128",
        "FIN-WAIT-1": "FSM-129",
        "FIN-WAIT-2": "FSM-130",
        "CLOSE-WAIT": "FSM-131",
        "CLOSING": "FSM-132",
        "LAST-ACK": "FSM-133",
    }
)
def test_syn_with_the_old_number_is_challenged(cell: Cell) -> None:
    cell.peer.send(SYN, seq=0)
    cell.peer.expect(ACK, seq=cell.at.snd_nxt, ack=cell.at.rcv_nxt)
    cell.expect_same_state()


# -- fifth, the ACK bit


@requirement("RFC9293-3.10.7.4")
@both_families
@in_states(
    {
        "SYN-RECEIVED": "FSM-089",
        "ESTABLISHED": "FSM-136",
        "FIN-WAIT-1": "FSM-137",
        "FIN-WAIT-2": "FSM-138",
        "CLOSE-WAIT": "FSM-139",
        "CLOSING": "FSM-140",
        "LAST-ACK": "FSM-141",
        "TIME-WAIT": "FSM-142",
    }
)
def test_segment_without_ack_is_dropped(cell: Cell) -> None:
    cell.peer.send(NONE, seq=cell.at.rcv_nxt, data=b"who am I")
    cell.expect_same_state()


@requirement("RFC9293-3.10.7.4", "RFC9293-MAY-12", "RFC5961-5.2-1")
@both_families
@in_states(
    {
        "ESTABLISHED": "FSM-143",
        "FIN-WAIT-1": "FSM-144",
        "FIN-WAIT-2": "FSM-145",
        "CLOSE-WAIT": "FSM-146",
        "CLOSING": "FSM-147",
        "LAST-ACK": "FSM-148",
        "TIME-WAIT": "FSM-149",
    }
)
def test_ack_older_than_the_largest_window_is_answered_with_an_ack(cell: Cell) -> None:
    cell.peer.send(ACK, seq=cell.at.rcv_nxt, ack=behind_all(cell), data=b"blind")
    cell.peer.expect(ACK, seq=cell.at.snd_nxt, ack=cell.at.rcv_nxt)
    cell.expect_same_state()


@requirement("RFC9293-3.10.7.4")
@both_families
@in_states(
    {
        "ESTABLISHED": "FSM-150",
        "FIN-WAIT-1": "FSM-151",
        "FIN-WAIT-2": "FSM-152",
        "CLOSE-WAIT": "FSM-153",
        "CLOSING": "FSM-154",
        "LAST-ACK": "FSM-155",
    }
)
def test_ack_of_what_was_never_sent_is_answered_with_an_ack(cell: Cell) -> None:
    cell.peer.send(ACK, seq=cell.at.rcv_nxt, ack=ahead_of_all(cell), data=b"foresight")
    cell.peer.expect(ACK, seq=cell.at.snd_nxt, ack=cell.at.rcv_nxt)
    cell.expect_same_state()


@requirement("RFC9293-3.10.7.4", "RFC9293-E-13")
@both_families
@in_states({"SYN-RECEIVED": "FSM-090"})
def test_unacceptable_ack_in_syn_received_draws_a_rst(cell: Cell) -> None:
    cell.peer.send(ACK, seq=1, ack=WITHIN)
    cell.peer.expect(RST, seq=WITHIN)
    cell.expect_same_state()


@requirement("RFC9293-3.10.7.4")
@in_states({"CLOSING": "FSM-165"})
def test_ack_that_does_not_cover_the_fin_is_ignored_in_closing(cell: Cell) -> None:
    cell.peer.send(ACK, seq=2, ack=1)
    cell.expect_same_state()


# -- seventh, the text


@requirement("RFC9293-3.10.7.4", "RFC9293-3.6")
@both_families
@in_states(
    {
        "ESTABLISHED": "FSM-156",
        "FIN-WAIT-1": "FSM-157",
        "FIN-WAIT-2": "FSM-158",
    },
    ownership=["owned", "unaccepted"],
)
def test_data_in_sequence_are_taken_and_acknowledged(cell: Cell) -> None:
    cell.peer.send(ACK, seq=1, ack=cell.at.snd_una, data=b"some text")
    cell.peer.expect(ACK, seq=cell.at.snd_nxt, ack=10)
    cell.expect_same_state()


@requirement("RFC9293-3.10.7.4")
@both_families
@in_states(
    {
        "CLOSE-WAIT": "FSM-159",
        "CLOSING": "FSM-160",
        "LAST-ACK": "FSM-161",
        "TIME-WAIT": "FSM-162",
    }
)
def test_data_beyond_the_fin_are_ignored(cell: Cell) -> None:
    late = cell.peer.make(ACK, seq=2, ack=cell.at.snd_una, data=b"too late")
    judge(cell.peer, [cell.control_block], late)
    cell.expect_same_state()


# -- eighth, the FIN bit


@requirement("RFC9293-3.10.7.4")
@both_families
@in_states({"CLOSE-WAIT": "FSM-163", "CLOSING": "FSM-164", "LAST-ACK": "FSM-166", "TIME-WAIT": "FSM-167"})
def test_fin_again_is_acknowledged_again(cell: Cell) -> None:
    cell.peer.send(FIN, seq=1, ack=NUMBERS[cell.state].snd_una)
    cell.peer.expect(ACK, seq=cell.at.snd_nxt, ack=2)
    cell.expect_same_state()
