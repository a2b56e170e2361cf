"""TCP-MD5 (RFC 2385) beside what it shares with TCP-AO: its keys, how they come and go, and where there is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import (
    ACK,
    FIN,
    SYN,
    Connection,
    Endpoint,
    Md5Key,
    Peer,
    Session,
    both_families,
    close,
    errno_of,
    requirement,
)

Sharing = Callable[..., None]

KEY = Md5Key(b"secret")
WRONG = Md5Key(b"secreT")
LONGEST = Md5Key(bytes(range(80)))  # octets (TCP_MD5SIG_MAXKEYLEN)


@requirement("RFC2385-4.5")
@both_families
def test_key_may_have_eighty_octets(session: Session, listener: Endpoint, share: Sharing) -> None:
    peer = session.new_peer(listener.port)
    share(listener, peer, LONGEST)
    session.establish(listener, peer)


@requirement("RFC2385-4.5")
@both_families
def test_key_that_is_set_again_takes_the_place_of_the_first(
    session: Session, listener: Endpoint, share: Sharing
) -> None:
    peer = session.new_peer(listener.port)
    share(listener, peer, WRONG)
    share(listener, peer, KEY)
    session.establish(listener, peer)


@requirement("RFC2385-4.5")
@both_families
def test_empty_key_ends_the_protection(session: Session, listener: Endpoint, signing: Peer) -> None:
    """A key of no length deletes the one that is set for the address (tcp_md5_do_del, net/ipv4/tcp_ipv4.c)."""
    listener.set_option("TCP_MD5SIG", signing.key_option(Md5Key(b"")))
    signing.keys = ()
    _, peer = session.establish(listener, signing)
    assert errno_of(lambda: listener.set_option("TCP_MD5SIG", peer.key_option(Md5Key(b"")))) == "ENOENT"


@requirement("RFC2385-4.5")
@both_families
def test_key_of_an_open_connection_may_change(established: Connection, share: Sharing) -> None:
    server, peer = established
    share(server, peer, WRONG)
    peer.send(ACK, seq=1, ack=1, data=b"request")
    peer.expect(ACK, seq=1, ack=8)


@both_families
@requirement("RFC2385-4.5")
def test_key_of_a_prefix_is_for_every_address_in_it(session: Session, listener: Endpoint, share: Sharing) -> None:
    peer = session.new_peer(listener.port)
    share(listener, peer, KEY, prefix=16)
    session.establish(listener, peer)


@both_families
@requirement("RFC2385-4.5")
def test_key_of_the_longer_prefix_is_taken(session: Session, listener: Endpoint, share: Sharing) -> None:
    peer = session.new_peer(listener.port)
    share(listener, peer, WRONG, prefix=8)
    share(listener, peer, KEY, prefix=16)
    session.establish(listener, peer)


@requirement("RFC2385-4.5")
@pytest.mark.parametrize("length", [81, 255])
def test_key_that_is_too_long_is_refused(listener: Endpoint, signing: Peer, length: int) -> None:
    value = bytearray(signing.key_option(KEY))
    value[130:132] = length.to_bytes(2, "little")  # tcpm_keylen
    assert errno_of(lambda: listener.set_option("TCP_MD5SIG", bytes(value))) == "EINVAL"


@requirement("RFC2385-4.5")
def test_prefix_that_no_address_has_is_refused(listener: Endpoint, signing: Peer) -> None:
    value = bytearray(signing.key_option(KEY, 8))
    value[129] = 33  # tcpm_prefixlen
    assert errno_of(lambda: listener.set_option("TCP_MD5SIG_EXT", bytes(value))) == "EINVAL"


# -- where there is no key, or no room


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
    close(listener.accept(signing.connection))
    signing.expect(FIN, seq=1, ack=1, without="TS")
    for _ in range(2):  # the second is answered in TIME-WAIT
        signing.send(FIN, seq=1, ack=2)
        signing.expect(ACK, seq=2, ack=2, without="TS")
