"""The walk of the system calls, with the state after each: socket, bind, listen, accept, connect, read, write, close.

To be looked at as a ladder: each call stands beside the segments that it causes, each state beside both.
"""

from __future__ import annotations

from harness import ACK, FIN, SERVICE_PORT, SYN, Peer, Session, both_families, requirement


def shows(session: Session, peer: Peer, state: str) -> None:
    """The state must be this one, and the ladder shows it."""
    session.expect_state(peer, state)
    session.note("sock_diag", state=state, connection=peer.connection)


@requirement("RFC9293-3.3.2", "FSM-001", "FSM-004", "FSM-009", "FSM-041", "FSM-156", "FSM-013", "FSM-018", "FSM-019")
@both_families
def test_walk_of_a_server_that_the_peer_closes(session: Session) -> None:
    server = session.unbound_socket()
    server.bind(session.kernel_address, SERVICE_PORT)
    peer = session.new_peer()
    shows(session, peer, "CLOSED")
    server.listen()
    shows(session, peer, "LISTEN")

    peer.send(SYN, seq=0, options=session.syn_options)
    peer.expect(SYN, seq=0, ack=1)
    peer.timestamps = session.timestamps
    shows(session, peer, "SYN-RECEIVED")
    peer.send(ACK, seq=1, ack=1)
    shows(session, peer, "ESTABLISHED")
    accepted = server.accept()
    shows(session, peer, "ESTABLISHED")

    peer.send(ACK, seq=1, ack=1, data=b"question")
    peer.expect(ACK, seq=1, ack=9)
    assert accepted.receive() == b"question"
    accepted.send(b"answer")
    peer.expect(ACK, seq=1, ack=9, data=b"answer")
    peer.send(ACK, seq=9, ack=7)
    shows(session, peer, "ESTABLISHED")

    peer.send(FIN, seq=9, ack=7)
    peer.expect(ACK, seq=7, ack=10)
    shows(session, peer, "CLOSE-WAIT")
    assert accepted.receive() == b""
    accepted.close()
    peer.expect(FIN, seq=7, ack=10)
    shows(session, peer, "LAST-ACK")
    peer.send(ACK, seq=10, ack=8)
    shows(session, peer, "CLOSED")
    server.close()
    shows(session, peer, "CLOSED")


@requirement("RFC9293-3.3.2", "FSM-002", "FSM-008", "FSM-041", "FSM-156", "FSM-012", "FSM-015", "FSM-016")
@both_families
def test_walk_of_a_client_that_closes(session: Session) -> None:
    client = session.unbound_socket()
    client.bind(session.kernel_address, SERVICE_PORT)
    peer = session.new_peer()
    shows(session, peer, "CLOSED")

    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0)
    shows(session, peer, "SYN-SENT")
    peer.send(SYN, seq=0, ack=1, options=session.syn_options)
    peer.timestamps = session.timestamps
    peer.expect(ACK, seq=1, ack=1)
    client.wait_connected()
    shows(session, peer, "ESTABLISHED")

    client.send(b"question")
    peer.expect(ACK, seq=1, ack=1, data=b"question")
    peer.send(ACK, seq=1, ack=9, data=b"answer")
    peer.expect(ACK, seq=9, ack=7)
    assert client.receive() == b"answer"
    shows(session, peer, "ESTABLISHED")

    client.close()
    peer.expect(FIN, seq=9, ack=7)
    shows(session, peer, "FIN-WAIT-1")
    peer.send(ACK, seq=7, ack=10)
    shows(session, peer, "FIN-WAIT-2")
    peer.send(FIN, seq=7, ack=10)
    peer.expect(ACK, seq=10, ack=8)
    shows(session, peer, "TIME-WAIT")
