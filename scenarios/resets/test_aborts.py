"""Endings that reset: the application throws away what was not delivered, and the peer has to know."""

from __future__ import annotations

import pytest

from harness import ACK, RST, Connection, Pattern, both_families, requirement, with_and_without_timestamps


@requirement("RFC9293-E-18", "RFC9293-3.10.5")
@with_and_without_timestamps
@both_families
def test_close_with_zero_linger_resets(established: Connection) -> None:
    server, peer = established
    server.linger(0)
    server.close()
    # 3.10.5 shows <SEQ=SND.NXT><CTL=RST>; an acknowledgment with it says no more than the connection knew
    peer.expect_one_of(plain=Pattern(RST, seq=1), acknowledging=Pattern(RST, seq=1, ack=1))


@requirement("RFC9293-3.6.1", "RFC1122-4.2.2.13-2")
@with_and_without_timestamps
@both_families
def test_close_with_unread_data_resets(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"never read")
    peer.expect(ACK, seq=1, ack=11)
    server.close()
    peer.expect_one_of(plain=Pattern(RST, seq=1), acknowledging=Pattern(RST, seq=1, ack=11))


@requirement("RFC9293-U-4", "RFC5961-3.2-2")
@both_families
def test_reset_connection_is_gone(established: Connection) -> None:
    server, peer = established
    peer.send(RST, seq=1)
    with pytest.raises(ConnectionResetError):
        server.receive()
    peer.send(ACK, seq=1, ack=1)  # nobody is there, so the listener answers
    peer.expect(RST, seq=1)
