"""TCP-MD5 (RFC 2385) and TCP-AO (RFC 5925) alike: what carries no code, or a wrong one, is as if it never came."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    FIN,
    RST,
    RTO_MIN,
    SYN,
    AoKey,
    Connection,
    Endpoint,
    Flags,
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

Keys = tuple[Md5Key | AoKey, ...]

MD5 = Md5Key(b"secret")
AO = AoKey(b"secret", 7, 8)
ALGORITHMS = {
    "SHA1": AO,
    "AES": AoKey(b"secret", 7, 8, algorithm="cmac(aes128)"),
    "AES-16-octets": AoKey(bytes(range(16)), 7, 8, algorithm="cmac(aes128)"),
    "options-excluded": AoKey(b"secret", 7, 8, covers_options=False),
    "short-code": AoKey(b"secret", 7, 8, mac_length=4),
    "long-key": AoKey(bytes(80), 0, 255, mac_length=16),
}
OTHERS = {
    "wrong-key": AoKey(b"secreT", 7, 8),
    "unknown-id": AoKey(b"secret", 9, 8),
    "short-code": AoKey(b"secret", 7, 8, mac_length=8),
    "other-algorithm": AoKey(b"secret", 7, 8, algorithm="cmac(aes128)"),
}
OF_MD5, OF_AO = requirement("RFC2385-2.0"), requirement("RFC5925-7.5")
OF_CODES = requirement("RFC5925-7.3", "RFC5926-3.1", "RFC5926-3.2")


def both(of_md5: str, of_ao: str) -> pytest.MarkDecorator:
    """Either kind of key, with the clause of each."""
    keys = ((MD5, "MD5", of_md5), (AO, "AO", of_ao))
    return pytest.mark.parametrize("key", [pytest.param(key, id=name, marks=requirement(of)) for key, name, of in keys])


bad = pytest.mark.parametrize(
    ("key", "keys"),
    [
        pytest.param(MD5, (), id="MD5-unsigned", marks=OF_MD5),
        pytest.param(MD5, (Md5Key(b"secreT"),), id="MD5-wrong-key", marks=OF_MD5),
        pytest.param(AO, (), id="AO-unsigned", marks=OF_AO),
        *(pytest.param(AO, (other,), id=f"AO-{name}", marks=OF_AO) for name, other in OTHERS.items()),
    ],
)
"""The key of both ends, and those by which another signs."""

algorithms = pytest.mark.parametrize(
    "key",
    [
        pytest.param(MD5, id="MD5", marks=OF_MD5),
        *(pytest.param(key, id=f"AO-{name}", marks=OF_CODES) for name, key in ALGORITHMS.items()),
    ],
)


def forge(
    peer: Peer, keys: Keys, flags: Flags, seq: int, ack: int | None, data: bytes = b"", options: str = ""
) -> None:
    """Another sends a segment, which draws nothing."""
    own, peer.keys = peer.keys, keys
    peer.send(flags, seq=seq, ack=ack, data=data, options=options)
    peer.expect_at_once(silence="dropped")
    peer.keys = own


# -- opening


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


def open_and_ask(calling: Connection) -> None:
    """The peer's SYN,ACK opens the connection, on which data can be sent."""
    client, peer = calling
    peer.send(SYN, seq=0, ack=1, options="mss 1460")
    peer.expect(ACK, seq=1, ack=1)
    client.wait_connected()
    client.send(b"request")
    peer.expect(ACK, seq=1, ack=1, data=b"request")
    peer.send(ACK, seq=1, ack=8)


@both_families
@algorithms
def test_client_signs_its_syn(calling: Connection) -> None:
    open_and_ask(calling)


@both_families
@bad
def test_syn_of_another_draws_nothing(signing: Peer, keys: Keys) -> None:
    forge(signing, keys, SYN, seq=0, ack=None, options="mss 1460")
    signing.send(SYN, seq=0, options="mss 1460")
    signing.expect(SYN, seq=0, ack=1)


@both_families
@bad
def test_syn_and_ack_of_another_does_not_open(calling: Connection, keys: Keys) -> None:
    forge(calling.peer, keys, SYN, seq=0, ack=1, options="mss 1460")
    open_and_ask(calling)


@both_families
@both("RFC2385-2.0", "RFC5925-7.5")
def test_signed_refusal_of_a_syn_is_taken(calling: Connection) -> None:
    calling.peer.send(RST, seq=0, ack=1)
    assert errno_of(calling.endpoint.wait_connected) == "ECONNREFUSED"


@both_families
@bad
def test_refusal_by_another_is_ignored(calling: Connection, keys: Keys) -> None:
    forge(calling.peer, keys, RST, seq=0, ack=1)
    open_and_ask(calling)


@both_families
@bad
def test_ack_of_another_ends_no_handshake(listener: Endpoint, signing: Peer, keys: Keys) -> None:
    signing.send(SYN, seq=0, options="mss 1460")
    signing.expect(SYN, seq=0, ack=1)
    forge(signing, keys, ACK, seq=1, ack=1)
    with listener.without_waiting():
        assert errno_of(listener.accept) == "EAGAIN"
    signing.send(ACK, seq=1, ack=1)
    listener.accept(signing.connection)


@both_families
@both("RFC2385-2.0", "RFC5925-7.3")
def test_cookie_opens_a_signed_connection(session: Session, listener: Endpoint, signing: Peer) -> None:
    session.sysctl("net/ipv4/tcp_syncookies", 2)  # for every SYN
    server, peer = session.establish(listener, signing)
    server.send(b"answer")
    peer.expect(ACK, seq=1, ack=1, data=b"answer")
    peer.send(ACK, seq=1, ack=7)


@both_families
@both("RFC2385-2.0", "RFC5925-7.3")
def test_syn_that_comes_again_is_answered_again(signing: Peer, listener: Endpoint) -> None:
    for _ in range(2):
        signing.send(SYN, seq=0, options="mss 1460")
        signing.expect(SYN, seq=0, ack=1)
    signing.send(ACK, seq=1, ack=1)
    listener.accept(signing.connection)


# -- once it is open


def ask(connection: Connection) -> None:
    """What the peer itself sends is taken, whatever another has sent before."""
    server, peer = connection
    peer.send(ACK, seq=1, ack=1, data=b"request")
    peer.expect(ACK, seq=1, ack=8)
    assert server.receive() == b"request"


@both_families
@bad
def test_data_of_another_are_neither_taken_nor_acknowledged(established: Connection, keys: Keys) -> None:
    forge(established.peer, keys, ACK, seq=1, ack=1, data=b"forged!")
    ask(established)


@both_families
@bad
def test_reset_of_another_is_ignored(established: Connection, keys: Keys) -> None:
    forge(established.peer, keys, RST, seq=1, ack=None)
    ask(established)


@both_families
@bad
def test_fin_of_another_is_ignored(established: Connection, keys: Keys) -> None:
    forge(established.peer, keys, FIN, seq=1, ack=1)
    ask(established)


CODE_OF_ZEROS = "opt 29 0708" + 12 * "00"


@pytest.mark.parametrize(
    ("key", "options"),
    [
        pytest.param(MD5, "nop,nop,opt 19 " + 16 * "00", id="MD5-zeros", marks=requirement("RFC2385-3.0")),
        pytest.param(MD5, "nop,opt 19 " + 15 * "00", id="MD5-cut-short", marks=requirement("RFC2385-3.0")),
        pytest.param(AO, CODE_OF_ZEROS, id="AO-zeros", marks=requirement("RFC5925-2.2")),
        pytest.param(AO, "nop,nop,opt 29 0708" + 8 * "00", id="AO-cut-short", marks=requirement("RFC5925-2.2")),
        pytest.param(AO, "nop,opt 29 07", id="AO-no-code", marks=requirement("RFC5925-2.2")),
        pytest.param(AO, f"{CODE_OF_ZEROS},{CODE_OF_ZEROS}", id="AO-twice", marks=requirement("RFC5925-2.2")),
    ],
)
def test_option_without_a_code_signs_nothing(established: Connection, options: str) -> None:
    forge(established.peer, (), ACK, seq=1, ack=1, data=b"forged!", options=options)
    ask(established)


@both_families
@both("RFC2385-2.0", "RFC5925-7.5")
def test_signed_reset_ends_the_connection(established: Connection) -> None:
    server, peer = established
    peer.send(RST, seq=1)
    peer.expect_at_once(silence="reset")
    assert errno_of(server.receive) == "ECONNRESET"


@both_families
@pytest.mark.parametrize(
    ("key", "taken"),
    [
        pytest.param(MD5, 20, id="MD5", marks=requirement("RFC2385-4.2")),
        pytest.param(AO, 16, id="AO", marks=requirement("RFC5925-7.6")),
    ],
)
def test_option_takes_its_room_from_the_data(session: Session, listener: Endpoint, signing: Peer, taken: int) -> None:
    server, peer = session.establish(listener, signing, options="mss 1000")
    server.send(bytes(3 * (1000 - taken)))
    end = expect_flight(peer, 3, seq=1, ack=1, size=1000 - taken)
    peer.send(ACK, seq=1, ack=end)


@waits(RTO_MIN)
@both("RFC2385-2.0", "RFC5925-7.4")
def test_what_is_sent_again_is_signed_again(session: Session, established: Connection) -> None:
    """It acknowledges more than before, so the code is another."""
    server, peer = established
    server.send(b"answer")
    sent = peer.expect(ACK, seq=1, ack=1, data=b"answer")
    peer.send(ACK, seq=1, ack=1, data=b"request")
    peer.expect(ACK, seq=7, ack=8)
    again = peer.expect(ACK, seq=1, ack=8, data=b"answer", within=session.profile.first_rto())
    assert again.options != sent.options


@both_families
@both("RFC2385-2.0", "RFC5925-7.4")
def test_segment_behind_the_window_draws_a_signed_ack(established: Connection) -> None:
    _, peer = established
    peer.send(ACK, seq=2**30, ack=1, data=b"far")
    peer.expect(ACK, seq=1, ack=1)


# -- the end


def fall_into_time_wait(connection: Connection) -> Peer:
    """Close, and be closed."""
    server, peer = connection
    close(server)
    peer.expect(FIN, seq=1, ack=1)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)
    return peer


@both_families
@both("RFC2385-4.1", "RFC5925-7.2")
def test_connection_is_signed_to_its_last_segment(established: Connection) -> None:
    peer = fall_into_time_wait(established)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)


@both_families
@bad
def test_time_wait_does_not_answer_another(established: Connection, keys: Keys) -> None:
    forge(fall_into_time_wait(established), keys, FIN, seq=1, ack=2)
