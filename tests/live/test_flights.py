"""Runs of full segments: written one by one, expected one by one; and what else an endpoint asks its socket."""

from __future__ import annotations

import errno
import socket

import pytest

from harness import ACK, RST, URG, Mismatch, Unsupported
from harness.live import flights
from harness.live.flights import (
    FLIGHT,
    IPV4_MSS,
    TIMESTAMPS_LENGTH,
    expect_flight,
    expect_window,
    length_of_flight,
    write_segments,
)
from harness.live.recorded_socket import DEADLINE_SECONDS
from harness.live.session import Connection, Session
from harness.trace.events import Called, Received

FULL = IPV4_MSS - TIMESTAMPS_LENGTH


def test_flight_is_taken_segment_by_segment(conversation: Connection) -> None:
    server, peer = conversation
    write_segments(server, 3 * FLIGHT, size=FULL)
    behind = expect_flight(peer, FLIGHT, seq=1, size=FULL)
    assert behind == 1 + FLIGHT * FULL
    peer.send(ACK, seq=1, ack=behind)
    assert expect_flight(peer, 2 * FLIGHT, seq=behind, size=FULL) == 1 + 3 * FLIGHT * FULL


def test_all_that_the_window_lets_out_is_taken_between_two_bounds(conversation: Connection, opened: Session) -> None:
    write_segments(conversation.endpoint, 3, size=FULL)
    behind = expect_window(opened, conversation, seq=1, at_least=2, at_most=4, size=FULL)
    assert behind == 1 + 3 * FULL
    opened.finish()
    conversation.peer.send(ACK, seq=1, ack=behind)
    write_segments(conversation.endpoint, 1, size=FULL)
    with pytest.raises(Mismatch, match="nothing in"):
        expect_window(opened, conversation, seq=behind, at_least=2, at_most=4, size=FULL)


def test_a_segment_that_is_on_its_way_and_does_not_come_is_told(
    conversation: Connection, opened: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_segments(conversation.endpoint, 2, size=FULL)
    monkeypatch.setattr(conversation.endpoint, "tcp_info", lambda _: 3)
    with pytest.raises(Mismatch, match="nothing in"):
        expect_window(opened, conversation, seq=1, at_least=1, at_most=4, size=FULL)


def test_flight_is_as_long_as_its_segments_are_apart(conversation: Connection, opened: Session) -> None:
    for _ in range(2):
        write_segments(conversation.endpoint, 1, size=FULL)
        opened.settle()
    came = [event.at for event in opened.timeline if isinstance(event, Received) and event.segment.data]
    assert length_of_flight(opened, 1).ns == came[1] - came[0] > 0
    assert length_of_flight(opened, 1 + FULL).ns == 0
    expect_flight(conversation.peer, 2, seq=1, size=FULL)


def test_flight_that_is_too_short_is_told(conversation: Connection) -> None:
    server, peer = conversation
    write_segments(server, 2, size=FULL)
    with pytest.raises(Mismatch, match="nothing in"):
        expect_flight(peer, 3, seq=1, size=FULL)


def test_flight_of_other_segments_is_told(conversation: Connection) -> None:
    server, peer = conversation
    write_segments(server, 2, size=FULL - 1)
    with pytest.raises(Mismatch, match=f"length: {FULL - 1}, not {FULL}"):
        expect_flight(peer, 2, seq=1, size=FULL)


def test_pending_error_is_asked_for_once(conversation: Connection, opened: Session) -> None:
    server, peer = conversation
    assert server.error() == 0
    peer.send(RST, seq=1)
    opened.dispatcher.flush()
    assert server.error() == errno.ECONNRESET
    assert server.error() == 0
    assert [event.result for event in opened.timeline if isinstance(event, Called)][-3:] == [0, 104, 0]


def test_buffer_that_is_too_small_is_the_machines_and_not_the_kernels_fault(
    conversation: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flights, "_ROOM", 0)
    with pytest.raises(Unsupported, match=r"net\.core\.wmem_max is too small"):
        write_segments(conversation.endpoint, FLIGHT)


def test_option_is_asked_for_by_name(conversation: Connection) -> None:
    server, _ = conversation
    server.set_option("IP_TTL", 7)
    assert server.option("IP_TTL") == 7


def test_urgent_data_are_polled_for(conversation: Connection) -> None:
    server, peer = conversation
    assert not server.is_urgent()
    peer.send(ACK | URG, seq=1, ack=1, data=b"!", urgent=1)
    peer.expect(ACK, ack=2)
    assert server.is_urgent()


def test_urgent_data_are_read_where_nothing_else_is_left(conversation: Connection) -> None:
    server, peer = conversation
    peer.send(ACK | URG, seq=1, ack=1, data=b"ab!", urgent=3)
    peer.expect(ACK, ack=4)
    assert server.receive() == b"ab"
    assert server.receive_urgent() == b"!"
    assert server.socket.gettimeout() == DEADLINE_SECONDS


def test_urgent_data_that_are_not_there_are_waited_for(conversation: Connection) -> None:
    server, peer = conversation
    server.socket.settimeout(0.01)
    with pytest.raises(TimeoutError, match="timed out"):
        server.receive_urgent()
    peer.send(ACK | URG, seq=1, ack=1, data=b"ab", urgent=9)
    peer.expect(ACK, ack=3)
    with pytest.raises(TimeoutError, match="timed out"):  # announced, and still to come
        server.receive_urgent()
    peer.send(ACK, seq=3, ack=1, data=bytes(9))
    peer.expect(ACK, ack=12)
    assert server.receive_urgent() == b"\0"
    with pytest.raises(OSError, match="Invalid argument"):
        server.receive_urgent()


def test_flags_of_a_send_stand_on_the_timeline(conversation: Connection, opened: Session) -> None:
    server, peer = conversation
    server.send(b"!", socket.MSG_OOB)
    peer.expect(ACK | URG, data=b"!")
    assert any(event.call == "send(1, MSG_OOB)" for event in opened.timeline if isinstance(event, Called))
