"""The window that the kernel offers: closing, closed, opening again (RFC 9293 3.4, 3.8.6, RFC 7323 2.4).

Without window scaling, so that the window stands in the segments as it is.
"""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    RST,
    URG,
    Connection,
    Endpoint,
    Pattern,
    Segment,
    Session,
    both_families,
    errno_of,
    in_shared_lab,
    requirement,
)

pytestmark = in_shared_lab

BUFFER = 8192
MANY = 100  # segments: more than fit
PIECE = 1000  # bytes in a segment that fits any MTU
SMALL, SOME = 50, 600
LESS_THAN_A_SEGMENT = 1024  # a buffer whose window one segment overruns


@pytest.fixture
def established(session: Session, listener: Endpoint) -> Connection:
    """Opened by the peer, without options but the MSS, to a server with a small buffer."""
    listener.set_option("SO_RCVBUF", BUFFER)
    return session.establish(listener, options="mss 1460")


@pytest.fixture
def mss(ip_version: int) -> int:
    """Bytes of data in a full segment."""
    return 1460 if ip_version == 4 else 1440


@pytest.fixture
def answers(established: Connection, mss: int) -> list[Segment]:
    """Fill the server's buffer with full segments, until its window is closed; the ACKs of that."""
    _, peer = established
    seen: list[Segment] = []
    number, window = 1, mss
    while window and len(seen) < MANY:
        length = min(mss, window)
        peer.send(ACK, seq=number, ack=1, data=bytes(length))
        number += length
        seen.append(peer.expect(ACK, seq=1, ack=number))
        window = seen[-1].window
    return seen


@pytest.fixture
def full(answers: list[Segment]) -> int:
    """The number that comes next once the window is closed."""
    assert answers[-1].window == 0
    return answers[-1].ack


@requirement("RFC9293-SHLD-14")
@both_families
def test_right_edge_does_not_move_left(answers: list[Segment]) -> None:
    edges = [answer.ack + answer.window for answer in answers]
    assert edges == sorted(edges)


@requirement("RFC9293-MAY-8", "RFC9293-E-9", "RFC9293-E-10")
@both_families
def test_probe_of_a_closed_window_is_answered_and_not_taken(established: Connection, full: int) -> None:
    server, peer = established
    for _ in range(3):
        peer.send(ACK, seq=full, ack=1, data=b"?")
        peer.expect(ACK, seq=1, ack=full, window=0)
    assert len(server.receive()) == full - 1
    peer.expect(ACK, seq=1, ack=full)  # the window is open again


@requirement("RFC9293-MUST-66", "RFC9293-E-9")
@both_families
def test_rst_is_taken_while_the_window_is_closed(established: Connection, full: int) -> None:
    server, peer = established
    peer.send(RST, seq=full)
    peer.send(ACK, seq=full, ack=1)
    peer.expect(RST, seq=1)
    with pytest.raises(ConnectionResetError):
        server.send(b"x")


@requirement("RFC9293-MUST-66")
@both_families
def test_urg_is_taken_while_the_window_is_closed(session: Session, established: Connection, full: int) -> None:
    server, peer = established
    peer.send(ACK | URG, seq=full, ack=1, urgent=10)
    session.settle()
    with server.without_waiting():
        assert errno_of(server.receive_urgent) == "EAGAIN"  # it is still to come; without URG it would be EINVAL
    server.send(b"alive")
    peer.expect(ACK, seq=1, ack=full, data=b"alive")
    assert len(server.receive()) == full - 1
    peer.expect(ACK, seq=6, ack=full)  # the window is open again


@requirement("RFC9293-3.10.7.4", "RFC9293-E-9")
@both_families
def test_ack_is_taken_while_the_window_is_closed(established: Connection, full: int) -> None:
    server, peer = established
    server.send(b"first")
    peer.expect(ACK, seq=1, ack=full, data=b"first")
    server.send(b"second")
    peer.send(ACK, seq=full, ack=6)
    peer.expect(ACK, seq=6, ack=full, data=b"second")


@requirement("RFC9293-MUST-39")
@both_families
def test_window_does_not_open_by_a_little(established: Connection, full: int, mss: int) -> None:
    """Not before it can open by a segment, or half the buffer (RFC 9293 3.8.6.2.2)."""
    server, peer = established
    server.receive(SMALL)
    peer.expect_silence()
    peer.send(ACK, seq=0, ack=1)
    peer.expect(ACK, seq=1, ack=full, window=0)  # asked for, it still says so
    server.receive()
    update = peer.expect(ACK, seq=1, ack=full)
    assert update.window >= min(mss, BUFFER // 2)


@requirement("RFC9293-3.10.7.4", "RFC9293-E-11")
@both_families
@pytest.mark.parametrize("waiting", [0, SOME], ids=["nothing-unread", "unread"])
def test_of_data_that_overrun_the_window_the_part_inside_is_taken(
    session: Session, listener: Endpoint, waiting: int
) -> None:
    """A segment is trimmed to what lies in the window (RFC 9293 3.10.7.4 first)."""
    listener.set_option("SO_RCVBUF", LESS_THAN_A_SEGMENT)
    _, peer = session.establish(listener, options="mss 1460")
    number = 1 + waiting
    if waiting:
        peer.send(ACK, seq=1, ack=1, data=bytes(waiting))
        peer.expect(ACK, seq=1, ack=number)
    edge = number + peer.offered_window(number)
    peer.send(ACK, seq=number, ack=1, data=bytes(edge - number + SMALL))
    reply = peer.expect_one_of(
        trimmed=Pattern(ACK, seq=1, ack=edge),
        whole=Pattern(ACK, seq=1, ack=edge + SMALL),
        refused=Pattern(ACK, seq=1, ack=number),
    )
    reply.require("trimmed")


@requirement("RFC7323-2.4-2", "RFC9293-E-9")
@both_families
def test_data_up_to_the_last_offered_edge_are_taken(established: Connection) -> None:
    """A segment that ends where the window does is inside it, and what is beyond it is cut off or dropped."""
    server, peer = established
    peer.send(ACK, seq=0, ack=1)
    offer = peer.expect(ACK, seq=1, ack=1)
    edge = offer.ack + offer.window
    peer.send(ACK, seq=edge - PIECE, ack=1, data=bytes(PIECE))
    peer.expect(ACK, seq=1, ack=1)
    before = 1
    while before < edge - PIECE:
        length = min(PIECE, edge - PIECE - before)
        peer.send(ACK, seq=before, ack=1, data=bytes(length))
        before += length
        peer.expect(ACK, seq=1, ack=before if before < edge - PIECE else edge)
    assert len(server.receive()) == edge - 1
    peer.expect(ACK, seq=1, ack=edge)  # the window is open again
