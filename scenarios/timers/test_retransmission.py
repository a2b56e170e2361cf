"""The retransmission timer: when a segment is sent again, how the timer grows, and when the kernel gives up.

RFC 6298, and RFC 9293 3.8.1 and 3.8.3. On a real clock the first round trip is the peer's own slowness, so there the
timer's growth is held against its first value and not against a figure.
"""

from __future__ import annotations

import socket

import pytest

from harness import (
    ACK,
    DATA_R2,
    FIN,
    HOUR,
    RST,
    RTO_FLOOR,
    RTO_INIT,
    RTO_MIN,
    RTO_MOST,
    SECOND,
    SYN,
    Connection,
    Endpoint,
    Session,
    Span,
    backoff,
    close,
    requirement,
    waits,
)

pytestmark = pytest.mark.usefixtures("no_tail_loss_probe")

RTO_AFTER_LOST_SYN = Span(3 * RTO_INIT.ns, "RTO_AFTER_LOST_SYN", "RFC 6298 5.7: three seconds")
RETRIES2 = 15  # tcp_retries2, pinned to its default


@requirement("RFC6298-5-4", "RFC6298-5-5", "RFC8961-4-6", "RFC9293-MUST-19")
@waits(7 * RTO_MIN)
def test_each_retransmission_doubles_the_timer(established: Connection, first_rto: Span) -> None:
    server, peer = established
    server.send(b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost", at_least=RTO_MIN, within=first_rto)
    first = peer.elapsed
    for rto in backoff(2 * first, 2):
        peer.expect(ACK, seq=1, ack=1, data=b"lost", at_least=rto.unrounded(), within=rto)


@requirement("RFC6298-2-4", "RFC9293-MUST-18")
@waits(RTO_FLOOR)
def test_retransmission_waits_for_a_second_at_least(established: Connection) -> None:
    server, peer = established
    server.send(b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost", at_least=RTO_FLOOR, within=2 * RTO_FLOOR)


@requirement("RFC9293-SHLD-11", "RFC9293-MUST-20", "RFC6298-2-5", "RFC6298-5-4", "RFC8961-4-6", "RFC8961-4-8")
@waits(15 * RTO_MOST)
def test_data_are_sent_again_ever_more_rarely_and_then_given_up(session: Session, established: Connection) -> None:
    server, peer = established
    server.send(b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost")
    for rto in backoff(RTO_MIN, RETRIES2):
        peer.expect(ACK, seq=1, ack=1, data=b"lost", after=rto)
    session.expect_error(server, "ETIMEDOUT", after=RTO_MOST)


@requirement("RFC9293-SHLD-11")
@waits(15 * RTO_MOST)
def test_data_are_sent_again_for_a_hundred_seconds(session: Session, established: Connection) -> None:
    server, peer = established
    server.send(b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost")
    peer.expect_silence()
    peer.allow(ACK, seq=1, ack=1, data=b"lost")
    session.expect_error(server, "ETIMEDOUT", at_least=DATA_R2, within=HOUR)


@requirement("RFC9293-MUST-20", "RFC9293-MUST-21", "RFC9293-E-19")
@waits(7 * RTO_MIN)
def test_lower_limit_gives_up_earlier(session: Session, established: Connection) -> None:
    server, peer = established
    session.sysctl("net/ipv4/tcp_retries2", 1)
    server.send(b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost")
    peer.expect_silence()
    peer.allow(ACK, seq=1, ack=1, data=b"lost")
    session.expect_error(server, "ETIMEDOUT", at_least=3 * RTO_MIN)
    peer.send(ACK, seq=1, ack=5)
    peer.expect(RST, seq=5)


@requirement("RFC6298-5-3")
@waits(SECOND)
def test_nothing_is_sent_again_once_everything_is_acknowledged(established: Connection) -> None:
    server, peer = established
    server.send(b"taken")
    peer.expect(ACK, seq=1, ack=1, data=b"taken")
    peer.send(ACK, seq=1, ack=6)
    peer.expect_silence(SECOND)


@requirement("RFC6298-5-2", "RFC6298-5-5", "RFC6298-5-1")
@waits(2 * RTO_MIN)
def test_acknowledgment_of_new_data_restarts_the_timer_for_what_is_left(
    established: Connection, first_rto: Span
) -> None:
    server, peer = established
    server.set_option("TCP_NODELAY", 1)
    server.send(b"taken")
    peer.expect(ACK, seq=1, ack=1, data=b"taken")
    server.send(b"lost")
    peer.expect(ACK, seq=6, ack=1, data=b"lost")
    peer.expect_silence()
    peer.send(ACK, seq=1, ack=6)
    peer.expect(ACK, seq=6, ack=1, data=b"lost", at_least=RTO_MIN, within=first_rto)


@requirement("RFC6298-5-4", "RFC9293-3.6")
@waits(3 * RTO_MIN)
def test_fin_is_sent_again_as_data_are(established: Connection, first_rto: Span) -> None:
    server, peer = established
    server.shutdown(socket.SHUT_WR)
    peer.expect(FIN, seq=1, ack=1)
    peer.expect(FIN, seq=1, ack=1, at_least=RTO_MIN, within=first_rto)
    rto = 2 * peer.elapsed
    peer.expect(FIN, seq=1, ack=1, at_least=rto.unrounded(), within=rto)


@requirement("RFC9293-MUST-20")
@waits(8 * RTO_MOST)
def test_fin_of_an_orphan_is_given_up(established: Connection) -> None:
    server, peer = established
    close(server)
    peer.expect(FIN, seq=1, ack=1)
    for rto in backoff(RTO_MIN, 8):  # tcp_orphan_retries 0 stands for 8 (tcp_orphan_retries, net/ipv4/tcp_timer.c)
        peer.expect(FIN, seq=1, ack=1, after=rto)
    peer.expect_silence(2 * RTO_MOST)
    peer.send(ACK, seq=1, ack=2)
    peer.expect(RST, seq=2)


@requirement("RFC6298-5-6")
@waits(RTO_INIT, RTO_AFTER_LOST_SYN)
def test_timer_starts_at_three_seconds_after_a_lost_syn(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options="mss 1460")
    peer.expect(SYN, seq=0, ack=1)
    peer.expect(SYN, seq=0, ack=1, after=RTO_INIT)
    peer.send(ACK, seq=1, ack=1)
    server = listener.accept()
    server.send(b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost", after=RTO_AFTER_LOST_SYN)
