"""The user timeout (RFC 9293 3.10.8): unanswered for that long, everything is flushed and the user is told.

Linux has it as TCP_USER_TIMEOUT; the option of RFC 5482, by which the two ends agree on one, it has not. Whether
the time counts from the first sending or from the first sending again is left open (RFC 9293 3.8.3 lets R2 be measured
in either time or retransmissions), so it may end up to twice as late.
"""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    RST,
    RTO_INIT,
    RTO_MIN,
    SECOND,
    SYN,
    Connection,
    Endpoint,
    Session,
    Span,
    backoff,
    requirement,
    waits,
)

USER_TIMEOUT_MS = 1500
USER_TIMEOUT = Span(USER_TIMEOUT_MS * SECOND.ns // 1000, "USER_TIMEOUT", "TCP_USER_TIMEOUT (tcp(7))")
UTO = "opt 28 8001"  # one minute (RFC 5482 2)
SHORT_UTO = "opt 28 0001"  # one second
NO_UTO = "opt 28 0000"  # never sent, and ignored (RFC 5482 3.4)


@requirement("RFC9293-E-19", "RFC9293-MUST-21", "RFC9293-3.8.3")
@waits(USER_TIMEOUT)
def test_data_without_an_answer_end_the_connection(session: Session, established: Connection) -> None:
    server, peer = established
    server.set_option("TCP_USER_TIMEOUT", USER_TIMEOUT_MS)
    server.send(b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost")
    peer.expect_silence()  # before it is sent again
    peer.allow(ACK, seq=1, ack=1, data=b"lost")
    session.expect_error(server, "ETIMEDOUT", at_least=USER_TIMEOUT, within=2 * USER_TIMEOUT)
    peer.send(ACK, seq=1, ack=5)
    peer.expect(RST, seq=5)


@requirement("RFC9293-E-19", "RFC9293-MUST-21")
@waits(USER_TIMEOUT)
def test_closed_window_without_an_answer_ends_the_connection(session: Session, established: Connection) -> None:
    server, peer = established
    server.set_option("TCP_USER_TIMEOUT", USER_TIMEOUT_MS)
    server.send(b"taken")
    peer.expect(ACK, seq=1, ack=1, data=b"taken")
    peer.send(ACK, seq=1, ack=6, window=0)
    peer.expect_silence()  # the window is closed before there is more to send
    server.send(b"waiting")
    peer.allow(ACK, seq=5, ack=1)
    session.expect_error(server, "ETIMEDOUT", at_least=USER_TIMEOUT, within=2 * USER_TIMEOUT)
    peer.send(ACK, seq=1, ack=6)
    peer.expect(RST, seq=6)


@requirement("RFC9293-E-19", "RFC9293-MUST-22")
@waits(USER_TIMEOUT)
def test_syn_without_an_answer_ends_the_attempt(session: Session) -> None:
    client = session.socket()
    client.set_option("TCP_USER_TIMEOUT", USER_TIMEOUT_MS)
    peer = session.new_peer(client.port)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0)
    peer.expect(SYN, seq=0, after=RTO_INIT)
    session.expect_error(client, "ETIMEDOUT", at_least=USER_TIMEOUT.minus(RTO_INIT).unrounded())


@requirement("RFC9293-E-19", "RFC9293-MUST-24")
@waits(2 * SECOND)
def test_keep_alive_without_an_answer_ends_the_connection(established: Connection) -> None:
    server, peer = established
    server.set_option("TCP_USER_TIMEOUT", USER_TIMEOUT_MS)
    server.set_option("TCP_KEEPIDLE", 1)
    server.set_option("TCP_KEEPINTVL", 1)
    server.set_option("SO_KEEPALIVE", 1)
    peer.expect(ACK, seq=0, ack=1, after=SECOND)
    peer.expect(RST, seq=1, ack=1, after=SECOND)
    assert server.await_error(SECOND) == "ETIMEDOUT"


@requirement("RFC5482-3.1-4")
@waits(SECOND)
@pytest.mark.parametrize("milliseconds", [1, 100])
def test_timeout_is_longer_than_the_retransmission_timer(
    session: Session, established: Connection, milliseconds: int
) -> None:
    server, peer = established
    server.set_option("TCP_USER_TIMEOUT", milliseconds)
    server.send(b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost")
    peer.expect_silence()
    peer.allow(ACK, seq=1, ack=1, data=b"lost")
    session.expect_error(server, "ETIMEDOUT", at_least=RTO_MIN)


# -- the option of RFC 5482


@requirement("RFC5482-3.1-1", "RFC5482-3-1")
@waits(USER_TIMEOUT)
@pytest.mark.parametrize("timestamps", [False], ids=["noTS"])
@pytest.mark.parametrize("offered", [SHORT_UTO, UTO], ids=["shorter", "longer"])
def test_timeout_of_the_application_is_not_changed_by_what_the_peer_offers(
    session: Session, established: Connection, offered: str
) -> None:
    server, peer = established
    server.set_option("TCP_USER_TIMEOUT", USER_TIMEOUT_MS)
    peer.send(ACK, seq=1, ack=1, options=offered, data=b"offer")
    peer.expect(ACK, seq=1, ack=6)
    server.send(b"lost")
    peer.expect(ACK, seq=1, ack=6, data=b"lost")
    peer.expect_silence()
    peer.allow(ACK, seq=1, ack=6, data=b"lost")
    session.expect_error(server, "ETIMEDOUT", at_least=USER_TIMEOUT, within=2 * USER_TIMEOUT)


@requirement("RFC5482-3.3-1")
@waits(RTO_INIT, 2 * RTO_INIT)
def test_timeout_offered_in_a_syn_does_not_end_the_handshake(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=f"mss 1460,{SHORT_UTO}")
    peer.expect(SYN, seq=0, ack=1)
    for rto in backoff(RTO_INIT, 2):
        peer.expect(SYN, seq=0, ack=1, after=rto)
    peer.send(ACK, seq=1, ack=1, data=b"late")
    peer.expect(ACK, seq=1, ack=5)


@pytest.mark.parametrize("timestamps", [False], ids=["noTS"])
@requirement("RFC5482-3-3", "RFC5482-3.4-1", "RFC9293-MUST-6")
def test_offered_user_timeout_is_ignored_or_taken_but_never_an_error(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, options=UTO, data=b"one")
    peer.expect(ACK, seq=1, ack=4)
    peer.send(ACK, seq=4, ack=1, options=NO_UTO, data=b"two")
    peer.expect(ACK, seq=1, ack=7)
    assert server.receive() == b"onetwo"
