"""Timestamps and the protection against wrapped sequence numbers that rests on them (RFC 7323 3 to 5)."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    DAY,
    FIN,
    RST,
    SECOND,
    Connection,
    Pattern,
    Segment,
    both_families,
    requirement,
    shutdown_wr,
    waits,
)

FIRST, NEWER, NEWEST = 100_000, 100_100, 100_200
STALE = 50_000
NEVER_SENT = 123_456_789
OUTDATED = 24 * DAY + SECOND  # RFC 7323 5.5: more than 24 days


def stamp(value: int) -> str:
    """The option with that value, and an echo that no check looks at."""
    return f"nop,nop,TS val {value} ecr 0"


def echo(segment: Segment) -> int:
    """Which of the peer's values the kernel returns."""
    option = segment.option("TS")
    assert option is not None
    return option.values[1]


@requirement("RFC7323-3.2-2")
@both_families
def test_every_segment_carries_timestamps_once_they_are_agreed_upon(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"question")
    peer.expect(ACK, seq=1, ack=9, options="TS")
    server.send(b"answer")
    peer.expect(ACK, seq=1, ack=9, data=b"answer", options="TS")
    peer.send(ACK, seq=9, ack=7)
    shutdown_wr(server)
    peer.expect(FIN, seq=7, ack=9, options="TS")


@requirement("RFC7323-3.2-1")
@both_families
@pytest.mark.parametrize("timestamps", [False], ids=["noTS"])
def test_no_segment_carries_timestamps_that_were_not_agreed_upon(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"question")
    peer.expect(ACK, seq=1, ack=9, without="TS")
    server.send(b"answer")
    peer.expect(ACK, seq=1, ack=9, data=b"answer", without="TS")
    peer.send(ACK, seq=9, ack=7)


@requirement("RFC7323-4.3-1")
@both_families
def test_echo_follows_the_segment_that_moved_the_window(established: Connection) -> None:
    _, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"first", options=stamp(FIRST))
    assert echo(peer.expect(ACK, seq=1, ack=6)) == FIRST
    peer.send(ACK, seq=12, ack=1, data=b"third", options=stamp(NEWER))
    assert echo(peer.expect(ACK, seq=1, ack=6)) == FIRST
    peer.send(ACK, seq=6, ack=1, data=b"second", options=stamp(NEWEST))
    assert echo(peer.expect(ACK, seq=1, ack=17)) == NEWEST


@requirement("RFC7323-5.3-2", "RFC7323-5.3-1")
@both_families
def test_data_with_a_stale_timestamp_are_acknowledged_and_dropped(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"first", options=stamp(FIRST))
    peer.expect(ACK, seq=1, ack=6)
    peer.send(ACK, seq=6, ack=1, data=b"stale", options=stamp(STALE))
    assert echo(peer.expect(ACK, seq=1, ack=6)) == FIRST
    peer.send(ACK, seq=6, ack=1, data=b"fresh", options=stamp(NEWER))
    peer.expect(ACK, seq=1, ack=11)
    assert server.receive() == b"firstfresh"


@requirement("RFC7323-5.3-2")
@both_families
def test_fin_with_a_stale_timestamp_is_acknowledged_and_dropped(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"first", options=stamp(FIRST))
    peer.expect(ACK, seq=1, ack=6)
    peer.send(FIN, seq=6, ack=1, options=stamp(STALE))
    peer.expect(ACK, seq=1, ack=6)
    peer.send(ACK, seq=6, ack=1, data=b"fresh", options=stamp(NEWER))
    peer.expect(ACK, seq=1, ack=11)
    assert server.receive() == b"firstfresh"


@requirement("RFC7323-5.3-2")
@both_families
def test_old_ack_with_a_stale_timestamp_is_answered(established: Connection) -> None:
    _, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"first", options=stamp(FIRST))
    peer.expect(ACK, seq=1, ack=6)
    peer.send(ACK, seq=1, ack=1, options=stamp(STALE))
    assert echo(peer.expect(ACK, seq=1, ack=6)) == FIRST


@requirement("RFC7323-4.3-1")
@both_families
def test_echo_follows_data_whose_ack_is_old(established: Connection) -> None:
    server, peer = established
    server.send(b"question")
    peer.expect(ACK, seq=1, ack=1, data=b"question")
    peer.send(ACK, seq=1, ack=9, options=stamp(FIRST))
    peer.send(ACK, seq=1, ack=1, data=b"first", options=stamp(NEWER))
    assert echo(peer.expect(ACK, seq=9, ack=6)) == NEWER


@requirement("RFC9293-3.10.7.4", "RFC7323-3.2")
@both_families
def test_ack_that_echoes_what_was_never_sent_opens_the_connection(syn_received: Connection) -> None:
    """Nothing in RFC 7323 has an echo checked; only Eifel detection (RFC 3522) goes by it."""
    _, peer = syn_received
    peer.send(ACK, seq=1, ack=1, options=f"nop,nop,TS val {FIRST} ecr {NEVER_SENT}")
    peer.send(ACK, seq=1, ack=1, data=b"first", options=stamp(NEWER))
    reply = peer.expect_one_of(opened=Pattern(ACK, seq=1, ack=6), refused=Pattern(ACK, seq=1, ack=1))
    peer.allow(ACK, seq=1, ack=6)
    reply.require("opened")


@requirement("RFC7323-5.2-1", "RFC9293-U-4")
@both_families
def test_reset_with_a_stale_timestamp_resets(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"first", options=stamp(FIRST))
    peer.expect(ACK, seq=1, ack=6)
    assert server.receive() == b"first"
    peer.send(RST, seq=6, options=stamp(STALE))
    with pytest.raises(ConnectionResetError):
        server.receive()


@requirement("RFC7323-5.3-3")
@both_families
def test_timestamp_is_checked_on_arrival_only(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=6, ack=1, data=b"queued", options=stamp(FIRST))
    peer.expect(ACK, seq=1, ack=1)
    peer.send(ACK, seq=1, ack=1, data=b"first", options=stamp(NEWEST))
    peer.expect(ACK, seq=1, ack=12)
    assert server.receive() == b"firstqueued"


@requirement("RFC7323-5.5-1", "RFC7323-5.3-1")
@waits(DAY)
def test_timestamp_counts_after_a_day_of_silence(established: Connection) -> None:
    _, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"first", options=stamp(FIRST))
    peer.expect(ACK, seq=1, ack=6)
    peer.expect_silence(DAY)
    peer.send(ACK, seq=6, ack=1, data=b"stale", options=stamp(STALE))
    peer.expect(ACK, seq=1, ack=6)


@requirement("RFC7323-5.5-1")
@waits(OUTDATED)
def test_timestamp_counts_no_more_after_24_days_of_silence(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"first", options=stamp(FIRST))
    peer.expect(ACK, seq=1, ack=6)
    peer.expect_silence(OUTDATED)
    peer.send(ACK, seq=6, ack=1, data=b"stale", options=stamp(STALE))
    assert echo(peer.expect(ACK, seq=1, ack=11)) == STALE
    assert server.receive() == b"firststale"


@requirement("RFC7323-3.2-3")
@both_families
def test_segment_without_the_agreed_timestamps_is_dropped(established: Connection) -> None:
    _, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"plain", options="")
    peer.send(ACK, seq=6, ack=1, data=b"stamped")  # its answer shows whether the octets before it are there
    reply = peer.expect_one_of(dropped=Pattern(ACK, seq=1, ack=1), taken=Pattern(ACK, seq=1, ack=6))
    peer.allow(ACK, seq=1, ack=13)
    reply.require("dropped")


@requirement("RFC7323-3.2-4")
@both_families
def test_segment_without_the_agreed_timestamps_does_not_end_the_connection(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"plain", options="")
    peer.allow(ACK, seq=1, ack=6)
    peer.send(ACK, seq=1, ack=1, data=b"plainly stamped")
    peer.expect(ACK, seq=1, ack=16)
    assert server.receive() == b"plainly stamped"


@requirement("RFC7323-3.2-5")
@both_families
def test_echo_in_a_segment_without_ack_is_ignored(established: Connection) -> None:
    server, peer = established
    peer.send(FIN, seq=1, options="nop,nop,TS val 1 ecr 4294967295")  # dropped for want of ACK
    peer.send(ACK, seq=1, ack=1, data=b"fine")
    peer.expect(ACK, seq=1, ack=5)
    assert server.receive() == b"fine"
