"""Keys of TCP-MD5: which connections they are for, and how they come and go (RFC 2385 4.5, Linux's TCP_MD5SIG)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import ACK, Connection, Endpoint, Md5Key, Peer, Session, both_families, errno_of, requirement

Sharing = Callable[..., None]

KEY = Md5Key(b"secret")
WRONG = Md5Key(b"secreT")
LONGEST = Md5Key(bytes(range(80)))  # octets (TCP_MD5SIG_MAXKEYLEN)


@pytest.fixture
def key() -> Md5Key:
    """What the fixtures share."""
    return KEY


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
