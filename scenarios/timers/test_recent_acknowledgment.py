"""Loss told by time (RACK, RFC 8985 6): a segment is lost when one that was sent sufficiently later was delivered.

The peer decides the round trip, so a quarter of it, which reordered segments are waited for, is far more than a tick.
"""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    IPV4_MSS,
    MS,
    QUIET,
    Connection,
    Endpoint,
    Peer,
    Session,
    Span,
    establish_from_afar,
    expect_flight,
    length_of_flight,
    longest_timer,
    requirement,
    wait_from_afar,
    waits,
    write_segments,
)

pytestmark = pytest.mark.usefixtures("no_tail_loss_probe")

WITH_SACK = "mss 1460,nop,nop,sackOK"
PLAIN = "mss 1460"

ROUND_TRIP = Span(400 * MS, "ROUND_TRIP", "what the peer waits for before it acknowledges")
WINDOW = Span(100 * MS, "WINDOW", "RFC 8985 6.2: min_RTT / 4")
TICKS = Span(20 * MS, "TICKS", "two at 100 a second: no shorter timer is set (TCP_TIMEOUT_MIN, include/net/tcp.h)")
RTO = Span(1200 * MS, "RTO", "RFC 6298 2.2: three round trips at first")

# three waits in a row that all have to be exact: too long for real time, where they would not be
NEAR = Span(600 * MS, "NEAR", "the round trip of the handshake")
FAR = Span(1000 * MS, "FAR", "the one behind it, by which a loss is told")
RTO_AFTER_TWO = Span(1950 * MS, "RTO_AFTER_TWO", "RFC 6298 2.3 after NEAR and FAR: 650 + 4 * 325")
LONG_GAP = Span(1300 * MS, "LONG_GAP", "less than FAR is left of the timer, however it is rounded")
SHORT_GAP = Span(300 * MS, "SHORT_GAP", "more than FAR and a quarter of it is left")

FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH, SEVENTH = (1 + number * IPV4_MSS for number in range(7))


@pytest.fixture
def established(session: Session, listener: Endpoint) -> Connection:
    """Opened by a peer that is a ``ROUND_TRIP`` away, with SACK and without timestamps."""
    return establish_from_afar(session, listener, ROUND_TRIP, options=WITH_SACK)


def send_flight(connection: Connection, count: int, *, seq: int = FIRST, round_trip: Span = ROUND_TRIP) -> Peer:
    """Have so many segments sent, and let a round trip pass."""
    server, peer = connection
    write_segments(server, count)
    expect_flight(peer, count, seq=seq)
    wait_from_afar(peer, round_trip)
    return peer


def reorder(connection: Connection) -> None:
    """Let the first of two segments be late: the second is delivered before it, and it was sent once."""
    peer = send_flight(connection, 2)
    peer.send(ACK, seq=1, ack=FIRST, options=f"nop,nop,sack {SECOND}:{THIRD}")
    peer.send(ACK, seq=1, ack=THIRD)


def expect_after(session: Session, peer: Peer, span: Span, *, seq: int) -> None:
    """A segment is sent again when a time has passed, and not earlier.

    By RFC 8985 6.2 that counts from a round trip, the last segment's of the flight, after it was sent itself.
    """
    latest, earliest = longest_timer(session, span + TICKS), span.minus(length_of_flight(session, seq))
    peer.expect(ACK, seq=seq, ack=1, length=IPV4_MSS, at_least=earliest, within=latest)


# -- the reordering window


@requirement("RFC8985-6.2-1", "RFC8985-6.2-2", "RFC8985-6.2-3")
@waits(2 * ROUND_TRIP, WINDOW)
def test_segment_is_lost_a_quarter_of_a_round_trip_after_a_later_one_was_delivered(
    session: Session, established: Connection
) -> None:
    peer = send_flight(established, 2)
    peer.send(ACK, seq=1, ack=FIRST, options=f"nop,nop,sack {SECOND}:{THIRD}")
    expect_after(session, peer, WINDOW, seq=FIRST)
    peer.send(ACK, seq=1, ack=THIRD)


@requirement("RFC8985-6.2-1", "RFC8985-6.2-3")
@waits(2 * ROUND_TRIP, WINDOW)
def test_segment_that_arrives_within_the_window_is_not_sent_again(established: Connection) -> None:
    peer = send_flight(established, 2)
    peer.send(ACK, seq=1, ack=FIRST, options=f"nop,nop,sack {SECOND}:{THIRD}")
    wait_from_afar(peer, QUIET)
    peer.send(ACK, seq=1, ack=THIRD)
    peer.expect_silence(WINDOW)


@requirement("RFC8985-6.2-2")
@waits(2 * ROUND_TRIP)
def test_segment_is_lost_at_once_when_three_later_ones_were_delivered(established: Connection) -> None:
    peer = send_flight(established, 4)
    peer.send(ACK, seq=1, ack=FIRST, options=f"nop,nop,sack {SECOND}:{FIFTH}")
    peer.expect(ACK, seq=FIRST, ack=1, length=IPV4_MSS)
    peer.send(ACK, seq=1, ack=FIFTH)


@requirement("RFC8985-6.2-2")
@waits(3 * ROUND_TRIP, WINDOW)
def test_window_stays_for_three_later_ones_where_order_was_lost_before(
    session: Session, established: Connection
) -> None:
    reorder(established)
    peer = send_flight(established, 4, seq=THIRD)
    peer.send(ACK, seq=1, ack=THIRD, options=f"nop,nop,sack {FOURTH}:{SEVENTH}")
    expect_after(session, peer, WINDOW, seq=THIRD)
    peer.send(ACK, seq=1, ack=SEVENTH)


@requirement("RFC8985-6.2-2")
@waits(3 * ROUND_TRIP, 3 * WINDOW)
def test_needless_retransmission_widens_the_window(session: Session, established: Connection) -> None:
    peer = send_flight(established, 2)
    peer.send(ACK, seq=1, ack=FIRST, options=f"nop,nop,sack {SECOND}:{THIRD}")
    expect_after(session, peer, WINDOW, seq=FIRST)
    peer.send(ACK, seq=1, ack=THIRD, options=f"nop,nop,sack {FIRST}:{SECOND}")
    send_flight(established, 2, seq=THIRD)
    peer.send(ACK, seq=1, ack=THIRD, options=f"nop,nop,sack {FOURTH}:{FIFTH}")
    expect_after(session, peer, 2 * WINDOW, seq=THIRD)
    peer.send(ACK, seq=1, ack=FIFTH)


@requirement("RFC8985-6.2-2")
@waits(4 * ROUND_TRIP, 3 * WINDOW)
def test_needless_retransmission_widens_the_window_where_order_was_lost_before(
    session: Session, established: Connection
) -> None:
    reorder(established)
    peer = send_flight(established, 2, seq=THIRD)
    peer.send(ACK, seq=1, ack=THIRD, options=f"nop,nop,sack {FOURTH}:{FIFTH}")
    expect_after(session, peer, WINDOW, seq=THIRD)
    peer.send(ACK, seq=1, ack=FIFTH, options=f"nop,nop,sack {THIRD}:{FOURTH}")
    send_flight(established, 2, seq=FIFTH)
    peer.send(ACK, seq=1, ack=FIFTH, options=f"nop,nop,sack {SIXTH}:{SEVENTH}")
    expect_after(session, peer, 2 * WINDOW, seq=FIFTH)
    peer.send(ACK, seq=1, ack=SEVENTH)


@requirement("RFC2883-5-1")
@waits(4 * ROUND_TRIP, 2 * WINDOW)
def test_late_ack_is_not_taken_for_the_report_of_a_duplicate(session: Session, established: Connection) -> None:
    """Its block lies below SND.UNA by now, but not below what the same segment acknowledges (RFC 2883 5)."""
    reorder(established)
    peer = send_flight(established, 2, seq=THIRD)
    late = peer.make(ACK, seq=1, ack=THIRD, options=f"nop,nop,sack {FOURTH}:{FIFTH}")
    peer.send_together(late)
    expect_after(session, peer, WINDOW, seq=THIRD)
    peer.send(ACK, seq=1, ack=FIFTH)
    peer.send_together(late)
    send_flight(established, 2, seq=FIFTH)
    peer.send(ACK, seq=1, ack=FIFTH, options=f"nop,nop,sack {SIXTH}:{SEVENTH}")
    expect_after(session, peer, WINDOW, seq=FIFTH)  # a duplicate would have made it two
    peer.send(ACK, seq=1, ack=SEVENTH)


@requirement("RFC8985-4-1")
@waits(ROUND_TRIP, RTO)
def test_time_tells_no_loss_without_sack(session: Session, listener: Endpoint) -> None:
    connection = establish_from_afar(session, listener, ROUND_TRIP, options=PLAIN)
    peer = send_flight(connection, 2)
    peer.send(ACK, seq=1, ack=FIRST)
    left = RTO.minus(ROUND_TRIP)
    peer.expect(ACK, seq=FIRST, ack=1, length=IPV4_MSS, at_least=left, within=longest_timer(session, left))


# -- what was sent again


@requirement("RFC8985-6.1-1", "RFC8985-6.2-1")
@waits(2 * ROUND_TRIP)
def test_retransmission_is_not_lost_when_one_sent_before_it_was_delivered(established: Connection) -> None:
    peer = send_flight(established, 5)
    peer.send(ACK, seq=1, ack=FIRST, options=f"nop,nop,sack {SECOND}:{FIFTH}")
    peer.expect(ACK, seq=FIRST, ack=1, length=IPV4_MSS)
    peer.expect_silence(QUIET)
    peer.send(ACK, seq=1, ack=FIRST, options=f"nop,nop,sack {SECOND}:{SIXTH}")
    peer.expect_silence(QUIET)
    peer.send(ACK, seq=1, ack=SIXTH)


@requirement("RFC8985-6.1-1", "RFC8985-6.2-1")
@waits(3 * ROUND_TRIP)
def test_lost_retransmission_is_sent_again_when_one_sent_after_it_was_delivered(established: Connection) -> None:
    peer = send_flight(established, 4)
    peer.send(ACK, seq=1, ack=FIRST, options=f"nop,nop,sack {SECOND}:{FIFTH}")
    peer.expect(ACK, seq=FIRST, ack=1, length=IPV4_MSS)
    established.endpoint.send(bytes(IPV4_MSS))
    peer.expect(ACK, seq=FIFTH, ack=1, length=IPV4_MSS)
    wait_from_afar(peer, ROUND_TRIP)
    peer.send(ACK, seq=1, ack=FIRST, options=f"nop,nop,sack {SECOND}:{SIXTH}")
    peer.expect(ACK, seq=FIRST, ack=1, length=IPV4_MSS)
    peer.send(ACK, seq=1, ack=SIXTH)


# -- after a timeout


def time_out(session: Session, listener: Endpoint, *, gap: Span) -> Connection:
    """Have a segment sent, another after a gap, and the first again by the timer."""
    connection = establish_from_afar(session, listener, NEAR, options=WITH_SACK)
    server, peer = connection
    session.sysctl("net/ipv4/tcp_frto", 0)  # else it looks first whether the timeout was spurious (RFC 5682)
    send_flight(connection, 1, round_trip=FAR)
    peer.send(ACK, seq=1, ack=SECOND)
    server.send(bytes(IPV4_MSS))
    peer.expect(ACK, seq=SECOND, ack=1, length=IPV4_MSS)
    wait_from_afar(peer, gap)
    server.send(bytes(IPV4_MSS))
    peer.expect(ACK, seq=THIRD, ack=1, length=IPV4_MSS)
    left = RTO_AFTER_TWO.minus(gap)
    peer.expect(ACK, seq=SECOND, ack=1, length=IPV4_MSS, at_least=left, within=RTO_AFTER_TWO)
    return connection


@requirement("RFC8985-6.3-1")
@waits(NEAR, FAR, RTO_AFTER_TWO)
def test_timeout_takes_nothing_for_lost_that_was_sent_less_than_a_round_trip_before(
    session: Session, listener: Endpoint
) -> None:
    _, peer = time_out(session, listener, gap=LONG_GAP)
    peer.send(ACK, seq=1, ack=THIRD)
    peer.expect_silence(QUIET)
    peer.send(ACK, seq=1, ack=FOURTH)


@requirement("RFC8985-6.3-1")
@waits(NEAR, FAR, RTO_AFTER_TWO)
def test_timeout_takes_for_lost_what_was_sent_a_round_trip_before(session: Session, listener: Endpoint) -> None:
    _, peer = time_out(session, listener, gap=SHORT_GAP)
    peer.send(ACK, seq=1, ack=THIRD)
    peer.expect(ACK, seq=THIRD, ack=1, length=IPV4_MSS)
    peer.send(ACK, seq=1, ack=FOURTH)
