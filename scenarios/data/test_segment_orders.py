"""Data that arrive in any order, again, or overlapping: acknowledged as they become whole, and read in sequence.

The acknowledgments are derived from RFC 9293 3.10.7.4 by ``harness.model.rfc9293``.
"""

from __future__ import annotations

import itertools

import pytest

from harness import (
    ACK,
    FIN,
    NONE,
    Connection,
    ControlBlock,
    Segment,
    Session,
    both_families,
    in_shared_lab,
    judge,
    reach,
    requirement,
)

pytestmark = in_shared_lab

FIVE = (b"one ", b"two ", b"three ", b"four ", b"five")
STARTS = (1, 5, 9, 15, 20)
WHOLE = b"".join(FIVE)
ORDERS = list(itertools.permutations(range(5)))

STREAM = b"abcdefghij"  # byte n of the stream has the number n + 1
OVERLAPS = {
    "again": [(1, 6), (1, 6)],
    "begins before": [(1, 4), (2, 8)],
    "lies within": [(1, 9), (3, 6)],
    "covers": [(3, 6), (1, 11)],
    "ends in what waits": [(5, 9), (1, 7)],
    "ends where what waits begins": [(5, 9), (1, 5)],
    "fills the hole and more": [(7, 11), (1, 5), (3, 9)],
    "waits again": [(5, 9), (5, 9), (1, 5)],
    "waits and is covered": [(5, 7), (4, 9), (1, 4)],
    "waits and is joined": [(7, 9), (5, 7), (1, 5)],
    "two holes": [(9, 11), (5, 7), (1, 5), (7, 9)],
    "byte by byte backwards": [(number, number + 1) for number in range(10, 0, -1)],
}


@pytest.fixture
def timestamps() -> bool:
    """Without: segments that overtake each other must not be judged by their age as well (RFC 7323 5)."""
    return False


def take(connection: Connection, segments: list[Segment]) -> ControlBlock:
    """Send the segments one after the other and judge each answer."""
    window = connection.peer.offered_window(1)
    at = ControlBlock("ESTABLISHED", snd_una=1, snd_nxt=1, rcv_nxt=1, rcv_wnd=window, quickack=True)
    for segment in segments:
        at = judge(connection.peer, [at], segment)[0].after
    return at


@requirement("RFC9293-3.10.7.4", "RFC9293-SHLD-31", "RFC9293-MAY-13", "FSM-156")
@pytest.mark.parametrize("fin", [False, True], ids=["data", "FIN"])
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "".join(str(number + 1) for number in order))
def test_five_segments_are_read_in_sequence_in_whatever_order_they_arrive(
    session: Session, order: tuple[int, ...], fin: bool
) -> None:
    connection = reach(session, None, "ESTABLISHED")
    flags = [FIN if fin and number == 4 else NONE for number in range(5)]
    made = [connection.peer.make(flags[number], seq=STARTS[number], ack=1, data=FIVE[number]) for number in range(5)]
    take(connection, [made[number] for number in order])
    assert connection.endpoint.receive() == WHOLE
    assert not fin or connection.endpoint.receive() == b""


@requirement("RFC9293-3.10.7.4", "RFC9293-E-11", "FSM-156")
@both_families
@pytest.mark.parametrize("pieces", OVERLAPS.values(), ids=OVERLAPS)
def test_of_overlapping_segments_the_new_part_is_taken(session: Session, pieces: list[tuple[int, int]]) -> None:
    connection = reach(session, None, "ESTABLISHED")
    made = [connection.peer.make(ACK, seq=left, ack=1, data=STREAM[left - 1 : right - 1]) for left, right in pieces]
    at = take(connection, made)
    received = connection.endpoint.receive()
    assert received == STREAM[: len(received)]
    assert len(received) == at.rcv_nxt - 1


@requirement("RFC9293-3.10.7.4", "RFC9293-E-11")
@both_families
def test_what_was_acknowledged_is_not_replaced_by_what_comes_later(session: Session) -> None:
    connection = reach(session, None, "ESTABLISHED")
    first = connection.peer.make(ACK, seq=1, ack=1, data=b"right")
    other = connection.peer.make(ACK, seq=1, ack=1, data=b"WRONG and more")
    take(connection, [first, other])
    assert connection.endpoint.receive() == b"right and more"
