"""A timer that ran out too early: F-RTO tells it from a loss by two ACKs (RFC 5682), and undoes what it did."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    FLIGHT,
    IPV4_MSS,
    RTO_MIN,
    Connection,
    Endpoint,
    Session,
    expect_flight,
    expect_window,
    in_shared_lab,
    requirement,
    waits,
    write_segments,
)

pytestmark = [in_shared_lab, pytest.mark.usefixtures("no_tail_loss_probe")]

OPTIONS = {"SACK": "mss 1460,nop,nop,sackOK", "no-SACK": "mss 1460"}
with_and_without_sack = pytest.mark.parametrize("sack", OPTIONS)

NEW = 2
"""Segments that the first ACK after the timeout lets out (RFC 5682 2.1 step 2)."""


@pytest.fixture
def timed_out(session: Session, listener: Endpoint, sack: str) -> Connection:
    """Ten segments were sent, twenty more wait, and the timer has had the first one sent again."""
    session.sysctl("net/ipv4/tcp_frto", 2)
    server, peer = session.establish(listener, options=OPTIONS[sack])
    write_segments(server, 3 * FLIGHT)
    expect_flight(peer, FLIGHT, seq=1)
    peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS, within=session.profile.first_rto())
    return Connection(server, peer)


def number(segments: int) -> int:
    """The number behind that many full segments."""
    return 1 + segments * IPV4_MSS


def acknowledge_first(connection: Connection) -> int:
    """The first ACK is of the segment that was sent again: two new ones go out (RFC 5682 2.1 step 2b)."""
    connection.peer.send(ACK, seq=1, ack=number(1))
    return expect_flight(connection.peer, NEW, seq=number(FLIGHT))


@requirement("RFC5682-2.1", "RFC5682-3.1")
@waits(RTO_MIN)
@with_and_without_sack
def test_first_ack_after_a_timeout_lets_new_segments_out(session: Session, timed_out: Connection) -> None:
    acknowledge_first(timed_out)
    session.finish()


@requirement("RFC5682-2.1", "RFC5682-3.1")
@waits(RTO_MIN)
@with_and_without_sack
def test_second_ack_of_what_was_sent_once_says_that_nothing_was_lost(session: Session, timed_out: Connection) -> None:
    """Step 3b: nothing is sent again, and as many as before the timeout may be on their way (RFC 4015 3.4)."""
    behind = acknowledge_first(timed_out)
    timed_out.peer.send(ACK, seq=1, ack=number(2))
    timed_out.peer.send(ACK, seq=1, ack=behind)
    expect_window(session, timed_out, seq=behind, at_least=FLIGHT, at_most=2 * FLIGHT)
    session.finish()


@requirement("RFC5682-2.1", "RFC5682-3.1")
@waits(RTO_MIN)
@with_and_without_sack
def test_duplicate_of_the_first_ack_says_that_the_loss_was_real(
    session: Session, timed_out: Connection, sack: str
) -> None:
    """Step 3a: the rest is sent again."""
    acknowledge_first(timed_out)
    block = f"nop,nop,sack {number(FLIGHT)}:{number(FLIGHT + 1)}" if sack == "SACK" else ""
    timed_out.peer.send(ACK, seq=1, ack=number(1), options=block)
    expect_flight(timed_out.peer, 1, seq=number(1))
    session.finish()  # a longer look may reach into the next timeout where the processors are busy


@requirement("RFC5682-2.1", "RFC5682-3.1")
@waits(RTO_MIN)
@with_and_without_sack
def test_duplicate_as_the_first_ack_ends_the_doubt(session: Session, timed_out: Connection, sack: str) -> None:
    """Step 2a: without SACK, what follows is sent again from then on."""
    timed_out.peer.send(ACK, seq=1, ack=1)
    timed_out.peer.send(ACK, seq=1, ack=number(1))
    expect_flight(timed_out.peer, NEW, seq=number(1) if sack == "no-SACK" else number(FLIGHT))
    session.finish()


@requirement("RFC5682-2.1", "RFC5682-3.1")
@waits(RTO_MIN)
@with_and_without_sack
def test_first_ack_of_everything_leaves_nothing_to_find_out(session: Session, timed_out: Connection) -> None:
    """Step 2a: slow start up to half of what was on its way, and nothing is undone."""
    timed_out.peer.send(ACK, seq=1, ack=number(FLIGHT))
    expect_flight(timed_out.peer, FLIGHT // 2, seq=number(FLIGHT))
    timed_out.peer.allow(ACK, seq=number(FLIGHT + FLIGHT // 2), ack=1, length=IPV4_MSS)  # of congestion avoidance
    session.finish()


@requirement("RFC5682-2.1", "RFC5682-3.1")
@waits(RTO_MIN)
@with_and_without_sack
def test_without_new_data_the_rest_is_sent_again(session: Session, listener: Endpoint, sack: str) -> None:
    """Step 2b has nothing to send: the conventional way."""
    session.sysctl("net/ipv4/tcp_frto", 2)
    server, peer = session.establish(listener, options=OPTIONS[sack])
    write_segments(server, FLIGHT)
    expect_flight(peer, FLIGHT, seq=1)
    peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS, within=session.profile.first_rto())
    peer.send(ACK, seq=1, ack=number(1))
    expect_flight(peer, 2, seq=number(1))
    session.finish()
