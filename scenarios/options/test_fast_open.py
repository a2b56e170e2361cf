"""TCP Fast Open, the server's side (RFC 7413): cookies asked for, taken, refused, and off unless asked for."""

from __future__ import annotations

import pytest

from harness import ACK, FIN, SYN, Endpoint, Peer, Segment, Session, both_families, close, expect_flight, requirement

CLIENT_AND_SERVER = 3  # tcp_fastopen (ip-sysctl.rst)
PENDING = 5
NARROW = 1000  # bytes of the peer's window: less than a segment
HALF = NARROW // 2  # how much a segment has then (tcp_bound_to_half_wnd, include/net/tcp.h)
EMPTY = "opt 34"
MAGIC = bytes.fromhex("f989")
FORGED = "opt 34 0102030405060708"


@pytest.fixture
def fast(session: Session, listener: Endpoint) -> Endpoint:
    """A listener whose application asked for Fast Open."""
    session.sysctl("net/ipv4/tcp_fastopen", CLIENT_AND_SERVER)
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


def open_early(session: Session, listener: Endpoint, cookie: bytes, window: int = 65535) -> Peer:
    """Open with a good cookie and data; what is answered is still to be seen."""
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=f"mss 1460,nop,nop,opt 34 {cookie.hex()}", data=b"early", window=window)
    return peer


@requirement("RFC7413-4.2-2")
@both_families
def test_more_than_the_pending_limit_get_a_normal_handshake(session: Session, fast: Endpoint) -> None:
    fast.set_option("TCP_FASTOPEN", 1)
    cookie = cookie_of(ask(session, fast, EMPTY)[1])
    pending = open_early(session, fast, cookie)
    pending.expect(SYN, seq=0, ack=6)
    beyond = open_early(session, fast, cookie)
    beyond.expect(SYN, seq=0, ack=1)
    beyond.send(ACK, seq=1, ack=1, data=b"early")
    beyond.expect(ACK, seq=1, ack=6)
    fast.accept(pending.connection)
    assert fast.accept(beyond.connection).receive() == b"early"


@requirement("RFC7413-4.2-2")
@both_families
def test_handshake_that_ends_makes_room_under_the_pending_limit(session: Session, fast: Endpoint) -> None:
    fast.set_option("TCP_FASTOPEN", 1)
    cookie = cookie_of(ask(session, fast, EMPTY)[1])
    for _ in range(2):
        peer = open_early(session, fast, cookie)
        peer.expect(SYN, seq=0, ack=6)
        peer.send(ACK, seq=6, ack=1)
        session.settle()


@requirement("FSM-057")
@both_families
def test_fin_waits_for_data_that_the_handshake_holds_up(session: Session, fast: Endpoint) -> None:
    cookie = cookie_of(ask(session, fast, EMPTY)[1])
    peer = open_early(session, fast, cookie, window=NARROW)
    peer.expect(SYN, seq=0, ack=6)
    server = fast.accept(peer.connection)
    server.receive()
    server.send(bytes(NARROW + HALF))
    behind = expect_flight(peer, 2, seq=1, ack=6, size=HALF)
    close(server)
    peer.expect_silence()
    peer.send(ACK, seq=6, ack=behind)
    peer.expect(FIN, seq=behind, ack=6, length=HALF)


@requirement("RFC7413-4.2-1")
@both_families
def test_listener_gives_no_cookie_unless_its_application_asked(session: Session, listener: Endpoint) -> None:
    session.sysctl("net/ipv4/tcp_fastopen", CLIENT_AND_SERVER)
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


EXPERIMENTAL = "opt 254 f989"  # kind 254 and the magic of before there was a kind (RFC 7413 4.1.1, RFC 6994)


@requirement("RFC7413-4.2.1-1", "RFC7413-4.2.2-1")
@both_families
def test_older_form_of_the_option_is_answered_in_the_same_form(session: Session, fast: Endpoint) -> None:
    _, answer = ask(session, fast, EXPERIMENTAL)
    option = answer.option("opt 254")
    assert option is not None
    assert option.raw.startswith(MAGIC)
    cookie = option.raw.removeprefix(MAGIC)
    assert 4 <= len(cookie) <= 16
    peer = session.new_peer(fast.port)
    peer.send(SYN, seq=0, options=f"mss 1460,nop,nop,{EXPERIMENTAL}{cookie.hex()}", data=b"early")
    peer.expect(SYN, seq=0, ack=6)
    assert fast.accept(peer.connection).receive() == b"early"
    peer.send(ACK, seq=6, ack=1)
