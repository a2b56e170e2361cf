"""Data out of order, overlapping, without ACK, beyond the FIN (RFC 9293 3.10.7.4, RFC 5681 3.2, 4.2)."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    DELACK_MAX,
    FIN,
    NONE,
    Connection,
    Flags,
    Pattern,
    both_families,
    in_shared_lab,
    requirement,
    waits,
)

pytestmark = in_shared_lab


@requirement("RFC9293-SHLD-31", "RFC9293-MUST-59", "RFC9293-MAY-13", "RFC5681-3.2-1", "RFC1122-4.2.2.21-1")
@both_families
def test_data_out_of_order_are_kept_and_acknowledged_together(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=5, ack=1, data=b"efgh")
    peer.expect(ACK, seq=1, ack=1)
    peer.send(ACK, seq=9, ack=1, data=b"ijkl")
    peer.expect(ACK, seq=1, ack=1)
    peer.send(ACK, seq=1, ack=1, data=b"abcd")
    peer.expect(ACK, seq=1, ack=13)  # all that waited, in one ACK
    assert server.receive() == b"abcdefghijkl"


@requirement("RFC5681-3.2-2", "RFC9293-SHLD-31")
@both_families
def test_segment_that_fills_part_of_a_gap_is_acknowledged_at_once(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=9, ack=1, data=b"ijkl")
    peer.expect(ACK, seq=1, ack=1)
    peer.send(ACK, seq=1, ack=1, data=b"abcd")
    peer.expect(ACK, seq=1, ack=5)
    peer.send(ACK, seq=5, ack=1, data=b"efgh")
    peer.expect(ACK, seq=1, ack=13)
    assert server.receive() == b"abcdefghijkl"


@requirement("RFC5681-3.2-1", "RFC5681-3.2-2")
@pytest.mark.usefixtures("no_tail_loss_probe")
@waits(DELACK_MAX)
def test_acks_about_a_gap_are_not_delayed(established: Connection) -> None:
    """Also where delayed ACKs are allowed: after an exchange the kernel takes the connection for an interactive one."""
    server, peer = established
    peer.allow(ACK, seq=1, ack=9)
    peer.send(ACK, seq=1, ack=1, data=b"question")
    server.receive()
    server.send(b"answer")
    peer.expect(ACK, seq=1, ack=9, data=b"answer")
    peer.send(ACK, seq=9, ack=7)
    peer.allow(ACK, seq=7, ack=9, without="sack")
    peer.send(ACK, seq=13, ack=7, data=b"efgh")
    peer.expect(ACK, seq=7, ack=9, options="sack 13:17")
    peer.send(ACK, seq=9, ack=7, data=b"abcd")
    peer.expect(ACK, seq=7, ack=17)


@requirement("RFC9293-E-11")
@both_families
@pytest.mark.parametrize("start", [1, 3], ids=["from-the-start", "from-the-middle"])
def test_only_the_new_part_of_an_overlapping_segment_counts(established: Connection, start: int) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"abcd")
    peer.expect(ACK, seq=1, ack=5)
    overlap = b"XXXXefgh"[start - 1 :]
    peer.send(ACK, seq=start, ack=1, data=overlap)
    peer.expect(ACK, seq=1, ack=9)
    assert server.receive() == b"abcdefgh"


@requirement("RFC9293-E-11")
@both_families
def test_gap_is_filled_by_a_segment_that_overlaps_both_sides(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"abcd")
    peer.expect(ACK, seq=1, ack=5)
    peer.send(ACK, seq=9, ack=1, data=b"ijkl")
    peer.expect(ACK, seq=1, ack=5)
    peer.send(ACK, seq=3, ack=1, data=b"cdefghij")
    peer.expect(ACK, seq=1, ack=13)
    assert server.receive() == b"abcdefghijkl"


@requirement("RFC9293-E-10")
@both_families
def test_segment_that_is_old_altogether_is_acknowledged_and_dropped(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"abcd")
    peer.expect(ACK, seq=1, ack=5)
    peer.send(ACK, seq=1, ack=1, data=b"XXXX")
    peer.expect(ACK, seq=1, ack=5)
    assert server.receive() == b"abcd"


@requirement("RFC9293-E-12")
@both_families
@pytest.mark.parametrize("flags", [NONE, FIN], ids=["data", "FIN"])
def test_segment_without_ack_is_dropped(established: Connection, flags: Flags) -> None:
    server, peer = established
    peer.send(flags, seq=1, data=b"nobody")
    peer.send(ACK, seq=1, ack=1, data=b"somebody")
    peer.expect(ACK, seq=1, ack=9)
    assert server.receive() == b"somebody"


@requirement("RFC9293-E-16")
@both_families
def test_data_beyond_the_fin_are_not_delivered(established: Connection) -> None:
    server, peer = established
    peer.send(FIN, seq=1, ack=1, data=b"last")
    peer.expect(ACK, seq=1, ack=6)
    peer.send(ACK, seq=6, ack=1, data=b"more")
    # nothing says that it must be answered, nor that it must not
    peer.expect_at_once(silence="ignored", acknowledged=Pattern(ACK, seq=1, ack=6))
    server.send(b"still here")
    peer.expect(ACK, seq=1, ack=6, data=b"still here")
    assert server.receive() == b"last"
    assert server.receive() == b""


@requirement("RFC9293-MUST-12")
@both_families
def test_application_tells_a_close_from_an_abort(established: Connection) -> None:
    server, peer = established
    peer.send(FIN, seq=1, ack=1)
    peer.expect(ACK, seq=1, ack=2)
    assert server.receive() == b""
    assert server.error() == 0
