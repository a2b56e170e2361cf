"""TCP-AO (RFC 5925): each segment of a connection carries a code, and what carries none or a wrong one never came."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import (
    ACK,
    RST,
    SYN,
    AoKey,
    Connection,
    Endpoint,
    Peer,
    Session,
    both_families,
    errno_of,
    requirement,
)

Sharing = Callable[..., None]
Keys = tuple[AoKey, ...]

KEY = AoKey(b"secret", 7, 8)
NO_KEYS: Keys = ()
CODE_CUT_SHORT = "nop,nop,opt 29 0708" + 8 * "00"
CODE_OF_ZEROS = "opt 29 0708" + 12 * "00"

algorithms = pytest.mark.parametrize(
    "key",
    [
        KEY,
        AoKey(b"secret", 7, 8, algorithm="cmac(aes128)"),
        AoKey(bytes(range(16)), 7, 8, algorithm="cmac(aes128)"),
        AoKey(b"secret", 7, 8, covers_options=False),
        AoKey(b"secret", 7, 8, mac_length=4),
        AoKey(bytes(80), 0, 255, mac_length=16),
    ],
    ids=["SHA1", "AES", "AES-16-octets", "options-excluded", "short-code", "long-key"],
)
bad = pytest.mark.parametrize(
    "keys",
    [
        NO_KEYS,
        (AoKey(b"secreT", 7, 8),),
        (AoKey(b"secret", 9, 8),),
        (AoKey(b"secret", 7, 8, mac_length=8),),
        (AoKey(b"secret", 7, 8, algorithm="cmac(aes128)"),),
    ],
    ids=["unsigned", "wrong-key", "unknown-id", "short-code", "other-algorithm"],
)


@pytest.fixture
def key() -> AoKey:
    """What the fixtures share."""
    return KEY


@pytest.fixture
def calling(session: Session, share: Sharing, key: AoKey) -> Connection:
    """A client that shares the key with its peer and has sent its SYN."""
    client = session.socket()
    peer = session.new_peer(client.port)
    share(client, peer, key)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0)
    return Connection(client, peer)


# -- opening


@requirement("RFC5925-7.3", "RFC5926-3.1", "RFC5926-3.2")
@both_families
@algorithms
def test_server_signs_its_answers(session: Session, listener: Endpoint, signing: Peer) -> None:
    server, peer = session.establish(listener, signing)
    peer.send(ACK, seq=1, ack=1, data=b"request")
    peer.expect(ACK, seq=1, ack=8)
    assert server.receive() == b"request"
    server.send(bytes(range(256)))
    peer.expect(ACK, seq=1, ack=8, data=bytes(range(256)))
    peer.send(ACK, seq=8, ack=257)


@requirement("RFC5925-7.3", "RFC5926-3.1", "RFC5926-3.2")
@both_families
@algorithms
def test_client_signs_its_syn(calling: Connection) -> None:
    client, peer = calling
    peer.send(SYN, seq=0, ack=1, options="mss 1460")
    peer.expect(ACK, seq=1, ack=1)
    client.wait_connected()
    client.send(b"request")
    peer.expect(ACK, seq=1, ack=1, data=b"request")
    peer.send(ACK, seq=1, ack=8)


@requirement("RFC5925-7.5")
@both_families
@bad
def test_syn_of_another_draws_nothing(signing: Peer, keys: Keys) -> None:
    signing.keys = keys
    signing.send(SYN, seq=0, options="mss 1460")
    signing.expect_at_once(silence="dropped")


@requirement("RFC5925-3.1")
def test_code_that_leaves_the_options_out_is_not_taken_for_one_over_them(signing: Peer) -> None:
    signing.keys = (AoKey(b"secret", 7, 8, covers_options=False),)
    signing.send(SYN, seq=0, options="mss 1460")
    signing.expect_at_once(silence="dropped")


@requirement("RFC5925-7.5")
@both_families
@bad
def test_syn_and_ack_of_another_does_not_open(calling: Connection, keys: Keys) -> None:
    client, peer = calling
    peer.keys = keys
    peer.send(SYN, seq=0, ack=1, options="mss 1460")
    peer.expect_at_once(silence="dropped")
    peer.keys = (KEY,)
    peer.send(SYN, seq=0, ack=1, options="mss 1460")
    peer.expect(ACK, seq=1, ack=1)
    client.wait_connected()


@requirement("RFC5925-7.5")
@both_families
def test_signed_refusal_of_a_syn_is_taken(calling: Connection) -> None:
    client, peer = calling
    peer.send(RST, seq=0, ack=1)
    assert errno_of(client.wait_connected) == "ECONNREFUSED"


@requirement("RFC5925-7.5")
@both_families
@bad
def test_refusal_by_another_is_ignored(calling: Connection, keys: Keys) -> None:
    client, peer = calling
    peer.keys = keys
    peer.send(RST, seq=0, ack=1)
    peer.expect_at_once(silence="dropped")
    peer.keys = (KEY,)
    peer.send(SYN, seq=0, ack=1, options="mss 1460")
    peer.expect(ACK, seq=1, ack=1)
    client.wait_connected()


@requirement("RFC5925-7.5")
@both_families
@bad
def test_ack_of_another_ends_no_handshake(listener: Endpoint, signing: Peer, keys: Keys) -> None:
    signing.send(SYN, seq=0, options="mss 1460")
    signing.expect(SYN, seq=0, ack=1)
    signing.keys = keys
    signing.send(ACK, seq=1, ack=1)
    with listener.without_waiting():
        assert errno_of(listener.accept) == "EAGAIN"
    signing.keys = (KEY,)
    signing.send(ACK, seq=1, ack=1)
    listener.accept(signing.connection)


@requirement("RFC5925-7.3")
@both_families
def test_cookie_opens_a_signed_connection(session: Session, listener: Endpoint, signing: Peer) -> None:
    session.sysctl("net/ipv4/tcp_syncookies", 2)  # for every SYN
    server, peer = session.establish(listener, signing)
    server.send(b"answer")
    peer.expect(ACK, seq=1, ack=1, data=b"answer")
    peer.send(ACK, seq=1, ack=7)


@requirement("RFC5925-7.3")
@both_families
def test_syn_that_comes_again_is_answered_again(signing: Peer, listener: Endpoint) -> None:
    for _ in range(2):
        signing.send(SYN, seq=0, options="mss 1460")
        signing.expect(SYN, seq=0, ack=1)
    signing.send(ACK, seq=1, ack=1)
    listener.accept(signing.connection)


@requirement("RFC5925-7.3", "RFC9293-MUST-10")
@both_families
def test_syns_that_cross_are_signed(calling: Connection) -> None:
    client, peer = calling
    peer.send(SYN, seq=0, options="mss 1460")
    peer.expect(SYN, seq=0, ack=1)
    peer.allow(ACK, seq=1, ack=1)  # by RFC 9293 3.10.7.4 the number of what follows is old
    peer.send(SYN, seq=0, ack=1, options="mss 1460")
    client.wait_connected()
    client.send(b"request")
    peer.expect(ACK, seq=1, ack=1, data=b"request")
    peer.send(ACK, seq=1, ack=8)


# -- once it is open


@requirement("RFC5925-7.5")
@both_families
@bad
def test_data_of_another_are_neither_taken_nor_acknowledged(established: Connection, keys: Keys) -> None:
    server, peer = established
    peer.keys = keys
    peer.send(ACK, seq=1, ack=1, data=b"forged!")
    peer.expect_at_once(silence="dropped")
    peer.keys = (KEY,)
    peer.send(ACK, seq=1, ack=1, data=b"request")
    peer.expect(ACK, seq=1, ack=8)
    assert server.receive() == b"request"


@requirement("RFC5925-2.2")
@pytest.mark.parametrize(
    "options", [CODE_CUT_SHORT, CODE_OF_ZEROS, "nop,opt 29 07", f"{CODE_OF_ZEROS},{CODE_OF_ZEROS}"]
)
def test_option_without_a_code_signs_nothing(established: Connection, options: str) -> None:
    server, peer = established
    peer.keys = NO_KEYS
    peer.send(ACK, seq=1, ack=1, data=b"forged!", options=options)
    peer.expect_at_once(silence="dropped")
    with server.without_waiting():
        assert errno_of(server.receive) == "EAGAIN"


@requirement("RFC5925-7.5")
@both_families
@bad
def test_reset_of_another_is_ignored(established: Connection, keys: Keys) -> None:
    server, peer = established
    peer.keys = keys
    peer.send(RST, seq=1)
    peer.expect_at_once(silence="dropped")
    peer.keys = (KEY,)
    peer.send(ACK, seq=1, ack=1, data=b"request")
    peer.expect(ACK, seq=1, ack=8)
    assert server.receive() == b"request"


@requirement("RFC5925-7.5")
@both_families
def test_signed_reset_ends_the_connection(established: Connection) -> None:
    server, peer = established
    peer.send(RST, seq=1)
    peer.expect_at_once(silence="reset")
    assert errno_of(server.receive) == "ECONNRESET"
