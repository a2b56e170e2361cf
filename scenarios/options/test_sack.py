"""Selective acknowledgments (RFC 2018) and what they say of duplicates (RFC 2883). Blocks are in relative numbers."""

from __future__ import annotations

import pytest

from harness import ACK, SYN, Connection, Endpoint, Session, both_families, requirement

pytestmark = pytest.mark.parametrize("timestamps", [False], ids=["noTS"])

TEN = b"0123456789"


@requirement("RFC2018-4-2", "RFC2018-4-3", "RFC2018-4-4", "RFC5681-3.2-1", "RFC9293-MAY-13", "RFC9293-SHLD-31")
@both_families
def test_segment_above_a_hole_is_acknowledged_at_once_with_its_block(established: Connection) -> None:
    _, peer = established
    peer.send(ACK, seq=101, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=1, options="sack 101:111")


@requirement("RFC2018-4-4", "RFC2018-4-5")
@both_families
def test_blocks_stand_with_the_latest_first(established: Connection) -> None:
    _, peer = established
    peer.send(ACK, seq=101, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=1, options="sack 101:111")
    peer.send(ACK, seq=301, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=1, options="sack 301:311 101:111")
    peer.send(ACK, seq=201, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=1, options="sack 201:211 301:311 101:111")


@requirement("RFC2018-4-4")
@both_families
def test_block_grows_with_what_lies_beside_it(established: Connection) -> None:
    _, peer = established
    peer.send(ACK, seq=101, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=1, options="sack 101:111")
    peer.send(ACK, seq=111, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=1, options="sack 101:121")


@requirement("RFC2018-4-2", "RFC5681-3.2-2", "RFC9293-SHLD-31")
@both_families
def test_filled_hole_is_acknowledged_at_once_without_a_block(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=11, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=1, options="sack 11:21")
    peer.send(ACK, seq=1, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=21, without="sack")
    assert server.receive() == TEN + TEN


@requirement("RFC2018-4-1", "RFC2018-2-1")
@both_families
def test_no_block_goes_to_a_peer_that_did_not_permit_it(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options="mss 1460")
    peer.expect(SYN, seq=0, ack=1, without="sackOK")
    peer.send(ACK, seq=1, ack=1)
    listener.accept()
    peer.send(ACK, seq=101, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=1, without="sack")


@requirement("RFC2883-4.1-1", "RFC2883-4-1")
@both_families
def test_duplicate_of_acknowledged_data_is_reported_whole(established: Connection) -> None:
    _, peer = established
    peer.send(ACK, seq=1, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=11, without="sack")
    peer.send(ACK, seq=1, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=11, options="sack 1:11")


@requirement("RFC2883-4-2")
@both_families
def test_duplicate_is_reported_once(established: Connection) -> None:
    _, peer = established
    peer.send(ACK, seq=1, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=11)
    peer.send(ACK, seq=1, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=11, options="sack 1:11")
    peer.send(ACK, seq=11, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=21, without="sack")


@requirement("RFC2883-4.2-1", "RFC9293-E-11")
@both_families
def test_overlap_is_reported_as_far_as_it_goes(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=11)
    peer.send(ACK, seq=6, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=16, options="sack 6:11")
    assert server.receive() == TEN + TEN[5:]


@requirement("RFC2883-4-3", "RFC2883-4-1", "RFC2883-4.1-1")
@both_families
def test_duplicate_above_a_hole_is_followed_by_its_larger_block(established: Connection) -> None:
    _, peer = established
    peer.send(ACK, seq=101, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=1, options="sack 101:111")
    peer.send(ACK, seq=111, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=1, options="sack 101:121")
    peer.send(ACK, seq=101, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=1, options="sack 101:111 101:121")


@requirement("RFC2883-4-1")
@both_families
def test_duplicate_is_not_reported_where_the_system_does_without(session: Session, established: Connection) -> None:
    """By tcp_dsack (ip-sysctl.rst); it is acknowledged all the same (RFC 9293 3.10.7.4)."""
    session.sysctl("net/ipv4/tcp_dsack", 0)
    _, peer = established
    peer.send(ACK, seq=1, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=11)
    peer.send(ACK, seq=1, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=11, without="sack")
    peer.send(ACK, seq=6, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=16, without="sack")


@requirement("RFC2883-4-1", "RFC2018-4-4")
@both_families
def test_duplicate_above_a_hole_is_not_reported_either(session: Session, established: Connection) -> None:
    session.sysctl("net/ipv4/tcp_dsack", 0)
    _, peer = established
    peer.send(ACK, seq=101, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=1, options="sack 101:111")
    peer.send(ACK, seq=101, ack=1, data=TEN)
    peer.expect(ACK, seq=1, ack=1, options="sack 101:111")
