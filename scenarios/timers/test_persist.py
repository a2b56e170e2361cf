"""The persist timer (RFC 9293 3.8.6.1): a window of zero is probed, ever more rarely, as long as the peer answers."""

from __future__ import annotations

import socket

import pytest

from harness import (
    ACK,
    HOUR,
    RTO_MIN,
    RTO_MOST,
    URG,
    Connection,
    Pattern,
    Peer,
    Reply,
    Session,
    Span,
    backoff,
    requirement,
    waits,
)

pytestmark = pytest.mark.usefixtures("no_tail_loss_probe")

NARROW = 128  # bytes: the least window but zero, as the peer scales it
MORE_THAN_R2 = 20  # more than tcp_retries2, after which a segment that nobody answers is given up


def close_window(connection: Connection) -> Peer:
    """Let the peer close its window as it acknowledges the first data, number 1 to 5, while others wait."""
    server, peer = connection
    server.send(b"taken")
    peer.expect(ACK, seq=1, ack=1, data=b"taken")
    peer.send(ACK, seq=1, ack=6, window=0)
    peer.expect_silence()  # the window is closed before there is more to send
    server.send(b"waiting")
    return peer


def expect_probe(
    peer: Peer, *, after: Span | None = None, at_least: Span | None = None, within: Span | None = None
) -> Reply:
    """A probe: an octet of the data that wait, or an empty segment left of the window that asks for an ACK."""
    return peer.expect_one_of(
        within=after or within,
        at_least=after or at_least,
        octet=Pattern(ACK, seq=6, ack=1, data=b"w"),
        empty=Pattern(ACK, seq=5, ack=1),
    )


@requirement("RFC9293-MUST-36", "RFC9293-SHLD-29", "RFC1122-4.2.2.17-1")
@waits(RTO_MIN)
def test_closed_window_is_probed(established: Connection, first_rto: Span) -> None:
    peer = close_window(established)
    expect_probe(peer, within=first_rto)


@requirement("RFC9293-SHLD-30")
@waits(7 * RTO_MIN)
def test_each_probe_without_an_answer_doubles_the_timer(established: Connection, first_rto: Span) -> None:
    peer = close_window(established)
    expect_probe(peer, at_least=RTO_MIN, within=first_rto)
    first = peer.elapsed
    for rto in backoff(2 * first, 2):
        expect_probe(peer, at_least=rto.unrounded(), within=rto)


@requirement("RFC9293-3.8.6.1", "RFC9293-MUST-36")
@waits(RTO_MIN)
def test_probe_carries_an_octet_of_the_data_that_wait(established: Connection, first_rto: Span) -> None:
    peer = close_window(established)
    expect_probe(peer, within=first_rto).require("octet")


@requirement("RFC9293-MUST-37", "RFC1122-4.2.2.17-1", "RFC9293-MAY-8")
@waits(HOUR)
def test_connection_stays_open_while_probes_are_answered(established: Connection) -> None:
    peer = close_window(established)
    for rto in backoff(RTO_MIN, MORE_THAN_R2):
        expect_probe(peer, after=rto)
        peer.send(ACK, seq=1, ack=6, window=0)
    peer.send(ACK, seq=1, ack=6)
    peer.expect(ACK, seq=6, ack=1, data=b"waiting")


@requirement("RFC9293-3.8.6.1")
@waits(HOUR)
def test_probes_that_nobody_answers_are_given_up(session: Session, established: Connection) -> None:
    peer = close_window(established)
    peer.allow(ACK, seq=5, ack=1)
    peer.allow(ACK, seq=6, ack=1, data=b"w")
    session.expect_error(established.endpoint, "ETIMEDOUT", at_least=RTO_MOST, within=HOUR)


@requirement("RFC9293-MUST-35", "RFC9293-MUST-34", "RFC9293-E-14", "RFC9293-SHLD-15", "RFC7323-2.4-1")
@waits(RTO_MIN)
def test_window_that_collapses_without_new_data_is_taken_as_closed(established: Connection, first_rto: Span) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, window=0)
    peer.expect_silence()
    server.send(b"waiting")
    peer.expect_one_of(
        within=first_rto,
        octet=Pattern(ACK, seq=1, ack=1, data=b"w"),
        empty=Pattern(ACK, seq=0, ack=1),
    )


@requirement("RFC9293-MUST-36", "RFC9293-E-14")
@waits(RTO_MIN)
@pytest.mark.parametrize("answers", [0, 2])
def test_opened_window_lets_the_data_out_at_once(established: Connection, first_rto: Span, answers: int) -> None:
    peer = close_window(established)
    for at_least, within in zip(backoff(RTO_MIN, answers), backoff(first_rto, answers), strict=True):
        expect_probe(peer, at_least=at_least, within=within)
        peer.send(ACK, seq=1, ack=6, window=0)
    peer.send(ACK, seq=1, ack=6)
    peer.expect(ACK, seq=6, ack=1, data=b"waiting")


@requirement("RFC9293-SHLD-17", "RFC9293-MUST-37")
@waits(HOUR)
def test_connection_outlives_a_window_that_shrank_over_data_on_their_way(established: Connection) -> None:
    server, peer = established
    server.set_option("TCP_NODELAY", 1)
    server.send(b"taken")
    peer.expect(ACK, seq=1, ack=1, data=b"taken")
    server.send(b"beyond")
    peer.expect(ACK, seq=6, ack=1, data=b"beyond")
    for rto in backoff(RTO_MIN, MORE_THAN_R2):
        peer.send(ACK, seq=1, ack=6, window=0)
        peer.expect_one_of(
            within=rto,
            at_least=rto,
            again=Pattern(ACK, seq=6, ack=1, data=b"beyond"),
            octet=Pattern(ACK, seq=6, ack=1, data=b"b"),
            empty=Pattern(ACK, seq=5, ack=1),
        )
    peer.send(ACK, seq=1, ack=12)
    server.send(b"waiting")
    peer.expect(ACK, seq=12, ack=1, data=b"waiting")
    peer.send(ACK, seq=1, ack=19)


# -- a window that is open, but not wide enough


@requirement("RFC9293-SHLD-7", "RFC9293-3.8.6.2.1")
@waits(2 * RTO_MIN)
def test_window_that_takes_but_a_part_is_filled_when_the_timer_runs_out(
    established: Connection, first_rto: Span
) -> None:
    """It is less than a full segment and than half of the largest window: the sender waits, and then overrides."""
    server, peer = established
    server.send(b"taken")
    peer.expect(ACK, seq=1, ack=1, data=b"taken")
    peer.send(ACK, seq=1, ack=6, window=1)
    peer.expect_silence()
    server.send(bytes(10 * NARROW))
    peer.expect(ACK, seq=6, ack=1, length=NARROW, within=first_rto)
    peer.send(ACK, seq=1, ack=6 + NARROW)
    peer.expect_pieces(ACK, seq=6 + NARROW, length=9 * NARROW, ack=1)


@requirement("RFC9293-3.8.5", "RFC9293-MUST-36")
@waits(RTO_MIN)
def test_probe_of_a_closed_window_tells_of_urgent_data(established: Connection, first_rto: Span) -> None:
    """Twice: at SND.NXT, whose number none doubts, and at the number before it, which asks for an answer.

    So tcp_write_wakeup (net/ipv4/tcp_output.c) does where urgent data wait.
    """
    server, peer = established
    server.send(b"taken")
    peer.expect(ACK, seq=1, ack=1, data=b"taken")
    peer.send(ACK, seq=1, ack=6, window=0)
    peer.expect_silence()
    server.send(b"urgent", socket.MSG_OOB)
    peer.expect(ACK | URG, seq=6, ack=1, length=0, within=first_rto)
    peer.expect(ACK | URG, seq=5, ack=1, length=0)
