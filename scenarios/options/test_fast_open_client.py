"""TCP Fast Open, the client's side (RFC 7413 4.1.3): a cookie asked for once, and done without after a failure."""

from __future__ import annotations

import pytest

from harness import ACK, RST, RTO_INIT, SYN, Connection, Pattern, Session, both_families, requirement, waits

CLIENT = 1  # tcp_fastopen (ip-sysctl.rst)
EARLY = b"early"
ASKED = "opt 34"  # empty: it asks for one
COOKIE = "opt 34 0102030405060708"
PLAIN = "mss 1460"
AN_HOUR = 3600  # seconds
CLIENT_PORT = 40_000
AFTER_TWO = 1500  # ms: the first SYN and a second one, and no third


def open_with(session: Session, data: bytes, *, user_timeout: int = 0) -> Connection:
    """A client that opens a connection and sends in one call; what its SYN carries is still to be seen."""
    # a port that the kernel chose is free again after a reset, and may be chosen for the next client
    client = session.socket(CLIENT_PORT + len(session.peers))
    session.sysctl("net/ipv4/tcp_fastopen", CLIENT)
    # always to the same port, and so on the same path: a cookie and a failure are those of an address and a port
    port = session.peers[0].port if session.peers else None
    peer = session.new_peer(client.port, port=port)
    if user_timeout:
        client.set_option("TCP_USER_TIMEOUT", user_timeout)
    client.send_opening(data, peer)
    return Connection(client, peer)


@pytest.fixture
def fast(session: Session) -> Session:
    """A lab whose client has been given a cookie by the peer."""
    _, peer = open_with(session, EARLY)
    peer.expect(SYN, seq=0, options=ASKED)
    peer.send(SYN, seq=0, ack=1, options=f"{PLAIN},nop,nop,{COOKIE}")
    peer.expect(ACK, seq=1, ack=1)
    peer.send(RST, seq=1)
    return session


@requirement("RFC7413-4.1.3-1", "RFC7413-4.1.1-2")
@both_families
def test_cookie_is_kept_for_the_next_connection(fast: Session) -> None:
    client, peer = open_with(fast, EARLY)
    peer.expect(SYN, seq=0, data=EARLY, options=COOKIE)
    peer.send(SYN, seq=0, ack=6, options=PLAIN)
    peer.expect(ACK, seq=6, ack=1)
    client.send(b"later")
    peer.expect(ACK, seq=6, ack=1, data=b"later")


@requirement("RFC7413-4.1.3-1")
@both_families
def test_cookie_that_comes_later_replaces_the_one_before(fast: Session) -> None:
    newer = "opt 34 1112131415161718"
    _, peer = open_with(fast, EARLY)
    peer.expect(SYN, seq=0, data=EARLY, options=COOKIE)
    peer.send(SYN, seq=0, ack=6, options=f"{PLAIN},nop,nop,{newer}")
    peer.expect(ACK, seq=6, ack=1)
    peer.send(RST, seq=1)
    _, peer = open_with(fast, EARLY)
    peer.expect(SYN, seq=0, data=EARLY, options=newer)


@requirement("RFC7413-4.2.2-2")
@both_families
def test_data_that_the_server_did_not_take_are_sent_after_the_handshake(fast: Session) -> None:
    _, peer = open_with(fast, EARLY)
    peer.expect(SYN, seq=0, data=EARLY, options=COOKIE)
    peer.send(SYN, seq=0, ack=1, options=PLAIN)
    peer.expect(ACK, seq=1, ack=1, data=EARLY)


@requirement("RFC7413-4-1")
@waits(RTO_INIT)
@both_families
def test_syn_that_is_sent_again_has_neither_data_nor_the_option(fast: Session) -> None:
    _, peer = open_with(fast, EARLY)
    peer.expect(SYN, seq=0, data=EARLY, options=COOKIE)
    peer.expect(SYN, seq=0, after=RTO_INIT, without=ASKED)
    peer.send(SYN, seq=0, ack=1, options=PLAIN)
    peer.expect(ACK, seq=1, ack=1, data=EARLY)


# -- what went wrong is not tried again


def expect_remembered(session: Session) -> None:
    """The next connection to where Fast Open failed is opened without it (RFC 7413 4.1.3.1)."""
    _, peer = open_with(session, EARLY)
    reply = peer.expect_one_of(remembered=Pattern(SYN, seq=0), repeated=Pattern(SYN, seq=0, data=EARLY))
    reply.require("remembered")


@requirement("RFC7413-4.1.3.1-1")
@both_families
def test_data_that_were_not_acknowledged_are_remembered(fast: Session) -> None:
    _, peer = open_with(fast, EARLY)
    peer.expect(SYN, seq=0, data=EARLY, options=COOKIE)
    peer.send(SYN, seq=0, ack=1, options=PLAIN)
    peer.expect(ACK, seq=1, ack=1, data=EARLY)
    peer.send(RST, seq=1)
    expect_remembered(fast)


def leave_unanswered(session: Session) -> None:
    """Answer neither the SYN with data nor the one without, until the client gives up."""
    client, peer = open_with(session, EARLY, user_timeout=AFTER_TWO)
    peer.expect(SYN, seq=0, data=EARLY, options=COOKIE)
    peer.expect(SYN, seq=0, after=RTO_INIT)
    session.expect_error(client, "ETIMEDOUT", within=RTO_INIT)


@requirement("RFC7413-4.1.3.1-1")
@waits(2 * RTO_INIT)
def test_silence_is_remembered(fast: Session) -> None:
    leave_unanswered(fast)
    expect_remembered(fast)


@requirement("RFC7413-4.1.3.1-1")
@waits(2 * RTO_INIT)
def test_silence_is_remembered_where_that_is_asked_for(fast: Session) -> None:
    fast.sysctl("net/ipv4/tcp_fastopen_blackhole_timeout_sec", AN_HOUR)
    leave_unanswered(fast)
    expect_remembered(fast)
