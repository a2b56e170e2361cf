"""TCP Fast Open, the server's side (RFC 7413): cookies asked for, taken, refused, and off unless asked for."""

from __future__ import annotations

import pytest

from harness import ACK, SYN, Endpoint, Peer, Session, both_families, requirement
from harness.segment import Segment

CLIENT_AND_SERVER = 3  # tcp_fastopen (ip-sysctl.rst)
PENDING = 5
EMPTY = "opt 34"
FORGED = "opt 34 0102030405060708"


@pytest.fixture
def fast(listener: Endpoint) -> Endpoint:
    """A listener whose application asked for Fast Open."""
    listener.set_sysctl("net/ipv4/tcp_fastopen", CLIENT_AND_SERVER)
    listener.set_option("TCP_FASTOPEN", PENDING)
    return listener


def ask(session: Session, listener: Endpoint, cookie: str, data: bytes = b"") -> tuple[Peer, Segment]:
    """Open with a cookie, and give back what is answered to the SYN."""
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=f"mss 1460,nop,nop,{cookie}", data=data)
    return peer, peer.expect(SYN, seq=0, ack=1)


def cookie_of(answer: Segment) -> bytes:
    """The cookie in an answer; empty where it has none."""
    option = answer.option("opt 34")
    return option.raw if option else b""


@requirement("RFC7413-4.2.1-1", "RFC7413-4.1.1-2")
@both_families
def test_cookie_is_given_where_it_is_asked_for(session: Session, fast: Endpoint) -> None:
    _, answer = ask(session, fast, EMPTY)
    assert 4 <= len(cookie_of(answer)) <= 16
    assert len(cookie_of(answer)) % 2 == 0


@requirement("RFC7413-4.2.1-1", "RFC7413-4.1.2-1")
@both_families
def test_cookie_of_one_host_is_the_same_for_all_its_ports(session: Session, fast: Endpoint) -> None:
    cookies = {cookie_of(ask(session, fast, EMPTY)[1]) for _ in range(3)}
    assert len(cookies) == 1


@requirement("RFC7413-4.2.2-1")
@both_families
def test_data_with_a_good_cookie_are_delivered_before_the_handshake_ends(session: Session, fast: Endpoint) -> None:
    _, answer = ask(session, fast, EMPTY)
    peer = session.new_peer(fast.port)
    peer.send(SYN, seq=0, options=f"mss 1460,nop,nop,opt 34 {cookie_of(answer).hex()}", data=b"early")
    peer.expect(SYN, seq=0, ack=6)
    assert fast.accept(peer.connection).receive() == b"early"
    peer.send(ACK, seq=6, ack=1)


@requirement("RFC7413-4.2.2-3")
@both_families
def test_answer_goes_out_before_the_handshake_ends(session: Session, fast: Endpoint) -> None:
    _, answer = ask(session, fast, EMPTY)
    peer = session.new_peer(fast.port)
    peer.send(SYN, seq=0, options=f"mss 1460,nop,nop,opt 34 {cookie_of(answer).hex()}", data=b"early")
    peer.expect(SYN, seq=0, ack=6)
    fast.accept(peer.connection).send(b"reply")
    peer.expect(ACK, seq=1, ack=6, data=b"reply")
    peer.send(ACK, seq=6, ack=6)


@requirement("RFC7413-4.2.2-2")
@both_families
def test_data_with_a_forged_cookie_are_not_acknowledged(session: Session, fast: Endpoint) -> None:
    peer, answer = ask(session, fast, FORGED, data=b"early")
    assert answer.ack == 1
    peer.send(ACK, seq=1, ack=1, data=b"early")
    peer.expect(ACK, seq=1, ack=6)
    assert fast.accept(peer.connection).receive() == b"early"


@requirement("RFC7413-4.2-1")
@both_families
def test_listener_gives_no_cookie_unless_its_application_asked(session: Session, listener: Endpoint) -> None:
    listener.set_sysctl("net/ipv4/tcp_fastopen", CLIENT_AND_SERVER)
    _, answer = ask(session, listener, EMPTY)
    assert cookie_of(answer) == b""


@requirement("RFC7413-4.1.1-1")
@both_families
@pytest.mark.parametrize("cookie", ["opt 34 010203", "opt 34 0102030405", "opt 34 " + 18 * "01"])
def test_cookie_of_a_bad_length_is_ignored(session: Session, fast: Endpoint, cookie: str) -> None:
    peer, answer = ask(session, fast, cookie, data=b"early")
    assert answer.ack == 1
    peer.send(ACK, seq=1, ack=1, data=b"early")
    peer.expect(ACK, seq=1, ack=6)


@requirement("RFC7413-4.1.1-1")
@both_families
def test_cookie_outside_a_syn_is_ignored(session: Session, fast: Endpoint) -> None:
    server, peer = session.establish(fast)
    peer.send(ACK, seq=1, ack=1, data=b"plain", options=FORGED)
    peer.expect(ACK, seq=1, ack=6)
    assert server.receive() == b"plain"
