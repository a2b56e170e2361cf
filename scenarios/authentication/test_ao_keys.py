"""Keys of TCP-AO as Linux takes and drops them: Documentation/networking/tcp_ao.rst, include/uapi/linux/tcp.h."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from harness import (
    ACK,
    SYN,
    AoKey,
    Connection,
    Endpoint,
    Md5Key,
    Peer,
    Session,
    both_families,
    errno_of,
    requirement,
)

Sharing = Callable[..., None]

KEY = AoKey(b"secret", 7, 8)
LATER = AoKey(b"another", 17, 18, algorithm="cmac(aes128)")
MD5 = Md5Key(b"secret")

ADD = struct.Struct("=128s64siIHBBBBBB80s")  # struct tcp_ao_add
ADD_FIELDS = (
    *("address", "algorithm", "ifindex", "flags", "reserved", "prefix", "sndid", "rcvid"),
    *("maclen", "keyflags", "keylen", "key"),
)
DELETE = struct.Struct("=128siIHBBBBBB")  # struct tcp_ao_del
INFO_SIZE = 48  # struct tcp_ao_info_opt
SET_CURRENT, SET_RNEXT = 1, 2
DELETE_LATER = 4  # del_async
OF_INTERFACE = 1  # TCP_AO_KEYF_IFINDEX
NO_ADDRESS = bytes(128)


def addition(peer: Peer, **other: bytes | int) -> bytes:
    """A key with other fields."""
    fields = dict(zip(ADD_FIELDS, ADD.unpack(peer.key_option(KEY)), strict=True))
    return ADD.pack(*(fields | other).values())


def deletion(peer: Peer, key: AoKey, flags: int = 0, current: int = 0, rnext: int = 0, **other: int) -> bytes:
    """A struct that drops a key of the peer's address."""
    address, *_ = ADD.unpack(peer.key_option(key))
    prefix = other.get("prefix", 128 if ":" in peer.address[0] else 32)
    ids = prefix, key.from_kernel, key.to_kernel, current, rnext, other.get("keyflags", 0)
    return DELETE.pack(address, other.get("ifindex", 0), flags, other.get("reserved", 0), *ids)


def refused(socket: Endpoint, value: bytes, name: str = "TCP_AO_ADD_KEY") -> str:
    """The error that an option fails with."""
    return errno_of(lambda: socket.set_option(name, value))


# -- taking a key


@requirement("RFC5925-3.1")
@both_families
def test_ids_of_two_keys_for_one_address_do_not_overlap(listener: Endpoint, signing: Peer) -> None:
    for ids in ((KEY.to_kernel, 99), (99, KEY.from_kernel)):
        assert refused(listener, signing.key_option(AoKey(b"another", *ids))) == "EEXIST"
        assert refused(listener, signing.key_option(AoKey(b"another", *ids), 16)) == "EEXIST"


@requirement("RFC5925-3.1")
@both_families
def test_key_of_a_prefix_is_for_every_address_in_it(session: Session, listener: Endpoint, share: Sharing) -> None:
    peer = session.new_peer(listener.port)
    share(listener, peer, KEY, 16)
    session.establish(listener, peer)


@requirement("RFC5925-3.1")
@both_families
def test_key_of_no_address_is_for_all(session: Session, listener: Endpoint, share: Sharing) -> None:
    peer = session.new_peer(listener.port)
    share(listener, peer, KEY, 0)
    session.establish(listener, peer)


@both_families
@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"keylen": 81}, "EINVAL"),
        ({"reserved": 1}, "EINVAL"),
        ({"flags": 4}, "EINVAL"),
        ({"keyflags": 4}, "EINVAL"),
        ({"prefix": 129}, "EINVAL"),
        ({"prefix": 16}, "EINVAL"),  # with bits of the address behind it
        ({"prefix": 0}, "EINVAL"),  # likewise
        ({"address": NO_ADDRESS}, "EINVAL"),
        ({"ifindex": 1}, "EINVAL"),  # without TCP_AO_KEYF_IFINDEX
        ({"ifindex": 1, "keyflags": OF_INTERFACE}, "EINVAL"),  # no VRF
        ({"flags": SET_CURRENT}, "EINVAL"),  # a listener has no current key
        ({"maclen": 17}, "EMSGSIZE"),
        ({"algorithm": b"hmac(none)"}, "ENOENT"),
    ],
    ids=lambda one: "-".join(f"{name}" for name in one) if isinstance(one, dict) else "",
)
@requirement("RFC5925-3.1")
def test_key_that_cannot_be_is_refused(listener: Endpoint, signing: Peer, other: dict[str, int], error: str) -> None:
    fields = {"sndid": 99, "rcvid": 99} | other
    assert refused(listener, addition(signing, **fields)) == error


@pytest.mark.usefixtures("signing")
@requirement("RFC5925-3.1")
def test_struct_that_is_too_short_is_refused(listener: Endpoint) -> None:
    for name, size in (("ADD_KEY", ADD.size), ("DEL_KEY", DELETE.size), ("INFO", INFO_SIZE)):
        assert refused(listener, bytes(size - 1), f"TCP_AO_{name}") == "EINVAL"


@requirement("RFC5925-8")
@both_families
def test_key_of_either_kind_refuses_one_of_the_other(session: Session, listener: Endpoint, signing: Peer) -> None:
    assert refused(listener, signing.key_option(MD5), "TCP_MD5SIG") == "EKEYREJECTED"
    other = session.listen(port=listener.port + 1)
    assert refused(other, signing.key_option(MD5), "TCP_MD5SIG") == ""
    assert refused(other, signing.key_option(KEY)) == "EKEYREJECTED"


@pytest.mark.usefixtures("signing")
@requirement("RFC5925-7.4")
@both_families
def test_open_connection_takes_no_first_key(session: Session, listener: Endpoint) -> None:
    """Whether a connection is signed is decided by its SYN."""
    other = session.listen(port=listener.port + 1)
    server, peer = session.establish(other)
    assert refused(server, peer.key_option(KEY)) == "EISCONN"


# -- dropping a key


@requirement("RFC5925-3.1")
@both_families
def test_key_that_is_dropped_signs_nothing_any_more(session: Session, listener: Endpoint, signing: Peer) -> None:
    assert refused(listener, deletion(signing, KEY, DELETE_LATER), "TCP_AO_DEL_KEY") == ""
    signing.send(SYN, seq=0, options="mss 1460")
    signing.expect_at_once(silence="dropped")
    signing.keys = ()
    session.establish(listener, signing)


@requirement("RFC5925-3.1")
@both_families
def test_key_in_use_is_not_dropped_without_another(established: Connection, share: Sharing) -> None:
    server, peer = established
    share(server, peer, LATER)
    assert refused(server, deletion(peer, KEY), "TCP_AO_DEL_KEY") == "EBUSY"
    flags, ids = SET_CURRENT | SET_RNEXT, {"current": LATER.from_kernel, "rnext": LATER.to_kernel}
    assert refused(server, deletion(peer, KEY, flags, **ids), "TCP_AO_DEL_KEY") == ""
    server.send(b"answer")
    peer.expect(ACK, seq=1, ack=1, data=b"answer")
    peer.send(ACK, seq=1, ack=7)


@requirement("RFC5925-3.1")
@both_families
def test_key_that_is_not_there_is_not_dropped(established: Connection) -> None:
    server, peer = established
    drop = "TCP_AO_DEL_KEY"
    assert refused(server, deletion(peer, LATER), drop) == "ENOENT"
    assert refused(server, deletion(peer, KEY, prefix=16), drop) == "ENOENT"
    assert refused(server, deletion(peer, KEY, SET_CURRENT, current=99), drop) == "ENOENT"
    assert refused(server, deletion(peer, KEY, SET_RNEXT, rnext=99), drop) == "ENOENT"
    for flags, other in ((DELETE_LATER, {}), (8, {}), (0, {"reserved": 1}), (0, {"keyflags": 2}), (0, {"ifindex": 1})):
        assert refused(server, deletion(peer, KEY, flags, **other), drop) == "EINVAL"
