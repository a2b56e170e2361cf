"""The three-way handshake, with the kernel on either side of it."""

from __future__ import annotations

from harness import ACK, SYN, Connection, Endpoint, Session, both_families, requirement, with_and_without_timestamps


@requirement("RFC9293-3.5", "FSM-004", "FSM-009")
@with_and_without_timestamps
@both_families
def test_server_answers_a_syn_and_accepts(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer()
    peer.send(SYN, seq=0, options=session.syn_options)
    answer = peer.expect(SYN, seq=0, ack=1, options="mss")
    assert (answer.option("TS") is not None) == session.timestamps  # RFC 7323 3.2: only if the SYN had it
    peer.timestamps = session.timestamps
    peer.send(ACK, seq=1, ack=1)
    listener.accept()


@requirement("RFC9293-3.5", "FSM-002", "FSM-008")
@with_and_without_timestamps
@both_families
def test_client_opens_a_connection(connected: Connection) -> None:
    client, peer = connected
    client.send(b"hello")
    peer.expect(ACK, seq=1, ack=1, data=b"hello")
    peer.send(ACK, seq=1, ack=6)


@requirement("RFC9293-3.8", "RFC9293-E-17")
@with_and_without_timestamps
@both_families
def test_bytes_are_numbered_from_one_in_both_directions(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"question")
    peer.expect(ACK, seq=1, ack=9)
    assert server.receive() == b"question"
    server.send(b"answer")
    peer.expect(ACK, seq=1, ack=9, data=b"answer")
    peer.send(ACK, seq=9, ack=7)
