"""The window that the peer offers: unsigned, scaled, small, pulled back, closed (RFC 9293 3.1, 3.8.6)."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    FLIGHT,
    IPV4_MSS,
    Connection,
    Endpoint,
    Pattern,
    Peer,
    Session,
    both_families,
    expect_flight,
    in_shared_lab,
    requirement,
)

pytestmark = in_shared_lab

PLAIN = "mss 1460"  # so that the window is not scaled, and a full segment has 1460 bytes
UNSIGNED = 28 * IPV4_MSS  # 40880, more than a signed number of 16 bits can be
SMALL = 100
LARGEST = 1400  # less than a full segment
SOME = 3 * IPV4_MSS


@pytest.fixture
def established(session: Session, listener: Endpoint) -> Connection:
    """Opened by the peer, without window scaling, SACK and timestamps."""
    return session.establish(listener, options=PLAIN)


def queue(server: Endpoint, segments: int) -> None:
    """Have the server write so many full segments at once."""
    size = segments * IPV4_MSS
    server.set_option("SO_SNDBUF", size)  # the kernel doubles it
    assert server.send(bytes(size)) == size


def close_window(peer: Peer) -> None:
    """Close it in a segment that is newer than all before, so that nobody can doubt it; the peer is at 3 then."""
    peer.send(ACK, seq=1, ack=1, data=b"!")
    peer.expect(ACK, seq=1, ack=2)
    peer.send(ACK, seq=2, ack=1, data=b"!", window=0)
    peer.expect(ACK, seq=1, ack=3)


# -- large windows


@requirement("RFC9293-MUST-1")
def test_window_is_an_unsigned_number(established: Connection) -> None:
    server, peer = established
    queue(server, 100)
    behind = expect_flight(peer, FLIGHT, seq=1)
    peer.send(ACK, seq=1, ack=behind)
    filled = expect_flight(peer, 2 * FLIGHT, seq=behind)
    peer.send(ACK, seq=1, ack=filled, window=UNSIGNED)
    whole_segments = UNSIGNED // IPV4_MSS
    expect_flight(peer, whole_segments, seq=filled)
    peer.expect_silence()


@requirement("RFC9293-REC-1", "RFC5681-3.1-4", "RFC5681-3.1-5")
def test_scaled_window_is_filled_beyond_64_kibibytes(session: Session, listener: Endpoint) -> None:
    """Slow start doubles the flight with each that is acknowledged, and the window is wide enough for all of them."""
    server, peer = session.establish(listener, options="mss 1460,nop,wscale 7")
    queue(server, 150)
    behind = expect_flight(peer, FLIGHT, seq=1)
    for segments in (2 * FLIGHT, 4 * FLIGHT, 8 * FLIGHT):
        peer.send(ACK, seq=1, ack=behind)
        behind = expect_flight(peer, segments, seq=behind)


@requirement("RFC9293-3.8.6")
def test_nothing_is_sent_beyond_the_window(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.window = SOME
    server, peer = session.establish(listener, peer, options=PLAIN)
    queue(server, FLIGHT)
    behind = expect_flight(peer, 3, seq=1)
    peer.expect_silence()
    peer.send(ACK, seq=1, ack=behind, window=SOME)
    expect_flight(peer, 3, seq=behind)
    peer.expect_silence()


# -- windows that are pulled back


@requirement("RFC9293-MUST-34", "RFC9293-SHLD-15", "RFC7323-2.4-1")
def test_window_that_is_pulled_back_holds_new_data_back(established: Connection) -> None:
    server, peer = established
    queue(server, 3 * FLIGHT)
    behind = expect_flight(peer, FLIGHT, seq=1)
    acknowledged = 1 + 2 * IPV4_MSS
    peer.send(ACK, seq=1, ack=acknowledged, window=SOME)  # five segments are beyond it already
    peer.expect_silence()
    peer.send(ACK, seq=1, ack=behind)
    expect_flight(peer, 2 * FLIGHT, seq=behind)


@requirement("RFC9293-SHLD-16", "RFC9293-MUST-34")
def test_data_inside_a_window_that_was_pulled_back_are_sent_again(established: Connection) -> None:
    server, peer = established
    queue(server, FLIGHT)
    expect_flight(peer, FLIGHT, seq=1)
    oldest = 1 + IPV4_MSS
    for _ in range(4):  # the first is of the first segment, the others are duplicates (RFC 5681 2)
        peer.send(ACK, seq=1, ack=oldest, window=SOME)
    peer.expect(ACK, seq=oldest, ack=1, length=IPV4_MSS)


@requirement("RFC9293-MUST-34", "RFC9293-SHLD-15")
def test_window_that_closes_below_what_is_in_flight_opens_again(established: Connection) -> None:
    server, peer = established
    queue(server, 2 * FLIGHT)
    behind = expect_flight(peer, FLIGHT, seq=1)
    peer.send(ACK, seq=1, ack=1, window=0)
    peer.expect_silence()
    peer.send(ACK, seq=1, ack=behind, window=0)
    peer.expect_silence()
    peer.send(ACK, seq=1, ack=behind)
    expect_flight(peer, FLIGHT, seq=behind)


# -- small windows


@requirement("RFC9293-MUST-38")
def test_small_window_draws_no_small_segment(established: Connection) -> None:
    server, peer = established
    close_window(peer)
    queue(server, FLIGHT)
    for window in (SMALL, 2 * SMALL, IPV4_MSS - 1):
        peer.send(ACK, seq=3, ack=1, window=window)
        peer.expect_silence()
    peer.send(ACK, seq=3, ack=1, window=IPV4_MSS)
    peer.expect(ACK, seq=1, ack=3, length=IPV4_MSS)


@requirement("RFC9293-MUST-38")
@both_families
def test_window_that_takes_all_that_waits_is_used(established: Connection) -> None:
    """RFC 9293 3.8.6.2.1, condition 2: all queued data are pushed and fit."""
    server, peer = established
    close_window(peer)
    server.send(bytes(SMALL))
    peer.send(ACK, seq=3, ack=1, window=SMALL)
    peer.expect(ACK, seq=1, ack=3, length=SMALL)


@requirement("RFC9293-MUST-38")
def test_half_the_largest_window_is_used(session: Session, listener: Endpoint) -> None:
    """RFC 9293 3.8.6.2.1, condition 3: of a peer whose window was never large enough for a full segment."""
    peer = session.new_peer(listener.port)
    peer.window = LARGEST
    server, peer = session.establish(listener, peer, options=PLAIN)
    close_window(peer)
    server.send(bytes(2 * LARGEST))
    peer.send(ACK, seq=3, ack=1, window=LARGEST // 2)
    peer.expect(ACK, seq=1, ack=3, length=LARGEST // 2)


# -- which segments tell the window


@requirement("RFC1122-4.2.2.20-2", "RFC9293-E-14")
@both_families
def test_duplicate_ack_opens_the_window(established: Connection) -> None:
    server, peer = established
    close_window(peer)
    server.send(b"waits")
    peer.expect_silence()
    peer.send(ACK, seq=3, ack=1)
    peer.expect(ACK, seq=1, ack=3, data=b"waits")


@requirement("RFC9293-E-14")
@both_families
def test_smaller_window_in_a_segment_with_the_same_numbers_counts(established: Connection) -> None:
    """SND.WL1 = SEG.SEQ and SND.WL2 = SEG.ACK is enough, whichever way the window goes."""
    server, peer = established
    peer.send(ACK, seq=1, ack=1, window=SMALL)
    server.send(bytes(2 * SMALL))
    reply = peer.expect_one_of(
        fits=Pattern(ACK, seq=1, ack=1, length=SMALL), overruns=Pattern(ACK, seq=1, ack=1, length=2 * SMALL)
    )
    reply.require("fits")


@requirement("RFC9293-E-14")
@both_families
def test_closed_window_in_a_segment_with_the_same_numbers_counts(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, window=0)
    server.send(b"waits")
    peer.expect_silence()
    peer.send(ACK, seq=1, ack=1)
    peer.expect(ACK, seq=1, ack=1, data=b"waits")


@requirement("RFC9293-E-14")
@both_families
def test_segment_with_an_older_number_does_not_tell_the_window(established: Connection) -> None:
    """SND.WL1: it is acceptable, for it fills the gap, but was sent before the one that closed the window."""
    server, peer = established
    peer.send(ACK, seq=5, ack=1, data=b"efgh", window=0)
    peer.expect(ACK, seq=1, ack=1)
    peer.send(ACK, seq=1, ack=1, data=b"abcd")
    peer.expect(ACK, seq=1, ack=9)
    server.send(b"waits")
    peer.expect_silence()
    peer.send(ACK, seq=9, ack=1)
    peer.expect(ACK, seq=1, ack=9, data=b"waits")


@requirement("RFC9293-E-14")
@both_families
def test_segment_with_an_older_ack_does_not_tell_the_window(established: Connection) -> None:
    """SND.WL2: its number is the same, but it acknowledges less than the one that closed the window."""
    server, peer = established
    server.set_option("TCP_NODELAY", 1)
    for seq, data in ((1, b"abcd"), (5, b"efgh")):
        server.send(data)
        peer.expect(ACK, seq=seq, ack=1, data=data)
    peer.send(ACK, seq=1, ack=9, window=0)
    peer.send(ACK, seq=1, ack=5)
    server.send(b"waits")
    peer.expect_silence()
    peer.send(ACK, seq=1, ack=9)
    peer.expect(ACK, seq=9, ack=1, data=b"waits")
