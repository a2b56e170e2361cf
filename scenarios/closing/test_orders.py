"""The orders in which the peer's FIN and its ACK of the server's FIN can arrive, other than the disorder."""

from __future__ import annotations

import pytest

from harness import ACK, ENDINGS, FIN, Connection, Ending, both_families, requirement, with_and_without_timestamps

over_all_endings = pytest.mark.parametrize("end", ENDINGS)


@requirement("RFC9293-E-17", "FSM-014", "FSM-017")
@with_and_without_timestamps
@both_families
@over_all_endings
def test_fin_that_crosses_the_servers_is_acknowledged(established: Connection, end: Ending) -> None:
    server, peer = established
    end(server)
    peer.expect(FIN, seq=1, ack=1)

    peer.send(FIN, seq=1, ack=1)
    peer.expect(ACK, seq=2, ack=2)  # CLOSING

    peer.send(ACK, seq=2, ack=2)  # TIME-WAIT, which needs no answer


@requirement("RFC9293-E-17", "FSM-021")
@with_and_without_timestamps
@both_families
@over_all_endings
def test_fin_that_carries_the_ack_of_the_servers_is_acknowledged(established: Connection, end: Ending) -> None:
    server, peer = established
    end(server)
    peer.expect(FIN, seq=1, ack=1)

    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)


@requirement("RFC9293-E-17", "FSM-015", "FSM-016")
@with_and_without_timestamps
@both_families
@over_all_endings
def test_lost_fin_is_acknowledged_when_it_is_retransmitted(established: Connection, end: Ending) -> None:
    server, peer = established
    end(server)
    peer.expect(FIN, seq=1, ack=1)

    peer.send(ACK, seq=2, ack=2)  # the FIN before it, seq 1, is lost
    peer.expect_silence()
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)


@requirement("RFC9293-E-17")
@both_families
@over_all_endings
def test_fin_retransmitted_in_time_wait_is_acknowledged_again(established: Connection, end: Ending) -> None:
    server, peer = established
    end(server)
    peer.expect(FIN, seq=1, ack=1)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)

    peer.send(FIN, seq=1, ack=2)  # the last ACK was lost
    peer.expect(ACK, seq=2, ack=2)
