"""Listening on a port that has connections already (RFC 9293 3.9.1.1)."""

from __future__ import annotations

from harness import ACK, SYN, Connection, Session, both_families, in_shared_lab, requirement

pytestmark = in_shared_lab


@requirement("RFC9293-MUST-42")
@both_families
def test_port_of_a_connection_in_syn_sent_can_be_listened_on(session: Session, syn_sent: Connection) -> None:
    client, calling = syn_sent
    listener = session.listen(client.port)
    _, called = session.establish(listener)
    called.send(ACK, seq=1, ack=1, data=b"to the listener")
    called.expect(ACK, seq=1, ack=16)

    calling.send(SYN, seq=0, ack=1, options="mss 1460")
    calling.expect(ACK, seq=1, ack=1)
    client.wait_connected()


@requirement("RFC9293-MUST-42")
@both_families
def test_port_of_a_connection_in_syn_received_can_be_listened_on(
    session: Session, syn_received_actively: Connection
) -> None:
    client, calling = syn_received_actively
    listener = session.listen(client.port)
    session.establish(listener)
    calling.send(ACK, seq=1, ack=1)
    client.send(b"to the caller")
    calling.expect(ACK, seq=1, ack=1, data=b"to the caller")


@requirement("RFC9293-MUST-41")
@both_families
def test_new_listener_leaves_live_connections_alone(session: Session) -> None:
    client, peer = session.connect()
    session.listen(client.port)
    peer.send(ACK, seq=1, ack=1, data=b"before")
    peer.expect(ACK, seq=1, ack=7)
    assert client.receive() == b"before"
    client.send(b"after")
    peer.expect(ACK, seq=1, ack=7, data=b"after")
