"""TCP-AO: one key after another on the same connection, by what each end asks of the other (RFC 5925 6.1)."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from harness import ACK, AoKey, Connection, Endpoint, Segment, both_families, requirement

Sharing = Callable[..., None]

KEY = AoKey(b"secret", 7, 8)
LATER = AoKey(b"another", 17, 18)
INFO = struct.Struct("=IHBB5Q")  # struct tcp_ao_info_opt of include/uapi/linux/tcp.h
SET_CURRENT, SET_RNEXT = 1, 2


@pytest.fixture
def key() -> AoKey:
    """What the fixtures share."""
    return KEY


def asked_for(segment: Segment) -> int:
    """Its RNextKeyID."""
    option = segment.option("opt 29")
    assert option is not None
    return option.raw[1]


def signed_with(segment: Segment) -> int:
    """Its KeyID."""
    option = segment.option("opt 29")
    assert option is not None
    return option.raw[0]


def tell(socket: Endpoint, flags: int, current: int = 0, rnext: int = 0) -> None:
    """Set what TCP_AO_INFO sets."""
    socket.set_option("TCP_AO_INFO", INFO.pack(flags, 0, current, rnext, 0, 0, 0, 0, 0))


@pytest.fixture
def two_keys(established: Connection, share: Sharing) -> Connection:
    """A connection both of whose ends have a second key; the first is in use."""
    server, peer = established
    share(server, peer, LATER)
    peer.keys = (KEY, LATER)
    return established


@requirement("RFC5925-6.1")
@both_families
def test_kernel_signs_with_the_key_that_it_is_asked_for(two_keys: Connection) -> None:
    server, peer = two_keys
    server.send(b"one")
    assert signed_with(peer.expect(ACK, seq=1, ack=1, data=b"one")) == KEY.from_kernel
    peer.keys = (AoKey(KEY.key, 7, 8, LATER.from_kernel), LATER)
    peer.send(ACK, seq=1, ack=4)
    server.send(b"two")
    assert signed_with(peer.expect(ACK, seq=4, ack=1, data=b"two")) == LATER.from_kernel
    peer.send(ACK, seq=1, ack=7)


@requirement("RFC5925-6.1")
@both_families
def test_key_that_the_kernel_does_not_have_is_not_waited_for(two_keys: Connection) -> None:
    server, peer = two_keys
    peer.keys = (AoKey(KEY.key, 7, 8, 99), LATER)
    peer.send(ACK, seq=1, ack=1, data=b"request")
    assert signed_with(peer.expect(ACK, seq=1, ack=8)) == KEY.from_kernel
    assert server.receive() == b"request"


@requirement("RFC5925-6.1", "RFC5925-7.5")
@both_families
def test_peer_may_sign_with_any_key_of_both(two_keys: Connection) -> None:
    server, peer = two_keys
    peer.keys = (AoKey(LATER.key, 17, 18, KEY.from_kernel), KEY)
    peer.send(ACK, seq=1, ack=1, data=b"request")
    assert signed_with(peer.expect(ACK, seq=1, ack=8)) == KEY.from_kernel
    assert server.receive() == b"request"


@requirement("RFC5925-6.1")
@both_families
def test_kernel_asks_for_the_key_that_its_application_wants(two_keys: Connection) -> None:
    server, peer = two_keys
    server.send(b"one")
    assert asked_for(peer.expect(ACK, seq=1, ack=1, data=b"one")) == KEY.to_kernel
    peer.send(ACK, seq=1, ack=4)
    tell(server, SET_RNEXT, rnext=LATER.to_kernel)
    server.send(b"two")
    seen = peer.expect(ACK, seq=4, ack=1, data=b"two")
    assert (signed_with(seen), asked_for(seen)) == (KEY.from_kernel, LATER.to_kernel)
    peer.send(ACK, seq=1, ack=7)


@requirement("RFC5925-6.1")
@both_families
def test_application_may_change_the_current_key(two_keys: Connection) -> None:
    server, peer = two_keys
    tell(server, SET_CURRENT, current=LATER.from_kernel)
    server.send(b"one")
    assert signed_with(peer.expect(ACK, seq=1, ack=1, data=b"one")) == LATER.from_kernel
    peer.keys = (AoKey(LATER.key, 17, 18), KEY)
    peer.send(ACK, seq=1, ack=4)
