"""What Linux tells of a socket with TCP-AO and has set: TCP_AO_INFO, TCP_AO_GET_KEYS (include/uapi/linux/tcp.h)."""

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
    Session,
    Unsupported,
    both_families,
    errno_of,
    requirement,
)

Sharing = Callable[..., None]

KEY = AoKey(b"secret", 7, 8)
LATER = AoKey(b"another", 17, 18, algorithm="cmac(aes128)")

GET = struct.Struct("=128s64s80sIHBBBBBBiQQ")  # struct tcp_ao_getsockopt
INFO = struct.Struct("=IHBB5Q")  # struct tcp_ao_info_opt
SET_CURRENT, SET_RNEXT, REQUIRED, SET_COUNTERS, ACCEPT_ICMPS, RESERVED = (1 << bit for bit in range(6))
IS_CURRENT, IS_RNEXT, GET_ALL = 1, 2, 4
NO_ADDRESS = bytes(128)


@pytest.fixture
def key() -> AoKey:
    """What the fixtures share."""
    return KEY


def info(socket: Endpoint) -> tuple[int, ...]:
    """Of TCP_AO_INFO: flags, current key, next key, and five counters."""
    flags, _, *rest = INFO.unpack(socket.option_bytes("TCP_AO_INFO", INFO.size, given=bytes(INFO.size)))
    return flags, *rest


def tell(socket: Endpoint, flags: int, current: int = 0, rnext: int = 0, reserved: int = 0) -> str:
    """Set what TCP_AO_INFO sets, with counters of 1 to 5; the name of the error."""
    value = INFO.pack(flags, reserved, current, rnext, 1, 2, 3, 4, 5)
    if (failed := errno_of(lambda: socket.set_option("TCP_AO_INFO", value))) == "ENOPROTOOPT":
        raise Unsupported("this kernel has no TCP_AO_INFO", why="CONFIG_TCP_AO is off")
    return failed


def told(socket: Endpoint, flags: int, most: int = 2, **other: bytes | int) -> list[tuple[int, int]]:
    """The SendID and RecvID of the keys that TCP_AO_GET_KEYS gives, of ``most`` at most."""
    address, prefix = other.get("address", NO_ADDRESS), other.get("prefix", 0)
    ids = other.get("sndid", 0), other.get("rcvid", 0), prefix, 0, other.get("keyflags", 0), 0, other.get("ifindex", 0)
    asked = GET.pack(address, b"", b"", most, flags, *ids, other.get("pkt_good", 0), 0)
    given = socket.option_bytes("TCP_AO_GET_KEYS", most * GET.size, given=asked)
    keys = [GET.unpack_from(given, place * GET.size) for place in range(most)]
    return [(one[5], one[6]) for one in keys[: keys[0][3]]]


# -- telling of keys


@requirement("RFC5925-3.1")
@both_families
def test_keys_are_told(established: Connection, share: Sharing) -> None:
    server, peer = established
    share(server, peer, LATER)
    address = peer.key_option(KEY)[:128]
    prefix = 128 if ":" in peer.address[0] else 32
    one, other = (KEY.from_kernel, KEY.to_kernel), (LATER.from_kernel, LATER.to_kernel)
    assert sorted(told(server, GET_ALL)) == [one, other]
    assert told(server, IS_CURRENT, 1) == told(server, IS_RNEXT, 1) == [one]
    assert told(server, 0, 1, address=address, prefix=prefix, sndid=18, rcvid=17) == [other]
    assert told(server, 0, 1, address=address, prefix=prefix, sndid=18, rcvid=18) == []


@pytest.mark.usefixtures("signing")
@requirement("RFC5925-3.1")
@both_families
@pytest.mark.parametrize(
    ("flags", "other", "error"),
    [
        (GET_ALL, {"pkt_good": 1}, "EINVAL"),
        (GET_ALL, {"keyflags": 2}, "EINVAL"),
        (GET_ALL, {"ifindex": 1}, "EINVAL"),
        (GET_ALL | 8, {}, "EINVAL"),
        (GET_ALL | IS_CURRENT, {}, "EINVAL"),
        (GET_ALL, {"prefix": 8}, "EINVAL"),
        (GET_ALL, {"sndid": 8}, "EINVAL"),
        (0, {}, "EAFNOSUPPORT"),
    ],
    ids=["counters", "keyflags", "interface", "reserved", "all-and-current", "prefix", "id", "no-address"],
)
def test_question_that_says_nothing_is_refused(
    listener: Endpoint, flags: int, other: dict[str, int], error: str
) -> None:
    assert errno_of(lambda: told(listener, flags, **other)) == error


@requirement("RFC5925-7.5")
@both_families
def test_segments_are_counted(established: Connection) -> None:
    server, peer = established
    good = info(server)[3]
    peer.send(ACK, seq=1, ack=1)
    assert info(server)[3:] == (good + 1, 0, 0, 0, 0)
    for counted, keys in enumerate(((AoKey(b"secreT", 7, 8),), (AoKey(b"secret", 9, 8),), ()), 4):
        peer.keys = keys
        peer.send(ACK, seq=1, ack=1)
        assert info(server)[counted] == 1
    assert tell(server, SET_COUNTERS) == ""
    assert info(server)[3:] == (1, 2, 3, 4, 5)


# -- what else there is to set


@pytest.mark.usefixtures("signing")
@requirement("RFC5925-7.5")
@both_families
def test_socket_may_require_a_signature_of_everybody(
    session: Session,
    listener: Endpoint,
) -> None:
    other = session.listen(port=listener.port + 1)
    peer = session.new_peer(other.port)
    assert tell(other, REQUIRED) == ""
    assert info(other)[0] & REQUIRED
    peer.send(SYN, seq=0, options="mss 1460")
    peer.expect_at_once(silence="dropped")
    assert tell(other, 0) == ""
    session.establish(other, peer)


@pytest.mark.usefixtures("signing")
@requirement("RFC5925-7.5")
@both_families
def test_setting_that_cannot_be_is_refused(listener: Endpoint, established: Connection) -> None:
    server, _ = established
    assert tell(listener, SET_CURRENT) == "EINVAL"
    assert tell(server, RESERVED) == tell(server, 0, reserved=1) == "EINVAL"
    assert tell(server, SET_CURRENT, current=99) == tell(server, SET_RNEXT, rnext=99) == "ENOENT"


@requirement("RFC5925-8")
@both_families
def test_socket_with_a_key_of_md5_cannot_require_another_signature(session: Session, listener: Endpoint) -> None:
    value = session.new_peer(listener.port).key_option(Md5Key(b"secret"))
    listener.set_option("TCP_MD5SIG", value)
    assert tell(listener, REQUIRED) == "EKEYREJECTED"
