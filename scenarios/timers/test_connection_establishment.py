"""The timer of the handshake: SYN and SYN,ACK that nobody answers are sent again, ever more rarely, and not for ever.

RFC 9293 3.8.3 treats a SYN as any segment; RFC 6298 2.1 and 5.5 say when: after a second, and twice as long each time.
"""

from __future__ import annotations

from harness import (
    ACK,
    RST,
    RTO_INIT,
    SECOND,
    SYN,
    SYN_R2,
    Endpoint,
    Peer,
    Session,
    backoff,
    both_families,
    requirement,
    waits,
)

SYN_RETRIES = 6  # tcp_syn_retries, pinned to its default
SYN_ACK_RETRIES = 5  # tcp_synack_retries, likewise


def begin(session: Session, client: Endpoint) -> Peer:
    """Let a client open a connection to a peer that does not answer."""
    peer = session.new_peer(client.port)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0)
    return peer


@requirement("RFC6298-2-1", "RFC6298-5-1", "RFC8961-4-1", "RFC1122-4.2.3.1-1")
@waits(RTO_INIT)
@both_families
def test_syn_is_sent_again_after_a_second(session: Session) -> None:
    peer = begin(session, session.socket())
    peer.expect(SYN, seq=0, after=RTO_INIT)


@requirement("RFC6298-5-4", "RFC8961-4-6", "RFC9293-MUST-22", "RFC1122-4.2.3.1-1")
@waits(63 * SECOND)
def test_each_syn_sent_again_doubles_the_timer(session: Session) -> None:
    peer = begin(session, session.socket())
    for rto in backoff(RTO_INIT, SYN_RETRIES):
        peer.expect(SYN, seq=0, after=rto)


@requirement("RFC6298-5-4", "RFC8961-4-6", "RFC9293-MUST-22", "FSM-210")
@waits(63 * SECOND)
def test_each_syn_sent_again_doubles_the_timer_where_that_is_asked_for(session: Session) -> None:
    client = session.socket()
    session.sysctl("net/ipv4/tcp_syn_linear_timeouts", 0)
    peer = begin(session, client)
    for rto in backoff(RTO_INIT, SYN_RETRIES):
        peer.expect(SYN, seq=0, after=rto)
    session.expect_error(client, "ETIMEDOUT", after=64 * RTO_INIT)


@requirement("RFC9293-MUST-22", "RFC9293-3.8.3", "FSM-210")
@waits(RTO_INIT, 2 * RTO_INIT)
def test_client_is_told_when_nobody_answers(session: Session) -> None:
    client = session.socket()
    client.set_option("TCP_SYNCNT", 1)
    peer = begin(session, client)
    peer.expect(SYN, seq=0, after=RTO_INIT)
    peer.expect_silence()
    peer.allow(SYN, seq=0)
    session.expect_error(client, "ETIMEDOUT", at_least=RTO_INIT)
    session.expect_state(peer, "CLOSED")


@requirement("RFC9293-MUST-23", "RFC1122-4.2.3.5-1")
@waits(SYN_R2)
def test_syn_is_sent_again_for_three_minutes(session: Session) -> None:
    client = session.socket()
    peer = begin(session, client)
    peer.expect_silence()
    peer.allow(SYN, seq=0)
    session.expect_error(client, "ETIMEDOUT", at_least=SYN_R2)


@requirement("RFC9293-MUST-23", "RFC1122-4.2.3.5-1")
@waits(SYN_R2)
def test_syn_is_sent_again_for_three_minutes_where_that_is_asked_for(session: Session) -> None:
    client = session.socket()
    client.set_option("TCP_SYNCNT", 7)
    peer = begin(session, client)
    peer.expect_silence()
    peer.allow(SYN, seq=0)
    session.expect_error(client, "ETIMEDOUT", at_least=SYN_R2)


@requirement("RFC6298-2-1", "RFC6298-5-4", "RFC8961-4-1", "RFC8961-4-6", "FSM-009")
@waits(RTO_INIT, 2 * RTO_INIT)
@both_families
def test_syn_ack_is_sent_again_after_one_and_two_seconds(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=session.syn_options)
    peer.expect(SYN, seq=0, ack=1)
    for rto in backoff(RTO_INIT, 2):
        peer.expect(SYN, seq=0, ack=1, after=rto)


@requirement("RFC6298-5-4", "RFC9293-MUST-22")
@waits(31 * SECOND, 32 * SECOND)
def test_each_syn_ack_sent_again_doubles_the_timer_until_the_request_is_forgotten(
    session: Session, listener: Endpoint
) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=session.syn_options)
    peer.expect(SYN, seq=0, ack=1)
    for rto in backoff(RTO_INIT, SYN_ACK_RETRIES):
        peer.expect(SYN, seq=0, ack=1, after=rto)
    peer.expect_silence(2 * 32 * RTO_INIT)
    peer.send(ACK, seq=1, ack=1)
    peer.expect(RST, seq=1)
