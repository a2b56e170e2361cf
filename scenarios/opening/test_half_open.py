"""Half-open connections and old duplicates of SYN: figures 8 to 11 of RFC 9293 3.5, the kernel at either end.

The peer that "crashed" forgets its connection and begins anew; the kernel finds out by what is answered.
"""

from __future__ import annotations

import pytest

from harness import ACK, INITIAL_SEQUENCE_NUMBER, RST, SYN, Connection, Endpoint, Session, both_families, requirement

OLD = 1_000  # how far an old duplicate's number lies before the new one


@requirement("RFC9293-3.5", "RFC9293-MUST-11", "FSM-011")
@both_families
def test_old_duplicate_syn_is_got_over(session: Session, listener: Endpoint) -> None:
    """Figure 8: the reset brings the listener back, and the real SYN opens the connection."""
    old = session.new_peer(listener.port, isn=INITIAL_SEQUENCE_NUMBER - OLD)
    old.send(SYN, seq=0, options=session.syn_options)
    old.expect(SYN, seq=0, ack=1)
    old.send(RST, seq=1)

    old.isn = INITIAL_SEQUENCE_NUMBER
    session.establish(listener, old)


@requirement("RFC9293-3.5.1", "RFC9293-U-7", "RFC5961-4.2-1")
@both_families
def test_half_open_connection_is_discovered_by_a_syn(session: Session, established: Connection) -> None:
    """Figure 9: the kernel is the end that did not crash."""
    server, peer = established
    peer.send(SYN, seq=400, options=session.syn_options)
    peer.expect(ACK, seq=1, ack=1)
    peer.send(RST, seq=1)
    with pytest.raises(ConnectionResetError):
        server.receive()


@requirement("RFC9293-3.5.1", "RFC9293-U-8")
@both_families
def test_crashed_end_gets_a_new_connection_after_the_discovery(
    session: Session, listener: Endpoint, established: Connection
) -> None:
    """Figure 9 to its end: the SYN that comes again is answered."""
    _, peer = established
    peer.send(SYN, seq=400, options=session.syn_options)
    peer.expect(ACK, seq=1, ack=1)
    peer.send(RST, seq=1)
    peer.timestamps = False
    peer.isn = INITIAL_SEQUENCE_NUMBER + 400
    session.establish(listener, peer)


@requirement("RFC9293-3.5.1", "RFC9293-U-4")
@both_families
def test_active_side_discovers_the_half_open_connection(established: Connection) -> None:
    """Figure 10: the kernel sends to an end that has forgotten the connection."""
    server, peer = established
    server.send(b"anybody there")
    peer.expect(ACK, seq=1, ack=1, data=b"anybody there")
    peer.send(RST, seq=1)
    with pytest.raises(ConnectionResetError):
        server.receive()


@requirement("RFC9293-3.5.1", "RFC9293-E-2", "FSM-072")
@both_families
def test_data_for_a_forgotten_connection_are_reset(session: Session, listener: Endpoint) -> None:
    """Figure 10 from the other side: the kernel is the end that has forgotten."""
    peer = session.new_peer(listener.port)
    peer.send(ACK, seq=100, ack=300, data=b"anybody there")
    peer.expect(RST, seq=300)


@requirement("RFC9293-3.5.1", "RFC9293-E-5", "FSM-072", "FSM-071")
@both_families
def test_old_duplicate_syn_between_two_listeners_changes_nothing(session: Session, listener: Endpoint) -> None:
    """Figure 11: the SYN,ACK that the old SYN causes is reset by the other listener."""
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=session.syn_options)
    peer.expect(SYN, seq=0, ack=1)
    peer.send(RST, seq=1)
    session.establish(listener)
