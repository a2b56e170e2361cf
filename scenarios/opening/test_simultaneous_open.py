"""Both ends open the connection to each other at once, and their SYNs cross (RFC 9293 3.5, figure 7)."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    RST,
    SYN,
    Connection,
    Pattern,
    Peer,
    Session,
    both_families,
    requirement,
    with_and_without_timestamps,
)


def work_both_ways(connection: Connection) -> None:
    """Data go through in both directions."""
    client, peer = connection
    peer.send(ACK, seq=1, ack=1, data=b"question")
    peer.expect(ACK, seq=1, ack=9)
    assert client.receive() == b"question"
    client.send(b"answer")
    peer.expect(ACK, seq=1, ack=9, data=b"answer")
    peer.send(ACK, seq=9, ack=7)


@requirement("RFC9293-MUST-10", "FSM-007")
@with_and_without_timestamps
@both_families
def test_crossed_syn_is_answered_by_syn_and_ack(session: Session, syn_sent: Connection) -> None:
    _, peer = syn_sent
    peer.send(SYN, seq=0, options=session.syn_options)
    peer.expect(SYN, seq=0, ack=1, options="mss")


@requirement("RFC7323-3.2-1", "FSM-007")
@both_families
def test_crossed_syn_without_timestamps_is_answered_without(syn_sent: Connection) -> None:
    _, peer = syn_sent
    peer.send(SYN, seq=0, options="mss 1460")
    peer.expect_one_of(without=Pattern(SYN, seq=0, ack=1, without="TS"), with_them=Pattern(SYN, seq=0, ack=1)).require(
        "without"
    )


@requirement("RFC9293-MUST-10", "FSM-009")
@both_families
def test_plain_ack_completes_a_simultaneous_open(syn_received_actively: Connection) -> None:
    _, peer = syn_received_actively
    peer.send(ACK, seq=1, ack=1)
    work_both_ways(syn_received_actively)


@requirement("RFC9293-MUST-10", "FSM-009")
@both_families
def test_syn_and_ack_completes_a_simultaneous_open(syn_received_actively: Connection) -> None:
    _, peer = syn_received_actively
    # figure 7 takes it as the acknowledgment; by 3.10.7.4 its number is old, so an ACK may come back
    peer.allow(ACK, seq=1, ack=1)
    peer.send(SYN, seq=0, ack=1)
    work_both_ways(syn_received_actively)


@requirement("FSM-085", "RFC9293-MUST-11")
@both_families
def test_reset_after_crossed_syns_refuses_the_active_opener(syn_received_actively: Connection) -> None:
    client, peer = syn_received_actively
    peer.send(RST, seq=1)
    with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
        client.wait_connected()
    assert_gone(peer)


def assert_gone(peer: Peer) -> None:
    """Nobody is there any more (RFC 9293 3.10.7.1)."""
    peer.send(ACK, seq=1, ack=1)
    peer.expect(RST, seq=1)


@requirement("RFC9293-E-13", "FSM-090")
@both_families
def test_unacceptable_ack_after_crossed_syns_is_reset(syn_received_actively: Connection) -> None:
    _, peer = syn_received_actively
    peer.send(ACK, seq=1, ack=2)
    reply = peer.expect_one_of(reset=Pattern(RST, seq=2), challenged=Pattern(ACK, seq=1, ack=1))
    peer.send(ACK, seq=1, ack=1)
    work_both_ways(syn_received_actively)
    reply.require("reset")
