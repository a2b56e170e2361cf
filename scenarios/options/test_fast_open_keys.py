"""The keys of TCP Fast Open's cookies: whose cookies a server takes after its key was changed (RFC 7413 4.1.2)."""

from __future__ import annotations

import pytest

from harness import ACK, SYN, Endpoint, Peer, Session, both_families, errno_of, requirement

CLIENT_AND_SERVER = 3  # tcp_fastopen (ip-sysctl.rst)
OLD, NEW = bytes(range(16)), bytes(range(16, 32))


@pytest.fixture
def fast(session: Session, listener: Endpoint) -> Endpoint:
    """A listener with Fast Open and a key of its own."""
    session.sysctl("net/ipv4/tcp_fastopen", CLIENT_AND_SERVER)
    listener.set_option("TCP_FASTOPEN", 5)
    listener.set_option("TCP_FASTOPEN_KEY", OLD)
    return listener


def cookie_of(session: Session, listener: Endpoint) -> str:
    """What the listener gives who asks."""
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options="mss 1460,nop,nop,opt 34")
    peer.expect(SYN, seq=0, ack=1, options="opt 34")
    return peer.cookie


def open_early(session: Session, listener: Endpoint, cookie: str) -> Peer:
    """Open with a cookie and data; what is answered is still to be seen."""
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=f"mss 1460,nop,nop,opt 34 {cookie}", data=b"early")
    return peer


@requirement("RFC7413-4.1.2")
@both_families
def test_cookie_of_the_key_before_is_taken_and_a_new_one_given(session: Session, fast: Endpoint) -> None:
    cookie = cookie_of(session, fast)
    fast.set_option("TCP_FASTOPEN_KEY", NEW + OLD)
    assert fast.option_bytes("TCP_FASTOPEN_KEY", 32) == NEW + OLD
    peer = open_early(session, fast, cookie)
    peer.expect(SYN, seq=0, ack=6, options="opt 34")
    assert peer.cookie not in ("", cookie)
    peer.send(ACK, seq=6, ack=1)
    again = open_early(session, fast, peer.cookie)
    again.expect(SYN, seq=0, ack=6, without="opt 34")


@requirement("RFC7413-4.1.2")
@both_families
def test_cookie_of_a_key_that_is_gone_is_not_taken(session: Session, fast: Endpoint) -> None:
    cookie = cookie_of(session, fast)
    fast.set_option("TCP_FASTOPEN_KEY", NEW)
    assert fast.option_bytes("TCP_FASTOPEN_KEY", 32) == NEW
    peer = open_early(session, fast, cookie)
    peer.expect(SYN, seq=0, ack=1, options="opt 34")


@requirement("RFC7413-4.1.2")
@both_families
def test_key_of_the_system_is_for_who_has_none(session: Session, fast: Endpoint) -> None:
    other = session.listen(fast.port + 1)
    other.set_option("TCP_FASTOPEN", 5)
    words = [OLD.hex()[place : place + 8] for place in range(0, 32, 8)]
    # the sysctl shows words of the host's order (proc_tcp_fastopen_key)
    session.sysctl("net/ipv4/tcp_fastopen_key", "-".join(bytes.fromhex(word)[::-1].hex() for word in words))
    assert cookie_of(session, other) == cookie_of(session, fast)


@requirement("RFC7413-4.1.2")
@pytest.mark.parametrize("size", [0, 8, 17])
def test_key_of_a_wrong_size_is_refused(fast: Endpoint, size: int) -> None:
    assert errno_of(lambda: fast.set_option("TCP_FASTOPEN_KEY", bytes(size))) == "EINVAL"


@requirement("RFC7413-4.1.2")
@both_families
def test_server_may_do_without_cookies(session: Session, fast: Endpoint) -> None:
    fast.set_option("TCP_FASTOPEN_NO_COOKIE", 1)
    peer = session.new_peer(fast.port)
    peer.send(SYN, seq=0, options="mss 1460", data=b"early")
    peer.expect(SYN, seq=0, ack=6)
    assert fast.accept(peer.connection).receive() == b"early"
