"""More connections than a listener has room for, and SYN cookies, which need no room.

No RFC says how many there must be. What is lost for want of room must be got over by sending it again (RFC 9293 3.8.1).
"""

from __future__ import annotations

from harness import ACK, RST, SYN, Endpoint, Peer, Session, both_families, requirement

ONE = 0  # listen(2) with a backlog of 0 leaves room for one (sk_acceptq_is_full, include/net/sock.h)
TWO = 1
HALF_OPEN = 8


def fill(session: Session) -> Endpoint:
    """A listener whose only place is taken by a connection that nobody has accepted yet."""
    listener = session.listen(backlog=ONE)
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=session.syn_options)
    peer.expect(SYN, seq=0, ack=1)
    peer.timestamps = session.timestamps
    peer.send(ACK, seq=1, ack=1)
    session.settle()
    return listener


@requirement("RFC9293-3.10.7.2", "RFC9293-3.8.1")
@both_families
def test_syn_without_room_is_dropped_and_taken_when_it_comes_again(session: Session) -> None:
    listener = fill(session)
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=session.syn_options)
    peer.expect_silence()
    listener.accept()
    session.establish(listener, peer)


@requirement("RFC9293-3.8.1")
@both_families
def test_last_ack_without_room_is_dropped_and_taken_when_it_comes_again(session: Session) -> None:
    listener = session.listen(backlog=TWO)
    late = begin_before_the_places_are_taken(session, listener)
    late.allow(SYN, seq=0, ack=1)  # sent again while there was no room
    late.send(ACK, seq=1, ack=1)
    session.settle()
    listener.accept()
    late.send(ACK, seq=1, ack=1, data=b"again")
    late.expect(ACK, seq=1, ack=6)
    listener.accept()
    assert listener.accept(late.connection).receive() == b"again"


@requirement("RFC9293-3.8.1")
@both_families
def test_last_ack_without_room_is_reset_where_that_is_asked_for(session: Session) -> None:
    listener = session.listen(backlog=TWO)
    session.sysctl("net/ipv4/tcp_abort_on_overflow", 1)
    late = begin_before_the_places_are_taken(session, listener)
    late.send(ACK, seq=1, ack=1)
    late.expect(RST, seq=1)


def begin_before_the_places_are_taken(session: Session, listener: Endpoint) -> Peer:
    """A handshake of which the last ACK is still to come, begun while one of two places was free; now none is.

    No more than two handshakes are open at a time: for a third there would be no room, but a cookie.
    """
    first, second = begin(session, listener), begin(session, listener)
    first.send(ACK, seq=1, ack=1)
    session.settle()
    late = begin(session, listener)
    second.send(ACK, seq=1, ack=1)
    session.settle()
    return late


def begin(session: Session, listener: Endpoint) -> Peer:
    """A handshake of which the last ACK is still to come."""
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=session.syn_options)
    peer.expect(SYN, seq=0, ack=1)
    peer.timestamps = session.timestamps
    return peer


@requirement("RFC9293-3.10.7.2", "RFC9293-3.8.1")
@both_families
def test_last_quarter_of_the_half_open_is_kept_for_those_that_were_heard_of(session: Session) -> None:
    """Where there are no cookies (ip-sysctl.rst, tcp_max_syn_backlog): a flood of SYNs leaves room for known hosts."""
    session.sysctl("net/ipv4/tcp_syncookies", 0)
    session.sysctl("net/ipv4/tcp_max_syn_backlog", HALF_OPEN)
    listener = session.listen(backlog=4 * HALF_OPEN)
    first, *_ = [begin(session, listener) for _ in range(1 + HALF_OPEN * 3 // 4)]
    beyond = session.new_peer(listener.port)
    beyond.send(SYN, seq=0, options=session.syn_options)
    beyond.expect_silence()
    first.send(ACK, seq=1, ack=1)
    session.settle()
    session.establish(listener, beyond)
    listener.accept()
