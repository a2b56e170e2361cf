"""How many segments are in flight: at first, after ACKs, after losses (RFC 5681, with Reno and without SACK)."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    FLIGHT,
    IPV4_MSS,
    RTO_INIT,
    RTO_MIN,
    Connection,
    Endpoint,
    Session,
    expect_flight,
    in_shared_lab,
    requirement,
    waits,
    write_segments,
)

pytestmark = [in_shared_lab, pytest.mark.usefixtures("no_tail_loss_probe")]

PLAIN = "mss 1460"
STANDARD_FLIGHT = 3  # segments of 1460 bytes (RFC 5681 3.1)
HALF = FLIGHT // 2
DUPLICATES = 3  # ACKs before the first segment counts as lost (RFC 5681 3.2)


@pytest.fixture
def established(session: Session, listener: Endpoint) -> Connection:
    """Opened by the peer, without window scaling, SACK and timestamps."""
    return session.establish(listener, options=PLAIN)


def number(segments: int) -> int:
    """The number behind that many full segments."""
    return 1 + segments * IPV4_MSS


# -- the first flight


@requirement("RFC5681-3.1-1")
def test_first_flight_is_at_most_three_segments(session: Session, established: Connection) -> None:
    server, peer = established
    write_segments(server, 2 * FLIGHT)
    expect_flight(peer, STANDARD_FLIGHT, seq=1)
    session.finish()


@requirement("RFC5681-3.1-3", "RFC5681-3.1-1")
def test_handshake_does_not_enlarge_the_first_flight(session: Session, established: Connection) -> None:
    """RFC 6928 2 allows ten segments; the ACK of the SYN,ACK must not make eleven of them (RFC 5681 3.1)."""
    server, peer = established
    write_segments(server, 2 * FLIGHT)
    expect_flight(peer, FLIGHT, seq=1)
    session.finish()


# -- slow start


@requirement("RFC5681-3.1-5", "RFC9293-MUST-19")
def test_slow_start_adds_one_segment_for_each_that_is_acknowledged(session: Session, established: Connection) -> None:
    server, peer = established
    write_segments(server, 3 * FLIGHT)
    behind = expect_flight(peer, FLIGHT, seq=1)
    for segments in (1, 2, 3):
        peer.send(ACK, seq=1, ack=number(segments))
        behind = expect_flight(peer, 2, seq=behind)
    session.finish()


@requirement("RFC5681-3.1-5", "RFC9293-MUST-19")
def test_ack_of_a_part_of_a_segment_adds_less_than_a_segment(session: Session, established: Connection) -> None:
    """Ten ACKs of 146 bytes each acknowledge one segment: they may add as much as one ACK of it (RFC 5681 3.1)."""
    server, peer = established
    write_segments(server, 3 * FLIGHT)
    behind = expect_flight(peer, FLIGHT, seq=1)
    part = IPV4_MSS // 10
    for acknowledged in range(1 + part, number(1), part):
        peer.send(ACK, seq=1, ack=acknowledged)
    session.finish()
    peer.send(ACK, seq=1, ack=number(1))
    expect_flight(peer, 2, seq=behind)
    session.finish()


# -- fast retransmit and recovery


@requirement("RFC5681-3.2-3")
def test_first_two_duplicate_acks_let_a_new_segment_out_each(session: Session, established: Connection) -> None:
    server, peer = established
    write_segments(server, 2 * FLIGHT)
    behind = expect_flight(peer, FLIGHT, seq=1)
    for _ in range(2):
        peer.send(ACK, seq=1, ack=1)
        behind = expect_flight(peer, 1, seq=behind)
    session.finish()


@requirement("RFC5681-3.2-4", "RFC9293-MUST-19")
def test_third_duplicate_ack_has_the_lost_segment_sent_again(session: Session, established: Connection) -> None:
    server, peer = established
    write_segments(server, FLIGHT)
    expect_flight(peer, FLIGHT, seq=1)
    for _ in range(DUPLICATES - 1):
        peer.send(ACK, seq=1, ack=1)
    session.finish()
    peer.send(ACK, seq=1, ack=1)
    peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS)


@requirement("RFC5681-3.2-4")
def test_duplicate_that_carries_data_does_not_count(established: Connection) -> None:
    """A duplicate ACK has no data, and the window of the last one (RFC 5681 2)."""
    server, peer = established
    write_segments(server, FLIGHT)
    expect_flight(peer, FLIGHT, seq=1)
    sent = 1
    for _ in range(DUPLICATES):
        peer.send(ACK, seq=sent, ack=1, data=b"data")
        sent += len(b"data")
        peer.expect(ACK, seq=number(FLIGHT), ack=sent)


@requirement("RFC5681-3.2-5")
def test_flight_after_recovery_is_half_of_the_one_before(session: Session, established: Connection) -> None:
    server, peer = established
    write_segments(server, 4 * FLIGHT)
    behind = expect_flight(peer, FLIGHT, seq=1)
    for _ in range(2):  # limited transmit
        peer.send(ACK, seq=1, ack=1)
        behind = expect_flight(peer, 1, seq=behind)
    peer.send(ACK, seq=1, ack=1)
    peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS)
    peer.send(ACK, seq=1, ack=behind)  # all that was in flight
    expect_flight(peer, HALF, seq=behind)
    session.finish()


# -- timeouts


@requirement("RFC5681-3.1-7", "RFC8961-4-5", "RFC9293-MUST-19")
@waits(RTO_MIN)
def test_flight_after_a_timeout_is_one_segment_and_then_two(session: Session, established: Connection) -> None:
    server, peer = established
    session.sysctl("net/ipv4/tcp_frto", 0)  # else it looks first whether the timeout was spurious (RFC 5682)
    write_segments(server, 3 * FLIGHT)
    expect_flight(peer, FLIGHT, seq=1)
    peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS, within=session.profile.first_rto())
    session.finish()
    peer.send(ACK, seq=1, ack=number(1))
    expect_flight(peer, 2, seq=number(1))
    session.finish()


@requirement("RFC5681-3.1-6", "RFC5681-3.1-8")
@waits(3 * RTO_MIN)
@pytest.mark.parametrize("timeouts", [1, 2], ids=["one-timeout", "two-timeouts"])
def test_flight_after_timeouts_doubles_up_to_half_of_what_was_in_flight(
    session: Session, established: Connection, timeouts: int
) -> None:
    """Ten were in flight, so slow start ends at five: two, four, and then one more for each flight (RFC 5681 3.1)."""
    server, peer = established
    session.sysctl("net/ipv4/tcp_frto", 0)
    write_segments(server, 4 * FLIGHT)
    expect_flight(peer, FLIGHT, seq=1)
    first = session.profile.first_rto()
    for at_least, within in ((None, first), (2 * RTO_MIN, 2 * first))[:timeouts]:
        peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS, at_least=at_least, within=within)
    acknowledged = 1
    for segments in (2, 4):
        peer.send(ACK, seq=1, ack=number(acknowledged))
        expect_flight(peer, segments, seq=number(acknowledged))
        session.finish()
        acknowledged += segments
    peer.send(ACK, seq=1, ack=number(FLIGHT))  # the rest had arrived
    expect_flight(peer, HALF, seq=number(FLIGHT))
    peer.allow(ACK, seq=number(FLIGHT + HALF), ack=1, length=IPV4_MSS)  # that of congestion avoidance
    session.finish()


@requirement("RFC5681-4.1-1")
@waits(RTO_INIT)
def test_flight_after_an_idle_time_is_no_more_than_the_first(session: Session, established: Connection) -> None:
    server, peer = established
    write_segments(server, 3 * FLIGHT)
    behind = expect_flight(peer, FLIGHT, seq=1)
    peer.send(ACK, seq=1, ack=behind)
    behind = expect_flight(peer, 2 * FLIGHT, seq=behind)
    peer.send(ACK, seq=1, ack=behind)  # now twice as many would be allowed
    peer.expect_silence(for_=RTO_INIT)
    write_segments(server, 2 * FLIGHT)
    expect_flight(peer, FLIGHT, seq=behind)
    session.finish()
