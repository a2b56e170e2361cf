"""Reports about listeners and what they hand over: deferred accept, a restart behind SO_REUSEPORT, cookies, oneself."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    RST,
    RTO_INIT,
    SECOND,
    SERVICE_PORT,
    SYN,
    Between,
    Endpoint,
    Peer,
    Session,
    errno_of,
    report,
    requirement,
    waits,
)

ALWAYS = 2  # tcp_syncookies (ip-sysctl)
BUFFER = 100_000  # bytes that the application asks for


def begin(session: Session, listener: Endpoint) -> Peer:
    """A handshake of which the last ACK is still to come."""
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=session.syn_options)
    peer.expect(SYN, seq=0, ack=1)
    peer.timestamps = True
    return peer


# -- TCP_DEFER_ACCEPT


@pytest.fixture
def deferring(listener: Endpoint) -> Endpoint:
    """A listener that waits a second for data."""
    listener.set_option("TCP_DEFER_ACCEPT", 1)
    return listener


def test_deferring_listener_is_awakened_by_data_alone(session: Session, deferring: Endpoint) -> None:
    """tcp(7): TCP_DEFER_ACCEPT allows "a listener to be awakened only when data arrives on the socket"."""
    peer = begin(session, deferring)
    peer.send(ACK, seq=1, ack=1)
    peer.expect_at_once(silence="waited for more")
    with deferring.without_waiting():
        assert errno_of(deferring.accept) == "EAGAIN"
    peer.send(ACK, seq=1, ack=1, data=b"GET /")
    peer.expect(ACK, seq=1, ack=6)
    assert deferring.accept().receive() == b"GET /"


@report("https://labs.ripe.net/Members/gih/the-curious-case-of-the-crooked-tcp-handshake")
@requirement("RFC9293-3.10.7.4")
@waits(3 * SECOND)
def test_acknowledged_syn_ack_is_not_sent_again(session: Session, deferring: Endpoint) -> None:
    """The acknowledged SYN leaves the retransmission queue, whenever the application wants to know.

    The report saw a second SYN,ACK after the ACK.
    """
    peer = begin(session, deferring)
    peer.send(ACK, seq=1, ack=1)
    peer.expect_silence(3 * SECOND)
    peer.send(ACK, seq=1, ack=1, data=b"GET /")
    peer.expect(ACK, seq=1, ack=6)


@report("https://bugs.launchpad.net/ubuntu/+source/apache2/+bug/134274")
@requirement("RFC9293-3.10.7.4")
@waits(3 * SECOND)
def test_client_that_speaks_late_is_heard(session: Session, deferring: Endpoint) -> None:
    """In the report its data met a RST once the wait was over."""
    peer = begin(session, deferring)
    peer.send(ACK, seq=1, ack=1)
    peer.allow(SYN, seq=0, ack=1)
    peer.expect_silence(3 * SECOND)
    peer.send(ACK, seq=1, ack=1, data=b"GET /")
    peer.expect(ACK, seq=1, ack=6)
    assert deferring.accept().receive() == b"GET /"


# -- SO_REUSEPORT


def listen_beside(session: Session) -> Endpoint:
    """One more listener on the same port."""
    made = session.unbound_socket()
    made.set_option("SO_REUSEPORT", 1)
    made.bind(session.kernel_address, SERVICE_PORT)
    made.listen()
    return made


@report("https://mail.spinics.net/lists/bpf/msg30220.html")
@pytest.mark.parametrize("got_to", ["SYN-RECEIVED", "accept queue"])
def test_connection_moves_to_the_listener_that_stays(session: Session, got_to: str) -> None:
    """ip-sysctl, tcp_migrate_req: with it a close() or shutdown() of one listener hands over to another.

    Without it, servers that restart drop what they have not accepted.
    """
    session.sysctl("net/ipv4/tcp_migrate_req", 1)
    old = listen_beside(session)
    peer = begin(session, old)
    if got_to == "accept queue":
        peer.send(ACK, seq=1, ack=1)
        session.settle()
    new = listen_beside(session)
    old.close()
    peer.send(ACK, seq=1, ack=1, data=b"GET /")
    peer.expect(ACK, seq=1, ack=6)
    assert new.accept().receive() == b"GET /"


@report("https://mail.spinics.net/lists/bpf/msg30220.html")
@requirement("RFC6298-5-5")
@waits(2 * RTO_INIT)
def test_listener_that_stays_sends_the_syn_and_ack_again(session: Session) -> None:
    session.sysctl("net/ipv4/tcp_migrate_req", 1)
    old = listen_beside(session)
    peer = begin(session, old)
    new = listen_beside(session)
    old.close()
    peer.expect(SYN, seq=0, ack=1, within=2 * RTO_INIT)
    peer.send(ACK, seq=1, ack=1, data=b"GET /")
    peer.expect(ACK, seq=1, ack=6)
    assert new.accept().receive() == b"GET /"


# -- SYN cookies


@report("909172a14974")
@requirement("RFC9293-SHLD-14")
@pytest.mark.parametrize("cookies", [0, ALWAYS], ids=["kept", "cookie"])
def test_window_after_the_handshake_is_scaled_as_it_was_announced(
    session: Session, listener: Endpoint, cookies: int
) -> None:
    """Before the commit, with SO_RCVBUF set, a cookie's connection scaled its windows by another shift count."""
    session.sysctl("net/ipv4/tcp_syncookies", cookies)
    listener.set_option("SO_RCVBUF", BUFFER)
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=session.syn_options)
    answer = peer.expect(SYN, seq=0, ack=1, options="wscale")
    peer.timestamps = True
    shift = next(option.values[0] for option in answer.options if option.name == "wscale")
    peer.send(ACK, seq=1, ack=1)
    peer.send(ACK, seq=1, ack=1, data=b"x")
    least, most = answer.window - 1 >> shift, listener.option("SO_RCVBUF") >> shift
    peer.expect(ACK, seq=1, ack=2, window=Between(least, most))  # the window of the SYN,ACK itself is not scaled


# -- a client that meets itself


@report("https://adil.medium.com/what-is-tcp-self-connect-issue-be7d7b5f9f59")
@requirement("RFC9293-MUST-10")
def test_client_may_connect_to_itself_and_then_holds_the_servers_port(session: Session) -> None:
    """A simultaneous open of one with itself (RFC 9293 3.5): the server that starts later finds its port taken."""
    client = session.socket(SERVICE_PORT)
    client.connect((session.kernel_address, SERVICE_PORT))
    client.send(b"echo")
    assert client.receive() == b"echo"
    peer = session.new_peer(SERVICE_PORT)
    peer.send(SYN, seq=0)
    peer.expect(RST, seq=0, ack=1)
