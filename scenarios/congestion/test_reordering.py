"""Segments that overtake each other, and SACK blocks of any shape: exactly what is missing is sent again, and in time.

RFC 2018 and 6675 for what; RFC 8985 6.2 for when.
"""

from __future__ import annotations

import math

import pytest

from harness import (
    ACK,
    FLIGHT,
    IPV4_MSS,
    MS,
    Between,
    Connection,
    Endpoint,
    Pattern,
    Peer,
    Session,
    Span,
    establish_from_afar,
    expect_flight,
    requirement,
    wait_from_afar,
    waits,
    write_segments,
)

pytestmark = [pytest.mark.usefixtures("no_tail_loss_probe")]

SACK = "mss 1460,nop,nop,sackOK"
PLAIN = "mss 1460"
FAR = Span(80 * MS, "FAR", "a round trip")
SOON = Span(MS, "SOON", "what an answer takes that no timer is behind")
SETTLED = Span(20 * MS, "SETTLED", "RFC 8985 6.2: the reordering window is a quarter of it at first")


def at(segments: float) -> int:
    """The number behind that many full segments."""
    return 1 + int(segments * IPV4_MSS)


def blocks(*edges: tuple[float, float]) -> str:
    return "nop,nop,sack " + " ".join(f"{at(left)}:{at(right)}" for left, right in edges)


SHAPES: dict[str, list[list[tuple[float, float]]]] = {  # by ACK, the blocks that it tells of, in segments
    "in-order": [[(1, 2)], [(1, 3)], [(1, 4)], [(1, 9)]],
    "backwards": [[(8, 9)], [(7, 9)], [(6, 9)], [(1, 9)]],
    "every-second": [[(1, 2)], [(3, 4), (1, 2)], [(5, 6), (3, 4), (1, 2)], [(7, 8), (5, 6), (3, 4), (1, 2)]],
    "unsorted": [[(5, 6), (1, 2), (3, 4)], [(7, 8), (5, 6), (1, 2), (3, 4)]],
    "joined": [[(1, 2)], [(3, 4), (1, 2)], [(1, 4)], [(1, 6)]],
    "halves": [[(1, 2.5)], [(1, 3.5)], [(4.5, 6), (1, 3.5)], [(1, 8)]],
    "parts-in-order": [[(2.5, 3)], [(2.5, 6.5)], [(2, 7)], [(1, 9)]],
    "grown-to-the-left": [[(5, 6)], [(4.5, 6)], [(3, 6)], [(2.5, 9)]],
    "gaps-filled": [[(1, 2)], [(5, 6), (1, 2)], [(3, 4), (5, 6), (1, 2)], [(1, 9)]],
    "shrunk": [[(1, 6)], [(1, 3)], [(4, 6), (1, 3)], [(1, 9)]],
}


def expect_nothing_known(peer: Peer, told: list[tuple[float, float]]) -> None:
    """What lies within the blocks that the peer has told of does not come."""
    for left, right in told:
        first, last = math.ceil(left), math.floor(right) - 1
        if first <= last:
            known = Pattern(ACK, seq=Between(at(first), at(last)), length=IPV4_MSS)
            peer.expect_count(known, at_most=0, within=SOON)


# -- what


@requirement("RFC2018-5", "RFC6675-4")
@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize("written", ["records", "at-once"])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_sacked_is_not_sent_again(session: Session, listener: Endpoint, shape: str, written: str) -> None:
    server, peer = establish_from_afar(session, listener, FAR, options=SACK)
    if written == "records":
        write_segments(server, FLIGHT)
    else:
        server.set_option("SO_SNDBUF", 8 * FLIGHT * IPV4_MSS)
        server.send(bytes(FLIGHT * IPV4_MSS))
    expect_flight(peer, FLIGHT, seq=1)
    wait_from_afar(peer, FAR)
    peer.allow(ACK, seq=Between(1, at(FLIGHT)), ack=1, length=IPV4_MSS)
    told: list[tuple[float, float]] = []
    for edges in SHAPES[shape]:
        told += edges
        peer.send(ACK, seq=1, ack=1, options=blocks(*edges))
        expect_nothing_known(peer, told)
    peer.send(ACK, seq=1, ack=at(1), options=blocks(SHAPES[shape][-1][0]))
    expect_nothing_known(peer, told)
    peer.send(ACK, seq=1, ack=at(FLIGHT))
    session.finish()


# -- when


@pytest.fixture
def far(session: Session, listener: Endpoint) -> Connection:
    """A peer that is a round trip away; ten segments are on their way to it, of forty."""
    server, peer = establish_from_afar(session, listener, FAR, options=SACK)
    write_segments(server, 4 * FLIGHT)
    expect_flight(peer, FLIGHT, seq=1)
    wait_from_afar(peer, FAR)
    return Connection(server, peer)


@requirement("RFC8985-6.2-2", "RFC8985-6.2-3")
@waits(FAR, FAR, SETTLED)
@pytest.mark.usefixtures("steady")
def test_one_sacked_segment_leaves_the_hole_time_to_be_filled(far: Connection) -> None:
    _, peer = far
    peer.send(ACK, seq=1, ack=1, options=blocks((1, 2)))
    expect_flight(peer, 1, seq=at(FLIGHT))  # limited transmit
    peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS, at_least=SETTLED, within=2 * SETTLED + FAR)


@requirement("RFC8985-6.2-2", "RFC5681-3.2-4")
@waits(FAR, FAR)
@pytest.mark.usefixtures("steady")
def test_three_sacked_segments_have_the_hole_sent_again_at_once(far: Connection) -> None:
    _, peer = far
    peer.send(ACK, seq=1, ack=1, options=blocks((1, 4)))
    peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS, within=SETTLED / 2)
    peer.allow(ACK, seq=Between(at(FLIGHT), at(4 * FLIGHT)), ack=1, length=IPV4_MSS)


@requirement("RFC8985-6.2-2", "RFC8985-6.2-3")
@waits(FAR, FAR, FAR, SETTLED)
@pytest.mark.usefixtures("steady")
def test_path_that_was_seen_to_reorder_is_given_time(far: Connection) -> None:
    """The hole was filled by what had been sent once: from now on three SACKed segments are not enough."""
    _, peer = far
    peer.allow(ACK, seq=Between(at(FLIGHT), at(4 * FLIGHT)), ack=1, length=IPV4_MSS)
    peer.send(ACK, seq=1, ack=1, options=blocks((1, 3)))
    peer.send(ACK, seq=1, ack=at(3))
    peer.expect_silence(FAR)
    peer.send(ACK, seq=1, ack=at(3), options=blocks((4, 8)))
    peer.expect(ACK, seq=at(3), ack=1, length=IPV4_MSS, at_least=SETTLED, within=2 * SETTLED + FAR)


# -- without SACK


def duplicate_until(peer: Peer, count: int, *, ack: int) -> None:
    for _ in range(count):
        peer.send(ACK, seq=1, ack=ack)


@requirement("RFC5681-3.2-4")
@pytest.mark.parametrize("threshold", [3, 6])
def test_duplicates_count_up_to_the_level_that_is_set(session: Session, threshold: int) -> None:
    """``tcp_reordering``: "initial reordering level of packets in a TCP stream" (ip-sysctl)."""
    session.sysctl("net/ipv4/tcp_reordering", threshold)
    server, peer = session.establish(session.listen(), options=PLAIN)
    write_segments(server, FLIGHT)
    expect_flight(peer, FLIGHT, seq=1)
    duplicate_until(peer, threshold - 1, ack=1)
    session.finish()
    peer.send(ACK, seq=1, ack=1)
    expect_flight(peer, 1, seq=1)


@requirement("RFC5681-3.2-4")
def test_more_duplicates_than_segments_do_not_lower_the_threshold(session: Session, listener: Endpoint) -> None:
    """They say that the network doubles ACKs; the third duplicate is still what has a segment sent again."""
    server, peer = session.establish(listener, options=PLAIN)
    write_segments(server, 2)
    behind = expect_flight(peer, 2, seq=1)
    duplicate_until(peer, 8, ack=1)
    peer.send(ACK, seq=1, ack=behind)
    write_segments(server, FLIGHT)
    expect_flight(peer, FLIGHT, seq=behind)
    duplicate_until(peer, 2, ack=behind)
    session.finish()
    peer.send(ACK, seq=1, ack=behind)
    expect_flight(peer, 1, seq=behind)
