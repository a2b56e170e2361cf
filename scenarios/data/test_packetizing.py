"""How what the application writes becomes segments: size, PSH, Nagle (RFC 9293 3.7.4, 3.9.1.2)."""

from __future__ import annotations

import socket

import pytest

from harness import (
    ACK,
    IPV4_MSS,
    MS,
    PSH,
    TIMESTAMPS_LENGTH,
    Connection,
    Span,
    both_families,
    expect_flight,
    in_shared_lab,
    requirement,
    waits,
)

pytestmark = in_shared_lab

FULL = IPV4_MSS - TIMESTAMPS_LENGTH
CORKED = Span(200 * MS, "CORKED", "tcp(7), TCP_CORK: the most that output is held back")


@requirement("RFC9293-MUST-60", "RFC9293-MUST-61")
@both_families
def test_small_write_is_pushed_at_once(established: Connection) -> None:
    server, peer = established
    server.send(b"small")
    peer.expect(ACK | PSH, seq=1, ack=1, data=b"small")


@requirement("RFC9293-MUST-61", "RFC9293-SHLD-28")
def test_last_segment_of_a_write_is_pushed(established: Connection) -> None:
    server, peer = established
    server.send(bytes(3 * FULL + 1))
    behind = expect_flight(peer, 3, seq=1, size=FULL)
    peer.send(ACK, seq=1, ack=behind)
    peer.expect(ACK | PSH, seq=behind, ack=1, length=1)


@requirement("RFC9293-SHLD-7")
@both_families
def test_small_segments_wait_while_data_are_not_acknowledged(established: Connection) -> None:
    server, peer = established
    server.send(b"first")
    peer.expect(ACK, seq=1, ack=1, data=b"first")
    server.send(b"second, ")
    server.send(b"third")
    peer.expect_silence()
    peer.send(ACK, seq=1, ack=6)
    peer.expect(ACK, seq=6, ack=1, data=b"second, third")


@requirement("RFC9293-SHLD-7")
def test_full_segment_does_not_wait(established: Connection) -> None:
    server, peer = established
    server.send(b"first")
    peer.expect(ACK, seq=1, ack=1, data=b"first")
    server.send(bytes(FULL))
    peer.expect(ACK, seq=6, ack=1, length=FULL)


@requirement("RFC9293-MUST-17")
@both_families
def test_small_segments_do_not_wait_where_the_application_says_so(established: Connection) -> None:
    server, peer = established
    server.set_option("TCP_NODELAY", 1)
    server.send(b"first")
    peer.expect(ACK, seq=1, ack=1, data=b"first")
    server.send(b"second")
    peer.expect(ACK, seq=6, ack=1, data=b"second")


@requirement("RFC9293-MUST-17")
@both_families
def test_switching_nagle_off_sends_what_waits(established: Connection) -> None:
    server, peer = established
    server.send(b"first")
    peer.expect(ACK, seq=1, ack=1, data=b"first")
    server.send(b"second")
    peer.expect_silence()
    server.set_option("TCP_NODELAY", 1)
    peer.expect(ACK, seq=6, ack=1, data=b"second")


@requirement("RFC9293-SHLD-27")
@both_families
def test_pushes_that_wait_together_become_one(established: Connection) -> None:
    server, peer = established
    server.send(b"first")
    peer.expect(ACK | PSH, seq=1, ack=1, data=b"first")
    server.send(b"a")
    server.send(b"b")
    peer.send(ACK, seq=1, ack=6)
    peer.expect(ACK | PSH, seq=6, ack=1, data=b"ab")


@requirement("RFC9293-MAY-16", "RFC9293-MAY-15")
@both_families
def test_data_that_are_not_pushed_are_collected(established: Connection) -> None:
    server, peer = established
    server.send(b"one and ", socket.MSG_MORE)
    peer.expect_silence()
    server.send(b"the other")
    peer.expect(ACK | PSH, seq=1, ack=1, data=b"one and the other")


@requirement("RFC9293-MUST-60")
@pytest.mark.usefixtures("no_tail_loss_probe")
@waits(CORKED)
def test_data_that_are_not_pushed_are_sent_in_the_end(established: Connection) -> None:
    server, peer = established
    server.send(b"one and no other", socket.MSG_MORE)
    peer.expect(ACK, seq=1, ack=1, data=b"one and no other", within=CORKED)


@requirement("RFC9293-SHLD-28")
def test_many_writes_fill_segments(established: Connection) -> None:
    server, peer = established
    server.send(b"first")
    peer.expect(ACK, seq=1, ack=1, data=b"first")
    for _ in range(8):
        server.send(bytes(FULL // 4))
    expect_flight(peer, 2, seq=6, size=FULL)
