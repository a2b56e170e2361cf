"""Orderly ends: in four segments, in three, and those that the peer begins."""

from __future__ import annotations

import pytest

from harness import ACK, ENDINGS, FIN, RST, Connection, Ending, both_families, requirement, with_and_without_timestamps

over_all_endings = pytest.mark.parametrize("end", ENDINGS)


@requirement("RFC9293-3.6", "FSM-012", "FSM-015", "FSM-016")
@with_and_without_timestamps
@both_families
@over_all_endings
def test_server_closes_first_in_four_segments(established: Connection, end: Ending) -> None:
    server, peer = established
    end(server)
    peer.expect(FIN, seq=1, ack=1)
    peer.send(ACK, seq=1, ack=2)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)


@requirement("RFC9293-3.6", "FSM-012", "FSM-021")
@with_and_without_timestamps
@both_families
@over_all_endings
def test_server_closes_first_in_three_segments(established: Connection, end: Ending) -> None:
    server, peer = established
    end(server)
    peer.expect(FIN, seq=1, ack=1)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)


@requirement("RFC9293-3.6", "RFC1122-4.2.2.20-1", "FSM-013", "FSM-018", "FSM-019")
@with_and_without_timestamps
@both_families
@over_all_endings
def test_peer_closes_first(established: Connection, end: Ending) -> None:
    server, peer = established
    peer.send(FIN, seq=1, ack=1)
    peer.expect(ACK, seq=1, ack=2)  # CLOSE-WAIT
    assert server.receive() == b""

    end(server)
    peer.expect(FIN, seq=1, ack=2)  # LAST-ACK
    peer.send(ACK, seq=2, ack=2)

    peer.send(ACK, seq=2, ack=2)  # the connection is gone, so the listener answers (RFC 9293 3.10.7.2)
    peer.expect(RST, seq=2)


@requirement("RFC9293-3.6")
@both_families
def test_server_sends_until_it_closes_after_the_peer_did(established: Connection) -> None:
    server, peer = established
    peer.send(FIN, seq=1, ack=1)
    peer.expect(ACK, seq=1, ack=2)

    server.send(b"still here")
    peer.expect(ACK, seq=1, ack=2, data=b"still here")
    peer.send(ACK, seq=2, ack=11)
    server.close()
    peer.expect(FIN, seq=11, ack=2)
    peer.send(ACK, seq=2, ack=12)
