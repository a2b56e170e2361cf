"""Window scaling (RFC 7323 2): only where both SYNs have it, never of a SYN's own window, and by 14 bits at most."""

from __future__ import annotations

import pytest

from harness import ACK, SYN, Between, Connection, Endpoint, Received, Session, both_families, requirement

SIZE = 1280  # of a segment; windows are whole numbers of them, for a part of one may wait (RFC 9293 3.8.6.2.1)
SHIFT = 7
WINDOW = 40
SCALED = WINDOW << SHIFT  # four segments
BASE = f"mss {SIZE}"
DATA = Between(1, SIZE)


def open_with(session: Session, listener: Endpoint, options: str, *, window: int) -> Connection:
    """A connection of a peer that offers exactly these options, and this window from its ACK on; data may come."""
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=options)
    peer.expect(SYN, seq=0, ack=1)
    peer.send(ACK, seq=1, ack=1, window=window)
    peer.allow(ACK, ack=1, length=DATA)
    return Connection(listener.accept(), peer)


def highest(session: Session) -> int:
    """The number behind the last octet that the kernel has sent up to now."""
    session.settle()
    received = [event.segment for event in session.events(Received)]
    return max(segment.end for segment in received)


@requirement("RFC7323-2.2-1")
@both_families
def test_scale_is_offered_where_the_syn_offers_it(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=f"{BASE},nop,wscale {SHIFT}")
    peer.expect(SYN, seq=0, ack=1, options="wscale")


@requirement("RFC7323-2.2-1")
@both_families
def test_scale_is_not_offered_where_the_syn_does_not(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=BASE)
    peer.expect(SYN, seq=0, ack=1, without="wscale")


@requirement("RFC7323-2.2-1", "RFC9293-REC-1")
@both_families
def test_window_is_scaled_where_both_offered_it(session: Session, listener: Endpoint) -> None:
    connection = open_with(session, listener, f"{BASE},nop,wscale {SHIFT}", window=WINDOW)
    connection.endpoint.send(bytes(2 * SCALED))
    assert highest(session) == 1 + SCALED


@requirement("RFC7323-2.2-1")
@both_families
def test_window_is_not_scaled_where_the_peer_did_not_offer_it(session: Session, listener: Endpoint) -> None:
    connection = open_with(session, listener, BASE, window=SIZE)
    connection.endpoint.send(bytes(2 * SCALED))
    assert highest(session) == 1 + SIZE


@requirement("RFC7323-2.2-1")
@both_families
def test_window_is_not_scaled_where_only_the_client_offered_it(session: Session) -> None:
    client = session.socket()
    peer = session.new_peer(client.port)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0, options="wscale")
    peer.send(SYN, seq=0, ack=1, options=BASE)
    peer.expect(ACK, seq=1, ack=1)
    client.wait_connected()
    client.send(bytes(SIZE))
    peer.expect(ACK, seq=1, ack=1, length=SIZE)
    peer.send(ACK, seq=1, ack=1 + SIZE, window=SIZE)
    peer.expect_silence()  # the window is taken in before there is more to send
    peer.allow(ACK, ack=1, length=DATA)
    client.send(bytes(2 * SCALED))
    assert highest(session) == 1 + SIZE + SIZE


@requirement("RFC7323-2.2-2")
@both_families
def test_window_of_a_syn_and_ack_is_not_scaled(session: Session) -> None:
    client = session.socket()
    peer = session.new_peer(client.port)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0)
    peer.send(SYN, seq=0, ack=1, window=SIZE, options=f"{BASE},nop,wscale {SHIFT}")
    peer.expect(ACK, seq=1, ack=1)
    client.wait_connected()
    peer.allow(ACK, ack=1, length=DATA)
    client.send(bytes(2 * SCALED))
    assert highest(session) == 1 + SIZE


@requirement("RFC7323-2.3-1")
@both_families
@pytest.mark.parametrize("shift", [14, 15, 255])
def test_shift_above_fourteen_counts_as_fourteen(session: Session, listener: Endpoint, shift: int) -> None:
    most = 1 << 14
    connection = open_with(session, listener, f"{BASE},nop,wscale {shift}", window=1)
    server, peer = connection
    server.send(bytes(4 * most))
    first = highest(session)  # the first congestion window lets out less than the window
    peer.send(ACK, seq=1, ack=first, window=1)
    assert first + most - SIZE < highest(session) <= first + most
