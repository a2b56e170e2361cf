"""Segments that do not fit the path (RFC 9293 3.7.1, 3.7.2; RFC 1191; RFC 8201). A lab each: the kernel remembers."""

from __future__ import annotations

import pytest

from harness import ACK, TIMESTAMPS_LENGTH, Connection, Segment, both_families, expect_flight, requirement

NARROW = 1400  # MTU of the path behind the peer
HEADERS = {4: 40, 6: 60}  # of IP and TCP, without options
WIDE = 1500
NOT_IN_FLIGHT = 100_000


@pytest.fixture
def full(ip_version: int) -> int:
    """Bytes of data in a full segment."""
    return WIDE - HEADERS[ip_version] - TIMESTAMPS_LENGTH


@pytest.fixture
def fitting(ip_version: int) -> int:
    """Bytes of data in the largest segment that fits the path."""
    return NARROW - HEADERS[ip_version] - TIMESTAMPS_LENGTH


@requirement("RFC9293-MUST-16", "RFC9293-MUST-54", "RFC6691-2-3")
@both_families
def test_segment_too_big_for_the_path_is_sent_again_in_pieces_that_fit(
    established: Connection, full: int, fitting: int
) -> None:
    server, peer = established
    server.send(bytes(full))
    sent = peer.expect(ACK, seq=1, ack=1, length=full)
    assert peer.judged_header.dont_fragment
    peer.send_icmp("packet too big", quoting=sent, mtu=NARROW)
    behind = expect_flight(peer, 1, seq=1, size=fitting)
    peer.expect(ACK, seq=behind, ack=1, length=full - fitting)


@requirement("RFC9293-MUST-16", "RFC9293-SHLD-28")
@both_families
def test_later_segments_fit_the_path_too(established: Connection, full: int, fitting: int) -> None:
    server, peer = established
    server.send(bytes(full))
    sent = peer.expect(ACK, seq=1, ack=1, length=full)
    peer.send_icmp("packet too big", quoting=sent, mtu=NARROW)
    behind = expect_flight(peer, 1, seq=1, size=fitting)
    peer.expect(ACK, seq=behind, ack=1, length=full - fitting)
    peer.send(ACK, seq=1, ack=full + 1)
    server.send(bytes(2 * fitting))
    expect_flight(peer, 2, seq=full + 1, size=fitting)


@requirement("RFC9293-3.9.2.2")
@both_families
def test_forged_packet_too_big_changes_nothing(established: Connection, full: int) -> None:
    """The number that it quotes is not in flight (RFC 5927 4.1, 7.2)."""
    server, peer = established
    server.send(bytes(full))
    peer.expect(ACK, seq=1, ack=1, length=full)
    peer.send_icmp("packet too big", quoting=Segment(flags=ACK, seq=NOT_IN_FLIGHT), mtu=NARROW)
    peer.send(ACK, seq=1, ack=full + 1)
    server.send(bytes(full))
    peer.expect(ACK, seq=full + 1, ack=1, length=full)


@requirement("RFC9293-MUST-16")
@both_families
def test_next_hop_that_is_not_narrower_changes_nothing(established: Connection, full: int) -> None:
    server, peer = established
    server.send(bytes(full))
    sent = peer.expect(ACK, seq=1, ack=1, length=full)
    peer.send_icmp("packet too big", quoting=sent, mtu=WIDE)
    peer.send(ACK, seq=1, ack=full + 1)
    server.send(bytes(full))
    peer.expect(ACK, seq=full + 1, ack=1, length=full)
