"""What Linux tells of a socket with TCP-AO and has set: TCP_AO_INFO, TCP_AO_GET_KEYS (include/uapi/linux/tcp.h).

Also what is set by them: which key comes after another (RFC 5925 6.1), and what an ICMP error does.
"""

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
    Segment,
    Session,
    Unsupported,
    both_families,
    errno_of,
    requirement,
)

Sharing = Callable[..., None]

KEY = AoKey(b"secret", 7, 8)
LATER = AoKey(b"another", 17, 18)

GET = struct.Struct("=128s64s80sIHBBBBBBiQQ")  # struct tcp_ao_getsockopt
INFO = struct.Struct("=IHBB5Q")  # struct tcp_ao_info_opt
SET_CURRENT, SET_RNEXT, REQUIRED, SET_COUNTERS, ACCEPT_ICMPS, RESERVED = (1 << bit for bit in range(6))
IS_CURRENT, IS_RNEXT, GET_ALL = 1, 2, 4
NO_ADDRESS = bytes(128)


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
def test_segments_are_counted(session: Session, established: Connection) -> None:
    server, peer = established
    good = info(server)[3]
    peer.send(ACK, seq=1, ack=1)
    session.settle()
    assert info(server)[3:] == (good + 1, 0, 0, 0, 0)
    for counted, keys in enumerate(((AoKey(b"secreT", 7, 8),), (AoKey(b"secret", 9, 8),), ()), 4):
        peer.keys = keys
        peer.send(ACK, seq=1, ack=1)
        session.settle()
        assert info(server)[counted] == 1
    assert tell(server, SET_COUNTERS) == ""
    assert info(server)[3:] == (1, 2, 3, 4, 5)


# -- what else there is to set


@pytest.mark.usefixtures("signing")
@requirement("RFC5925-7.5")
@both_families
def test_socket_may_require_a_signature_of_everybody(session: Session, listener: Endpoint) -> None:
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


# -- one key after another, by what each end asks of the other (RFC 5925 6.1)


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
    assert tell(server, SET_RNEXT, rnext=LATER.to_kernel) == ""
    server.send(b"two")
    seen = peer.expect(ACK, seq=4, ack=1, data=b"two")
    assert (signed_with(seen), asked_for(seen)) == (KEY.from_kernel, LATER.to_kernel)
    peer.send(ACK, seq=1, ack=7)


@requirement("RFC5925-6.1")
@both_families
def test_application_may_change_the_current_key(two_keys: Connection) -> None:
    server, peer = two_keys
    assert tell(server, SET_CURRENT, current=LATER.from_kernel) == ""
    server.send(b"one")
    assert signed_with(peer.expect(ACK, seq=1, ack=1, data=b"one")) == LATER.from_kernel
    peer.keys = (LATER, KEY)
    peer.send(ACK, seq=1, ack=4)


# -- ICMP


def refuse(server: Endpoint, peer: Peer) -> str:
    """Have an ICMP error say that nobody listens, which an established connection reports where it is asked to."""
    server.set_option("IP_RECVERR" if ":" not in peer.address[0] else "IPV6_RECVERR", 1)
    server.send(b"answer")
    peer.send_icmp("port unreachable", peer.expect(ACK, seq=1, ack=1, data=b"answer"))
    peer.send(ACK, seq=1, ack=7)
    return errno_of(server.raise_error)


@requirement("RFC5925-7.8")
@both_families
def test_hard_icmp_error_is_ignored(established: Connection) -> None:
    server, peer = established
    assert refuse(server, peer) == ""
    assert info(server)[-1] == 1


@requirement("RFC5925-7.8")
@both_families
def test_hard_icmp_error_is_taken_where_the_application_allows_it(established: Connection) -> None:
    server, peer = established
    assert tell(server, ACCEPT_ICMPS) == ""
    assert refuse(server, peer) == "ECONNREFUSED"
