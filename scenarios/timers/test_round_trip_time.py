"""The retransmission timer follows the round trip time, which here is how long the peer takes to acknowledge.

RFC 6298 2 has the formulas, and its 1 lets a kernel be more conservative than they are but never more aggressive. The
figures lie where neither a least timer of 200 ms nor one of a second (2.4) decides.
"""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    MS,
    RTO_FLOOR,
    Connection,
    Endpoint,
    Session,
    Span,
    establish_from_afar,
    longest_timer,
    requirement,
    wait_from_afar,
    waits,
    with_and_without_timestamps,
)

pytestmark = pytest.mark.usefixtures("no_tail_loss_probe")

PLAIN = "mss 1460"

NEAR = Span(200 * MS, "NEAR", "a round trip: what the peer waits for before it acknowledges")
RTO_NEAR = Span(600 * MS, "RTO_NEAR", "RFC 6298 2.2: R + 4 * R/2")
RTO_NEAR_AGAIN = Span(500 * MS, "RTO_NEAR_AGAIN", "RFC 6298 2.3 after two round trips: 200 + 4 * 75")

FAR = Span(400 * MS, "FAR", "another round trip")
FARTHER = Span(600 * MS, "FARTHER", "another round trip")
# SRTT 200 and RTTVAR 100 at first, then 225 and 125
RTO_FARTHER = Span(1_021_875_000, "RTO_FARTHER", "RFC 6298 2.3: 271.875 + 4 * 187.5")

ROUNDS = 16


def exchange(connection: Connection, data: bytes, *, seq: int, round_trip: Span) -> int:
    """Have data sent and acknowledge them after a round trip; the number behind them."""
    server, peer = connection
    server.send(data)
    peer.expect(ACK, seq=seq, ack=1, data=data)
    wait_from_afar(peer, round_trip)
    peer.send(ACK, seq=1, ack=seq + len(data))
    return seq + len(data)


def lose(connection: Connection, *, seq: int, at_least: Span, within: Span) -> int:
    """Have data sent that the peer does not acknowledge until they are sent again; the number behind them."""
    server, peer = connection
    server.send(b"lost")
    peer.expect(ACK, seq=seq, ack=1, data=b"lost")
    peer.expect(ACK, seq=seq, ack=1, data=b"lost", at_least=at_least, within=within)
    return seq + len(b"lost")


@requirement("RFC6298-2-2")
@waits(NEAR, RTO_NEAR)
@with_and_without_timestamps
def test_timer_is_three_times_the_first_round_trip(session: Session, listener: Endpoint) -> None:
    connection = establish_from_afar(session, listener, NEAR)
    lose(connection, seq=1, at_least=RTO_NEAR, within=longest_timer(session, RTO_NEAR))


@requirement("RFC6298-2-3", "RFC6298-3-2", "RFC8961-4-2", "RFC8961-4-3", "RFC9293-MUST-18")
@waits(NEAR, FAR, FARTHER, RTO_FARTHER)
@with_and_without_timestamps
def test_each_round_trip_moves_the_timer_by_its_share(session: Session, listener: Endpoint) -> None:
    connection = establish_from_afar(session, listener, NEAR)
    behind = exchange(connection, b"second", seq=1, round_trip=FAR)
    behind = exchange(connection, b"third", seq=behind, round_trip=FARTHER)
    lose(connection, seq=behind, at_least=RTO_FARTHER, within=longest_timer(session, RTO_FARTHER))


@requirement("RFC6298-2-3", "RFC8961-4-2")
@waits(ROUNDS * FAR, 3 * FAR)
def test_timer_comes_down_while_round_trips_stay_alike(session: Session, listener: Endpoint) -> None:
    """From three times the round trip to little more than one, but for a least that may be a second (RFC 6298 2.4)."""
    connection = establish_from_afar(session, listener, FAR)
    behind = 1
    for _ in range(ROUNDS):
        behind = exchange(connection, b"taken", seq=behind, round_trip=FAR)
    lose(connection, seq=behind, at_least=FAR, within=RTO_FLOOR)


# -- after retransmissions


@requirement("RFC6298-3-1", "RFC8961-4-4", "RFC9293-MUST-18")
@waits(NEAR, 3 * RTO_NEAR)
def test_ack_of_what_was_sent_twice_is_no_sample(session: Session, listener: Endpoint) -> None:
    """Whichever of the two it is of: the timer stays as it was backed off (RFC 6298 5.5, 3)."""
    connection = establish_from_afar(session, listener, NEAR, options=PLAIN)
    behind = lose(connection, seq=1, at_least=RTO_NEAR, within=longest_timer(session, RTO_NEAR))
    connection.peer.send(ACK, seq=1, ack=behind)
    lose(connection, seq=behind, at_least=2 * RTO_NEAR, within=longest_timer(session, 2 * RTO_NEAR))


@requirement("RFC8961-4-7", "RFC6298-5-5")
@waits(2 * NEAR, 4 * RTO_NEAR)
def test_backoff_ends_when_new_data_were_delivered(session: Session, listener: Endpoint) -> None:
    connection = establish_from_afar(session, listener, NEAR, options=PLAIN)
    behind = lose(connection, seq=1, at_least=RTO_NEAR, within=longest_timer(session, RTO_NEAR))
    backed_off = 2 * RTO_NEAR
    latest = longest_timer(session, backed_off)
    connection.peer.expect(ACK, seq=1, ack=1, data=b"lost", at_least=backed_off, within=latest)
    connection.peer.send(ACK, seq=1, ack=behind)
    behind = exchange(connection, b"taken", seq=behind, round_trip=NEAR)
    lose(connection, seq=behind, at_least=RTO_NEAR_AGAIN, within=longest_timer(session, RTO_NEAR))
