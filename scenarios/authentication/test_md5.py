"""TCP-MD5 (RFC 2385): each segment of a connection is signed, and what is not signed rightly is as if it never came."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import (
    ACK,
    FIN,
    RST,
    RTO_INIT,
    SYN,
    Connection,
    Endpoint,
    Md5Key,
    Peer,
    Session,
    both_families,
    close,
    errno_of,
    expect_flight,
    requirement,
    waits,
)

Sharing = Callable[..., None]

KEY = Md5Key(b"secret")
WRONG = Md5Key(b"secreT")
NO_DIGEST = "nop,nop,opt 19 " + 16 * "00"
CUT_SHORT = "nop,opt 19 " + 15 * "00"
NO_KEYS: tuple[Md5Key, ...] = ()

bad = pytest.mark.parametrize("keys", [NO_KEYS, (WRONG,)], ids=["unsigned", "wrong-key"])


@pytest.fixture
def key() -> Md5Key:
    """What the fixtures share."""
    return KEY


# -- opening


@requirement("RFC2385-2.0")
@both_families
def test_server_signs_its_answers(session: Session, listener: Endpoint, signing: Peer) -> None:
    server, peer = session.establish(listener, signing)
    peer.send(ACK, seq=1, ack=1, data=b"request")
    peer.expect(ACK, seq=1, ack=8)
    assert server.receive() == b"request"


@requirement("RFC2385-2.0")
@both_families
def test_client_signs_its_syn(session: Session, share: Sharing) -> None:
    client = session.socket()
    peer = session.new_peer(client.port)
    share(client, peer, KEY)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0)
    peer.send(SYN, seq=0, ack=1, options="mss 1460")
    peer.expect(ACK, seq=1, ack=1)
    client.wait_connected()
    client.send(b"request")
    peer.expect(ACK, seq=1, ack=1, data=b"request")
    peer.send(ACK, seq=1, ack=8)


@requirement("RFC2385-2.0")
@both_families
@bad
def test_syn_and_ack_of_another_does_not_open(session: Session, keys: tuple[Md5Key, ...], share: Sharing) -> None:
    client = session.socket()
    peer = session.new_peer(client.port)
    share(client, peer, KEY)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0)
    peer.keys = keys
    peer.send(SYN, seq=0, ack=1, options="mss 1460")
    peer.expect_at_once(silence="dropped")
    peer.keys = (KEY,)
    peer.send(SYN, seq=0, ack=1, options="mss 1460")
    peer.expect(ACK, seq=1, ack=1)
    client.wait_connected()


@requirement("RFC2385-2.0")
@both_families
@bad
def test_syn_of_another_draws_nothing(signing: Peer, keys: tuple[Md5Key, ...]) -> None:
    signing.keys = keys
    signing.send(SYN, seq=0, options="mss 1460")
    signing.expect_at_once(silence="dropped")


@requirement("RFC2385-2.0")
@both_families
def test_ack_of_another_ends_no_handshake(listener: Endpoint, signing: Peer) -> None:
    signing.send(SYN, seq=0, options="mss 1460")
    signing.expect(SYN, seq=0, ack=1)
    signing.keys = (WRONG,)
    signing.send(ACK, seq=1, ack=1)
    with listener.without_waiting():
        assert errno_of(listener.accept) == "EAGAIN"
    signing.keys = (KEY,)
    signing.send(ACK, seq=1, ack=1)
    listener.accept(signing.connection)


@requirement("RFC2385-2.0")
@both_families
def test_cookie_opens_a_signed_connection(session: Session, listener: Endpoint, signing: Peer) -> None:
    session.sysctl("net/ipv4/tcp_syncookies", 2)  # for every SYN
    server, peer = session.establish(listener, signing)
    server.send(b"answer")
    peer.expect(ACK, seq=1, ack=1, data=b"answer")
    peer.send(ACK, seq=1, ack=7)


# -- once it is open


@requirement("RFC2385-2.0")
@both_families
@bad
def test_data_of_another_are_neither_taken_nor_acknowledged(established: Connection, keys: tuple[Md5Key, ...]) -> None:
    server, peer = established
    peer.keys = keys
    peer.send(ACK, seq=1, ack=1, data=b"forged!")
    peer.expect_at_once(silence="dropped")
    peer.keys = (KEY,)
    peer.send(ACK, seq=1, ack=1, data=b"request")
    peer.expect(ACK, seq=1, ack=8)
    assert server.receive() == b"request"


@requirement("RFC2385-2.0")
@both_families
@bad
def test_reset_of_another_is_ignored(established: Connection, keys: tuple[Md5Key, ...]) -> None:
    server, peer = established
    peer.keys = keys
    peer.send(RST, seq=1)
    peer.expect_at_once(silence="dropped")
    peer.keys = (KEY,)
    peer.send(ACK, seq=1, ack=1, data=b"request")
    peer.expect(ACK, seq=1, ack=8)
    assert server.receive() == b"request"


@requirement("RFC2385-2.0")
@both_families
def test_signed_reset_ends_the_connection(established: Connection) -> None:
    server, peer = established
    peer.send(RST, seq=1)
    peer.expect_at_once(silence="reset")
    assert errno_of(server.receive) == "ECONNRESET"


@requirement("RFC2385-2.0")
@both_families
@bad
def test_fin_of_another_is_ignored(established: Connection, keys: tuple[Md5Key, ...]) -> None:
    server, peer = established
    peer.keys = keys
    peer.send(FIN, seq=1, ack=1)
    peer.expect_at_once(silence="dropped")
    with server.without_waiting():
        assert errno_of(server.receive) == "EAGAIN"


@requirement("RFC2385-3.0")
@pytest.mark.parametrize("options", [NO_DIGEST, CUT_SHORT], ids=["zeros", "cut-short"])
def test_option_without_a_digest_signs_nothing(established: Connection, options: str) -> None:
    server, peer = established
    peer.keys = NO_KEYS
    peer.send(ACK, seq=1, ack=1, data=b"forged!", options=options)
    peer.expect_at_once(silence="dropped")
    with server.without_waiting():
        assert errno_of(server.receive) == "EAGAIN"


@requirement("RFC2385-2.0", "RFC2385-4.1")
@both_families
def test_connection_is_signed_from_its_first_segment_to_its_last(established: Connection) -> None:
    server, peer = established
    server.send(bytes(range(256)))
    peer.expect(ACK, seq=1, ack=1, data=bytes(range(256)))
    peer.send(ACK, seq=1, ack=257)
    close(server)
    peer.expect(FIN, seq=257, ack=1)
    peer.send(FIN, seq=1, ack=258)
    peer.expect(ACK, seq=258, ack=2)


@requirement("RFC2385-4.2")
@both_families
def test_option_takes_its_room_from_the_data(session: Session, listener: Endpoint, signing: Peer) -> None:
    """RFC 2385 4.2: what is signed is shorter by what the option takes; here 20 octets of a segment of 1000."""
    server, peer = session.establish(listener, signing, options="mss 1000")
    server.send(bytes(3 * 980))
    end = expect_flight(peer, 3, seq=1, ack=1, size=980)
    peer.send(ACK, seq=1, ack=end)


@requirement("RFC2385-2.0")
@waits(2 * RTO_INIT)
def test_what_is_sent_again_is_signed_again(established: Connection) -> None:
    server, peer = established
    server.send(b"answer")
    sent = peer.expect(ACK, seq=1, ack=1, data=b"answer")
    peer.send(ACK, seq=1, ack=1, data=b"request")
    peer.expect(ACK, seq=7, ack=8)
    again = peer.expect(ACK, seq=1, ack=8, data=b"answer", within=2 * RTO_INIT)
    assert again.option("opt 19") != sent.option("opt 19")


@requirement("RFC2385-2.0")
@both_families
def test_segment_behind_the_window_draws_a_signed_ack(established: Connection) -> None:
    _, peer = established
    peer.send(ACK, seq=2**30, ack=1, data=b"far")
    peer.expect(ACK, seq=1, ack=1)


# -- what is signed but should not be, and what is over


@requirement("RFC2385-2.0")
@both_families
def test_connection_that_is_not_protected_takes_nothing_signed(session: Session, listener: Endpoint) -> None:
    """Documentation of TCPMD5Unexpected (include/uapi/linux/snmp.h): a digest where the socket has no key."""
    server, peer = session.establish(listener)
    peer.keys = (KEY,)
    peer.send(ACK, seq=1, ack=1, data=b"request")
    peer.expect_at_once(silence="dropped")
    with server.without_waiting():
        assert errno_of(server.receive) == "EAGAIN"


def fall_into_time_wait(connection: Connection) -> Peer:
    """Close, and be closed."""
    server, peer = connection
    close(server)
    peer.expect(FIN, seq=1, ack=1)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)
    return peer


@requirement("RFC2385-4.1")
@both_families
def test_time_wait_answers_with_a_signature(established: Connection) -> None:
    peer = fall_into_time_wait(established)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)


@requirement("RFC2385-2.0")
@both_families
@bad
def test_time_wait_does_not_answer_another(established: Connection, keys: tuple[Md5Key, ...]) -> None:
    peer = fall_into_time_wait(established)
    peer.keys = keys
    peer.send(FIN, seq=1, ack=2)
    peer.expect_at_once(silence="dropped")


@requirement("RFC7323-3.2")
@both_families
def test_time_wait_sends_no_timestamps_that_were_not_agreed_on(
    session: Session, listener: Endpoint, signing: Peer
) -> None:
    """The signature leaves no room for timestamps beside SACK in a SYN,ACK, so Linux does not agree to them."""
    signing.send(SYN, seq=0, options="mss 1460,sackOK,TS val 1 ecr 0")
    signing.expect(SYN, seq=0, ack=1, without="TS")
    signing.send(ACK, seq=1, ack=1)
    session.settle()
    peer = fall_into_time_wait(Connection(listener.accept(signing.connection), signing))
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2, without="TS")
