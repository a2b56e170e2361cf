"""Acknowledgments that wait for company: RFC 9293 3.8.6.3 wants them, but for less than half a second."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    DELACK_LIMIT,
    MS,
    PROMPT,
    SYN,
    Connection,
    Endpoint,
    Session,
    Span,
    requirement,
    wait_from_afar,
    waits,
)

APART = Span(30 * MS, "APART", "shorter than a delayed acknowledgment waits (TCP_ATO_MIN, include/net/tcp.h)")
FULL = b"x" * 1448  # an MSS of 1460 less the timestamps


def wait_with_acks(connection: Connection) -> Connection:
    """Leave the quick acknowledgments that Linux begins a connection with (tcp(7), TCP_QUICKACK)."""
    connection.endpoint.set_option("TCP_QUICKACK", 0)
    return connection


@requirement("RFC9293-MUST-40", "RFC9293-SHLD-18", "RFC5681-4.2-1")
@waits(DELACK_LIMIT)
def test_single_segment_is_acknowledged_within_half_a_second(established: Connection) -> None:
    _, peer = wait_with_acks(established)
    peer.send(ACK, seq=1, ack=1, data=b"one")
    peer.expect(ACK, seq=1, ack=4, within=DELACK_LIMIT)


@requirement("RFC9293-SHLD-18")
@waits(DELACK_LIMIT)
def test_acknowledgment_of_a_single_segment_is_delayed(established: Connection) -> None:
    _, peer = wait_with_acks(established)
    peer.send(ACK, seq=1, ack=1, data=b"one")
    peer.expect(ACK, seq=1, ack=4, at_least=PROMPT.unrounded(), within=DELACK_LIMIT)


@requirement("RFC9293-SHLD-18", "RFC9293-MUST-58")
@waits(DELACK_LIMIT)
def test_acknowledgment_rides_on_the_answer(established: Connection) -> None:
    server, peer = wait_with_acks(established)
    peer.send(ACK, seq=1, ack=1, data=b"ask")
    assert server.receive() == b"ask"
    server.send(b"answer")
    peer.expect(ACK, seq=1, ack=4, data=b"answer")
    peer.send(ACK, seq=4, ack=7)


@requirement("RFC9293-SHLD-19", "RFC5681-4.2-1")
@waits(DELACK_LIMIT)
def test_second_full_segment_is_acknowledged_at_once(established: Connection) -> None:
    _, peer = wait_with_acks(established)
    first = peer.make(ACK, seq=1, ack=1, data=FULL)
    second = peer.make(ACK, seq=1449, ack=1, data=FULL)
    peer.allow(ACK, seq=1, ack=1449)
    peer.send_together(first, second)
    peer.expect(ACK, seq=1, ack=2897)


@requirement("RFC9293-SHLD-19", "RFC5681-4.2-1")
@waits(DELACK_LIMIT)
def test_second_full_segment_is_acknowledged_as_soon_as_it_is_read(established: Connection) -> None:
    server, peer = wait_with_acks(established)
    peer.allow(ACK, seq=1, ack=1449)
    peer.send(ACK, seq=1, ack=1, data=FULL)
    peer.send(ACK, seq=1449, ack=1, data=FULL)
    assert server.receive() == FULL + FULL
    peer.expect(ACK, seq=1, ack=2897)


@requirement("RFC9293-MUST-40", "RFC9293-SHLD-18")
@waits(4 * DELACK_LIMIT)
@pytest.mark.usefixtures("virtual")
def test_small_segments_that_trickle_in_are_acknowledged_within_half_a_second(
    session: Session, listener: Endpoint
) -> None:
    """The kernel learns how long the next one takes, and waits as long for it; but never for too long."""
    connection = session.establish(listener)
    for number in range(1, 17, 4):
        _, peer = wait_with_acks(connection)
        peer.send(ACK, seq=number, ack=1, data=b"on")
        wait_from_afar(peer, APART)
        peer.send(ACK, seq=number + 2, ack=1, data=b"e ")
        peer.expect(ACK, seq=1, ack=number + 4, within=DELACK_LIMIT)


@requirement("RFC9293-SHLD-18")
@waits(DELACK_LIMIT)
def test_last_ack_of_a_handshake_rides_on_the_first_data_where_that_is_asked_for(session: Session) -> None:
    """A client that leaves quick acknowledgments, for it has something to say itself (tcp(7), TCP_QUICKACK)."""
    client, peer = open_without_quick_ack(session)
    client.send(b"ask")
    peer.expect(ACK, seq=1, ack=1, data=b"ask")


@requirement("RFC9293-MUST-40")
@waits(DELACK_LIMIT)
def test_last_ack_of_a_handshake_waits_for_less_than_half_a_second(session: Session) -> None:
    _, peer = open_without_quick_ack(session)
    peer.expect(ACK, seq=1, ack=1, at_least=PROMPT, within=DELACK_LIMIT)


def open_without_quick_ack(session: Session) -> Connection:
    """A client, to whose SYN the peer has just agreed."""
    client = session.socket()
    client.set_option("TCP_QUICKACK", 0)
    peer = session.new_peer(client.port)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0)
    peer.send(SYN, seq=0, ack=1, options="mss 1460")
    return Connection(client, peer)
