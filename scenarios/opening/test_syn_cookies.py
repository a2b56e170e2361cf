"""SYN cookies: the listener keeps nothing of a SYN, and reads from the ACK what it needs to know (RFC 4987 3.6)."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    RST,
    RTO_INIT,
    SPACE,
    SYN,
    Between,
    Endpoint,
    Peer,
    Session,
    both_families,
    requirement,
    with_and_without_timestamps,
)

ALWAYS = 2  # tcp_syncookies (ip-sysctl.rst)
SMALL = 536


@pytest.fixture
def cookies(session: Session, listener: Endpoint) -> Endpoint:
    """A listener that answers every SYN with a cookie."""
    session.sysctl("net/ipv4/tcp_syncookies", ALWAYS)
    return listener


def begin(session: Session, listener: Endpoint, options: str) -> Peer:
    """A handshake of which the last ACK is still to come."""
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=options)
    peer.expect(SYN, seq=0, ack=1)
    return peer


@requirement("RFC9293-3.5", "RFC9293-MUST-10")
@both_families
@with_and_without_timestamps
def test_cookie_opens_a_connection_that_works(session: Session, cookies: Endpoint) -> None:
    server, peer = session.establish(cookies)
    peer.send(ACK, seq=1, ack=1, data=b"question")
    peer.expect(ACK, seq=1, ack=9)
    assert server.receive() == b"question"
    server.send(b"answer")
    peer.expect(ACK, seq=1, ack=9, data=b"answer")
    peer.send(ACK, seq=9, ack=7)


@requirement("RFC9293-E-5", "FSM-072")
@both_families
@pytest.mark.parametrize("ack", [-300, 300])
def test_wrong_cookie_is_reset(session: Session, cookies: Endpoint, ack: int) -> None:
    peer = begin(session, cookies, session.syn_options)
    peer.send(ACK, seq=1, ack=ack)
    peer.expect(RST, seq=ack % SPACE)


@requirement("RFC9293-E-5", "FSM-072")
@both_families
def test_cookie_that_is_off_by_one_is_reset(session: Session, cookies: Endpoint) -> None:
    peer = begin(session, cookies, session.syn_options)
    peer.send(ACK, seq=1, ack=0)
    peer.expect(RST, seq=0)


@requirement("RFC9293-MUST-14", "RFC9293-MUST-16")
@both_families
def test_cookie_remembers_the_segment_size(session: Session, cookies: Endpoint) -> None:
    peer = begin(session, cookies, f"mss {SMALL}")
    peer.send(ACK, seq=1, ack=1)
    session.settle()
    cookies.accept().send(bytes(2 * SMALL))
    sizes = Between(SMALL // 2, SMALL)  # the cookie has room for a few sizes only, and takes the next smaller one
    first = peer.expect(ACK, seq=1, ack=1, length=sizes)
    peer.allow(ACK, seq=Between(first.next_seq, 2 * SMALL), ack=1, length=Between(1, SMALL))


@requirement("RFC9293-3.5")
@both_families
def test_nothing_is_kept_of_a_syn(session: Session, cookies: Endpoint) -> None:
    peer = begin(session, cookies, session.syn_options)
    peer.expect_silence(RTO_INIT + RTO_INIT)  # a request that is kept sends its SYN,ACK again
