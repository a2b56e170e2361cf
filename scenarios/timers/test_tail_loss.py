"""The tail loss probe (RFC 8985 7): what asks for an ACK of the end of a flight before the retransmission timer does.

The peer is so far away that every time it is judged by is longer than what Linux adds to it, and another one.
"""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    DELACK_MAX,
    FLIGHT,
    IPV4_MSS,
    MS,
    RTO_INIT,
    SECOND,
    SYN,
    Connection,
    Endpoint,
    Session,
    Span,
    establish_from_afar,
    expect_flight,
    longest_timer,
    requirement,
    wait_from_afar,
    waits,
    write_segments,
)

WITH_SACK = "mss 1460,nop,nop,sackOK"
PLAIN = "mss 1460"

ROUND_TRIP = Span(400 * MS, "ROUND_TRIP", "what the peer waits for before it acknowledges the SYN,ACK")
PTO = Span(800 * MS, "PTO", "RFC 8985 7.2: 2 * SRTT")
PTO_OF_ONE = Span(PTO.ns + DELACK_MAX.ns, "PTO_OF_ONE", "RFC 8985 7.2: and TLP.max_ack_delay")
RTO = Span(1200 * MS, "RTO", "RFC 6298 2.2: three round trips at first")

NEAR = Span(100 * MS, "NEAR", "a round trip of which PTO_OF_ONE is longer than the RTO")
RTO_NEAR = Span(300 * MS, "RTO_NEAR", "RFC 6298 2.2, and no least of a second (2.4), which Linux has not")

SECOND_NUMBER, LAST, BEHIND, NEXT = (1 + segments * IPV4_MSS for segments in (1, FLIGHT - 1, FLIGHT, FLIGHT + 1))


def open_probed(session: Session, listener: Endpoint, round_trip: Span, options: str = WITH_SACK) -> Connection:
    """Open a connection from afar, with SACK: without it Linux sends no probe."""
    return establish_from_afar(session, listener, round_trip, options=options)


@pytest.fixture
def established(session: Session, listener: Endpoint) -> Connection:
    """Opened by a peer that is a ``ROUND_TRIP`` away, with SACK and without timestamps."""
    return open_probed(session, listener, ROUND_TRIP)


# -- when


@requirement("RFC8985-7.2-1", "RFC8985-7.3-1")
@waits(ROUND_TRIP, PTO)
def test_last_segment_is_sent_again_after_two_round_trips(session: Session, established: Connection) -> None:
    server, peer = established
    write_segments(server, 2)
    behind = expect_flight(peer, 2, seq=1)
    peer.expect(ACK, seq=SECOND_NUMBER, ack=1, length=IPV4_MSS, at_least=PTO, within=longest_timer(session, PTO))
    peer.send(ACK, seq=1, ack=behind)


@requirement("RFC8985-7.2-1")
@waits(ROUND_TRIP, PTO_OF_ONE)
def test_probe_of_a_single_segment_leaves_time_for_a_delayed_ack(session: Session, established: Connection) -> None:
    server, peer = established
    write_segments(server, 1)
    expect_flight(peer, 1, seq=1)
    peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS, at_least=PTO_OF_ONE, within=longest_timer(session, PTO_OF_ONE))


@requirement("RFC8985-7.2-1")
@waits(RTO_INIT, SECOND)
def test_probe_comes_after_a_second_where_no_round_trip_was_measured(session: Session, listener: Endpoint) -> None:
    """A SYN,ACK that was sent twice is no sample (RFC 6298 3), and the timer then stands at three seconds (5.7)."""
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=WITH_SACK)
    peer.expect(SYN, seq=0, ack=1)
    peer.expect(SYN, seq=0, ack=1, after=RTO_INIT)
    peer.send(ACK, seq=1, ack=1)
    server = listener.accept()
    write_segments(server, 1)
    expect_flight(peer, 1, seq=1)
    peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS, after=SECOND)


@requirement("RFC8985-7.2-1", "RFC8985-8-1")
@waits(NEAR, RTO_NEAR, RTO_NEAR)
def test_probe_comes_no_later_than_the_timer_and_in_its_place(session: Session, listener: Endpoint) -> None:
    server, peer = open_probed(session, listener, NEAR)
    write_segments(server, 1)
    expect_flight(peer, 1, seq=1)
    for _ in range(2):
        peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS, at_least=RTO_NEAR, within=longest_timer(session, RTO_NEAR))


@requirement("RFC8985-4-1")
@waits(ROUND_TRIP, RTO)
def test_no_probe_is_sent_to_a_peer_without_sack(session: Session, listener: Endpoint) -> None:
    server, peer = open_probed(session, listener, ROUND_TRIP, PLAIN)
    write_segments(server, 2)
    expect_flight(peer, 2, seq=1)
    peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS, at_least=RTO, within=longest_timer(session, RTO))


# -- what


@requirement("RFC8985-7.3-1")
@waits(ROUND_TRIP, PTO)
def test_probe_is_a_new_segment_where_one_waits(session: Session, established: Connection) -> None:
    """The congestion window is full; the probe may be more than that (RFC 8985 7.3)."""
    server, peer = established
    write_segments(server, FLIGHT + 1)
    expect_flight(peer, FLIGHT, seq=1)
    peer.expect(ACK, seq=BEHIND, ack=1, length=IPV4_MSS, at_least=PTO, within=longest_timer(session, PTO))
    peer.send(ACK, seq=1, ack=NEXT)


@requirement("RFC8985-7.3-2", "RFC8985-8-1")
@waits(ROUND_TRIP, PTO, RTO)
def test_probe_without_an_answer_is_followed_by_the_timer(session: Session, established: Connection) -> None:
    server, peer = established
    write_segments(server, 2)
    expect_flight(peer, 2, seq=1)
    peer.expect(ACK, seq=SECOND_NUMBER, ack=1, length=IPV4_MSS, at_least=PTO, within=longest_timer(session, PTO))
    peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS, at_least=RTO.minus(PTO), within=longest_timer(session, RTO))


@requirement("RFC8985-7.3-1")
@waits(ROUND_TRIP, PTO)
def test_probe_is_no_more_than_the_last_segment_of_one_write(session: Session, established: Connection) -> None:
    server, peer = established
    server.send(bytes(2 * IPV4_MSS + 1))
    behind = expect_flight(peer, 2, seq=1)
    peer.expect(ACK, seq=behind, ack=1, length=1)
    peer.expect(ACK, seq=behind, ack=1, length=1, at_least=PTO, within=longest_timer(session, PTO))
    peer.send(ACK, seq=1, ack=behind + 1)


# -- what comes of it


def probe_last_segment(session: Session, connection: Connection) -> None:
    """Ten segments are sent, and the last of them again."""
    server, peer = connection
    write_segments(server, FLIGHT)
    expect_flight(peer, FLIGHT, seq=1)
    peer.expect(ACK, seq=LAST, ack=1, length=IPV4_MSS, at_least=PTO, within=longest_timer(session, PTO))
    wait_from_afar(peer, ROUND_TRIP)


@requirement("RFC8985-7.4.2-1")
@waits(2 * ROUND_TRIP, PTO)
def test_loss_that_the_probe_repaired_shrinks_the_flight(session: Session, established: Connection) -> None:
    """No DSACK has come by the time that an ACK goes beyond the probe: the segment arrived once (RFC 8985 7.4.2)."""
    server, peer = established
    probe_last_segment(session, established)
    peer.send(ACK, seq=1, ack=BEHIND)
    write_segments(server, 2 * FLIGHT)
    expect_flight(peer, 2 * FLIGHT, seq=BEHIND)
    peer.send(ACK, seq=1, ack=NEXT)
    server.send(bytes(IPV4_MSS))
    session.finish()


@requirement("RFC8985-7.4.2-1")
@waits(2 * ROUND_TRIP, PTO)
def test_probe_that_was_a_duplicate_does_not_shrink_the_flight(session: Session, established: Connection) -> None:
    server, peer = established
    probe_last_segment(session, established)
    peer.send(ACK, seq=1, ack=BEHIND, options=f"nop,nop,sack {LAST}:{BEHIND}")
    write_segments(server, 2 * FLIGHT)
    behind = expect_flight(peer, 2 * FLIGHT, seq=BEHIND)
    peer.send(ACK, seq=1, ack=NEXT)
    server.send(bytes(IPV4_MSS))
    peer.expect(ACK, seq=behind, ack=1, length=IPV4_MSS)


@requirement("RFC8985-7.4.2-1", fixed_by="63f367d9de77")
@waits(2 * ROUND_TRIP, PTO)
def test_duplicate_of_another_segment_does_not_speak_for_the_probe(session: Session, established: Connection) -> None:
    """The DSACK has to match the segment that the probe was (RFC 8985 7.4.2); this one the network has doubled."""
    server, peer = established
    probe_last_segment(session, established)
    peer.send(ACK, seq=1, ack=BEHIND, options=f"nop,nop,sack 1:{SECOND_NUMBER}")
    write_segments(server, 2 * FLIGHT)
    expect_flight(peer, 2 * FLIGHT, seq=BEHIND)
    peer.send(ACK, seq=1, ack=NEXT)
    server.send(bytes(IPV4_MSS))
    session.finish()
