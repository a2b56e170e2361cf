"""Acknowledgments that wait for company: RFC 9293 3.8.6.3 wants them, but for less than half a second."""

from __future__ import annotations

from harness import ACK, DELACK_LIMIT, PROMPT, Connection, requirement, waits

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
