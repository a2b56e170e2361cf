"""Initial sequence numbers: driven by a clock, and different for every connection (RFC 9293 3.4.1, RFC 6528)."""

from __future__ import annotations

from harness import QUIET, RST, SYN, Connection, Endpoint, Peer, Session, both_families, distance, requirement

MANY = 32


def initial_number(session: Session, peer: Peer) -> int:
    """What the kernel begins with, for a connection that is reset straight away."""
    peer.send(SYN, seq=0, options=session.syn_options)
    peer.expect(SYN, seq=0, ack=1)
    peer.send(RST, seq=1)
    assert peer.kernel_isn is not None
    return peer.kernel_isn


@requirement("RFC9293-SHLD-1", "RFC9293-3.4.1")
@both_families
def test_connections_from_different_ports_begin_with_different_numbers(session: Session, listener: Endpoint) -> None:
    numbers = [initial_number(session, session.new_peer(listener.port)) for _ in range(MANY)]
    assert len(set(numbers)) == MANY


@requirement("RFC9293-MUST-8", "RFC9293-3.4.1")
@both_families
def test_number_of_the_same_pair_of_ports_advances_with_the_clock(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    first = initial_number(session, peer)
    peer.expect_silence(QUIET)
    second = initial_number(session, peer)
    assert distance(first, second) > 0


@requirement("RFC9293-SHLD-1", "RFC9293-3.4.1")
@both_families
def test_clients_begin_with_different_numbers(session: Session) -> None:
    connections: list[Connection] = [session.connect() for _ in range(2)]
    first, second = (connection.peer.kernel_isn for connection in connections)
    assert first != second
