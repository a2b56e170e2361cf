"""The flow label of IPv6: one for all segments of a connection (RFC 6437), or that of the peer where it is asked for.

``net.ipv6.flowlabel_reflect`` is described in Documentation/networking/ip-sysctl.rst.
"""

from __future__ import annotations

import pytest

from harness import ACK, FIN, RST, SYN, Connection, Endpoint, Session, requirement

pytestmark = pytest.mark.parametrize("ip_version", [6], ids=["IPv6"])

LABEL = 0xABCDE
ESTABLISHED, RESET = 1, 2
"""What of flowlabel_reflect switches it on for connections, and for the reset of a SYN that nobody listens for."""


@requirement("RFC6437-3")
def test_all_segments_of_a_connection_have_one_label(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options="mss 1460")
    label = peer.expect(SYN, seq=0, ack=1).flow_label
    peer.send(ACK, seq=1, ack=1)
    server = listener.accept()
    server.send(b"data")
    peer.expect(ACK, seq=1, ack=1, data=b"data", flow_label=label)
    peer.send(ACK, seq=1, ack=5)
    server.close()
    peer.expect(FIN, seq=5, ack=1, flow_label=label)


@requirement("RFC6437-3")
def test_label_of_a_connection_is_none_of_the_peers_unless_asked_for(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"ask", flow_label=LABEL)
    assert peer.expect(ACK, seq=1, ack=4).flow_label != LABEL
    server.send(b"tell")
    assert peer.expect(ACK, seq=1, ack=4, data=b"tell").flow_label != LABEL


@requirement("RFC6437-3")
def test_label_of_the_peer_is_reflected_where_it_is_asked_for(session: Session) -> None:
    session.sysctl("net/ipv6/flowlabel_reflect", ESTABLISHED)
    listener = session.listen()
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options="mss 1460", flow_label=LABEL)
    peer.expect(SYN, seq=0, ack=1, flow_label=LABEL)
    peer.send(ACK, seq=1, ack=1, flow_label=LABEL)
    listener.accept().send(b"data")
    peer.expect(ACK, seq=1, ack=1, data=b"data", flow_label=LABEL)


@requirement("RFC6437-3", "RFC9293-3.10.7.1")
def test_reset_of_a_syn_to_a_closed_port_reflects_its_label_where_it_is_asked_for(session: Session) -> None:
    session.sysctl("net/ipv6/flowlabel_reflect", RESET)
    peer = session.new_peer(session.socket().port)
    peer.send(SYN, seq=0, flow_label=LABEL)
    peer.expect(RST, seq=0, ack=1, flow_label=LABEL)
