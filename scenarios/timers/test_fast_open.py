"""The SYN,ACK of a connection that Fast Open has opened is sent again as any other (RFC 7413 4.2, RFC 6298 5)."""

from __future__ import annotations

import pytest

from harness import ACK, RTO_INIT, SYN, Connection, Endpoint, Session, both_families, errno_of, requirement, waits

SERVER_WITHOUT_COOKIES = 0x203  # tcp_fastopen (ip-sysctl.rst)
RETRIES = 2


@pytest.fixture
def early(session: Session, listener: Endpoint) -> Connection:
    """A connection with data whose SYN,ACK is not acknowledged."""
    session.sysctl("net/ipv4/tcp_fastopen", SERVER_WITHOUT_COOKIES)
    listener.set_option("TCP_FASTOPEN", 5)
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options="mss 1460", data=b"early")
    peer.expect(SYN, seq=0, ack=6)
    return Connection(listener.accept(peer.connection), peer)


@requirement("RFC6298-5-4")
@both_families
@waits(4 * RTO_INIT)
def test_syn_and_ack_is_sent_again_until_it_is_acknowledged(early: Connection) -> None:
    server, peer = early
    peer.expect(SYN, seq=0, ack=6, after=RTO_INIT)
    peer.expect(SYN, seq=0, ack=6, after=2 * RTO_INIT)
    peer.send(ACK, seq=6, ack=1)
    assert server.receive() == b"early"
    server.send(b"answer")
    peer.expect(ACK, seq=1, ack=6, data=b"answer")
    peer.send(ACK, seq=6, ack=7)


@requirement("RFC9293-SHLD-11")
@both_families
@waits(20 * RTO_INIT)
def test_connection_whose_syn_and_ack_nobody_acknowledges_is_given_up(session: Session, early: Connection) -> None:
    """Once more than tcp_synack_retries says, since the application has the connection (tcp_fastopen_synack_timer)."""
    session.sysctl("net/ipv4/tcp_synack_retries", RETRIES)
    server, peer = early
    for doubled in range(RETRIES + 1):
        peer.expect(SYN, seq=0, ack=6, after=2**doubled * RTO_INIT)
    assert server.await_error(2 ** (RETRIES + 2) * RTO_INIT) == "ETIMEDOUT"
    assert server.receive() == b"early"
    assert errno_of(lambda: server.send(b"answer")) == "EPIPE"
