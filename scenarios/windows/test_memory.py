"""Data that take more memory than they are long: the buffer is full before the window is, and nothing may be lost.

The kernel counts what a segment occupies, not what it carries; where that is more than the buffer, it packs data anew
(tcp_collapse, net/ipv4/tcp_input.c), or gives back what it has only reported by SACK (RFC 2018 8).
"""

from __future__ import annotations

import pytest

from harness import ACK, SYN, Between, Connection, Endpoint, Session, both_families, in_shared_lab, requirement

pytestmark = in_shared_lab

SMALLEST = 2304  # bytes of a buffer; the kernel doubles it (SOCK_MIN_RCVBUF, include/net/sock.h)
PIECE = 200  # bytes, in a segment that occupies several times as much
MANY = 100
BYTES = bytes(number % 251 for number in range(MANY * PIECE))


@pytest.fixture
def small(session: Session, listener: Endpoint) -> Connection:
    """A server with the smallest buffer, and SACK."""
    listener.set_option("SO_RCVBUF", SMALLEST)
    return session.establish(listener, options="mss 1460,nop,nop,sackOK")


def read_out(server: Endpoint) -> bytes:
    """All that there is for the application."""
    received = b""
    with server.without_waiting():
        try:
            while True:
                received += server.receive()
        except BlockingIOError:
            return received


def fill(connection: Connection) -> int:
    """Send pieces as long as the window takes one, each of which has to be acknowledged; how many bytes."""
    _, peer = connection
    at, window = 1, peer.offered_window(1)
    while window >= PIECE and at < len(BYTES):
        peer.send(ACK, seq=at, ack=1, data=BYTES[at - 1 : at - 1 + PIECE])
        at += PIECE
        window = peer.expect(ACK, seq=1, ack=at).window
    return at - 1


@requirement("RFC9293-3.10.7.4", "RFC9293-SHLD-14")
@both_families
def test_small_segments_inside_the_window_are_taken(small: Connection) -> None:
    sent = fill(small)
    server, peer = small
    assert read_out(server) == BYTES[:sent]
    peer.allow(ACK, seq=1, ack=sent + 1)  # the window opens


@requirement("RFC9293-3.10.7.4")
@both_families
def test_small_segments_are_taken_where_the_system_gives_a_small_buffer(session: Session, listener: Endpoint) -> None:
    session.sysctl("net/ipv4/tcp_rmem", f"4096 {2 * SMALLEST} {64 * SMALLEST}")
    connection = session.establish(session.listen(listener.port + 1), options="mss 1460,nop,nop,sackOK")
    sent = fill(connection)
    server, peer = connection
    assert read_out(server) == BYTES[:sent]
    peer.allow(ACK, seq=1, ack=sent + 1)


@requirement("RFC2018-8")
@both_families
@pytest.mark.parametrize("step", [PIECE // 2, PIECE, PIECE + 1], ids=["overlapping", "in-a-row", "with-holes"])
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
def test_what_was_acknowledged_is_delivered_whatever_memory_was_short_of(
    small: Connection, step: int, backwards: bool
) -> None:
    """What was only reported by SACK may be given back, so it is sent again."""
    server, peer = small
    half = peer.offered_window(1) // 2
    taken = 0
    for begin in (0, half):
        places = [*range(begin + PIECE, begin + half - PIECE, step)]
        for place in reversed(places) if backwards else places:
            peer.send(ACK, seq=1 + place, ack=1, data=BYTES[place : place + PIECE])
            peer.expect(ACK, seq=1, ack=1 + taken)
        for place in range(begin, begin + half, PIECE):
            peer.send(ACK, seq=1 + place, ack=1, data=BYTES[place : min(place + PIECE, begin + half)])
            taken = peer.expect(ACK, seq=1, ack=Between(1 + taken, 1 + begin + half)).ack - 1
    assert taken >= half
    assert read_out(server) == BYTES[:taken]
    peer.allow(ACK, seq=1, ack=1 + taken)  # the window opens


@requirement("RFC9293-SHLD-16")
@both_families
def test_window_shrinks_before_memory_is_short_where_that_is_allowed(session: Session, listener: Endpoint) -> None:
    """tcp_shrink_window (ip-sysctl.rst): the window keeps to what memory there is, and closes at last."""
    session.sysctl("net/ipv4/tcp_shrink_window", 1)
    session.sysctl("net/ipv4/tcp_rmem", f"4096 {16 * SMALLEST} {64 * SMALLEST}")
    small = session.listen(listener.port + 1)
    peer = session.new_peer(small.port)
    peer.send(SYN, seq=0, options="mss 1460,nop,wscale 7")
    answer = peer.expect(SYN, seq=0, ack=1)
    scale = answer.option("wscale")
    assert scale is not None
    peer.send(ACK, seq=1, ack=1)
    server = small.accept()
    window, at = answer.window, 1
    while window >= PIECE and at < len(BYTES):
        peer.send(ACK, seq=at, ack=1, data=BYTES[at - 1 : at - 1 + PIECE])
        at += PIECE
        window = peer.expect(ACK, seq=1, ack=at).window << scale.values[0]
    assert at + window < answer.window
    assert read_out(server) == BYTES[: at - 1]
    peer.expect(ACK, seq=1, ack=at)
