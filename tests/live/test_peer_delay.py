"""A peer that is far away: what the kernel takes for the round trip, and how late a timer after it may be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import pytest

from harness.errors import TooBusy
from harness.live.peer import Peer
from harness.live.peer_delay import establish_from_afar, longest_timer, wait_from_afar
from harness.live.session import Connection, Session
from harness.probes import tcp_info
from harness.tcp.segment import ACK
from harness.tcp.timing import MS, PROMPT, VIRTUAL, Span, TimingProfile
from harness.tcp.verdict import Due, Evidence, Mismatch

ROUND_TRIP = Span(120 * MS, "ROUND_TRIP")


@pytest.mark.parametrize("options", [None, "mss 1460"], ids=["TS", "plain"])
def test_kernel_takes_the_peers_waiting_for_the_round_trip(opened: Session, options: str | None) -> None:
    server, peer = establish_from_afar(opened, opened.listen(), ROUND_TRIP, options=options)
    assert tcp_info.read(server.socket).rtt_us * 1000 >= ROUND_TRIP.ns
    server.send(b"here")
    seen = peer.expect(ACK, seq=1, ack=1, data=b"here")
    assert (seen.option("TS") is None) is (options is not None)
    peer.send(ACK, seq=1, ack=5)
    opened.finish()


def oversleep(_: Peer, span: Span) -> None:
    time.sleep(2 * span.ns / 1e9)


def test_peer_that_is_late_can_tell_nothing(conversation: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Peer, "expect_silence", oversleep)
    with pytest.raises(TooBusy, match=r"the peer answered after .* a path of 40 ms \(PROMPT\)"):
        wait_from_afar(conversation.peer, PROMPT)


def test_handshake_of_a_peer_that_was_late_is_begun_anew(opened: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: Iterator[Callable[[Peer, Span], None]] = chain([oversleep], repeat(Peer.expect_silence))

    def wait_as_told(peer: Peer, span: Span) -> None:
        next(waits)(peer, span)

    monkeypatch.setattr(Peer, "expect_silence", wait_as_told)
    server, peer = establish_from_afar(opened, opened.listen(), ROUND_TRIP)
    assert ROUND_TRIP.ns <= tcp_info.read(server.socket).rtt_us * 1000 < 2 * ROUND_TRIP.ns
    server.send(b"here")
    peer.expect(ACK, seq=1, ack=1, data=b"here")
    opened.finish()


def test_peer_that_is_late_each_time_is_told_in_the_end(opened: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Peer, "expect_silence", oversleep)
    with pytest.raises(TooBusy):
        establish_from_afar(opened, opened.listen(), PROMPT)
    assert len(opened.peers) == 3


def test_segment_that_came_in_time_is_told_by_a_peer_that_is_late(
    conversation: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def oversleep_and_see(peer: Peer, span: Span) -> None:
        oversleep(peer, span)
        seen = "> a segment that the kernel sent before the peer was to answer"
        raise Mismatch(Evidence(expected=(Due("> silence"),), observed=seen))

    monkeypatch.setattr(Peer, "expect_silence", oversleep_and_see)
    with pytest.raises(Mismatch):
        wait_from_afar(conversation.peer, PROMPT)


def test_segment_that_comes_while_the_peer_waits_is_told(conversation: Connection) -> None:
    server, peer = conversation
    server.send(b"early")
    with pytest.raises(Mismatch, match=r"1:6"):
        wait_from_afar(peer, ROUND_TRIP)


def test_timer_is_given_time_for_the_peers_slowness_on_a_real_clock_alone() -> None:
    with Session(TimingProfile()) as real, Session(VIRTUAL) as virtual:
        assert longest_timer(real, ROUND_TRIP).ns == 3 * ROUND_TRIP.ns
        assert longest_timer(virtual, ROUND_TRIP) == ROUND_TRIP
