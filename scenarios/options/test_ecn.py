"""How ECN is agreed upon (RFC 3168 6.1.1): a SYN with ECE and CWR asks, a SYN,ACK with ECE alone agrees."""

from __future__ import annotations

import pytest

from harness import ACK, CWR, ECE, NONE, SYN, Flags, Pattern, Session, both_families, requirement

OFF, ON = 0, 1  # tcp_ecn (ip-sysctl.rst)


@requirement("RFC3168-6.1.1-2", "RFC9293-SHLD-8")
@both_families
def test_server_agrees_where_the_syn_asks(session: Session) -> None:
    listener = session.listen()
    session.sysctl("net/ipv4/tcp_ecn", ON)
    peer = session.new_peer(listener.port)
    peer.send(SYN | ECE | CWR, seq=0, options=session.syn_options)
    peer.expect(SYN | ECE, seq=0, ack=1)


@requirement("RFC3168-6.1.1-3")
@both_families
@pytest.mark.parametrize("flags", [NONE, ECE, CWR], ids=["none", "ECE", "CWR"])
def test_server_does_not_agree_where_the_syn_does_not_ask(session: Session, flags: Flags) -> None:
    listener = session.listen()
    session.sysctl("net/ipv4/tcp_ecn", ON)
    peer = session.new_peer(listener.port)
    peer.send(SYN | flags, seq=0, options=session.syn_options)
    peer.expect(SYN, seq=0, ack=1)


@requirement("RFC3168-6.1.1-3")
@both_families
def test_server_does_not_agree_where_it_is_switched_off(session: Session) -> None:
    listener = session.listen()
    session.sysctl("net/ipv4/tcp_ecn", OFF)
    peer = session.new_peer(listener.port)
    peer.send(SYN | ECE | CWR, seq=0, options=session.syn_options)
    peer.expect(SYN, seq=0, ack=1)


@requirement("RFC3168-6.1.1-1", "RFC3168-6.1.1-6", "RFC9293-SHLD-8")
@both_families
@pytest.mark.parametrize("answer", [ECE, NONE, CWR, ECE | CWR], ids=["agrees", "declines", "CWR", "reflects"])
def test_client_asks_and_takes_every_answer(session: Session, answer: Flags) -> None:
    client = session.socket()
    session.sysctl("net/ipv4/tcp_ecn", ON)
    peer = session.new_peer(client.port)
    client.connect(peer, wait=False)
    peer.expect(SYN | ECE | CWR, seq=0)
    peer.send(SYN | answer, seq=0, ack=1, options=session.syn_options)
    peer.timestamps = session.timestamps
    reply = peer.expect_one_of(plain=Pattern(ACK, seq=1, ack=1), marked=Pattern(ACK | CWR, seq=1, ack=1))
    client.wait_connected()
    reply.require("plain")


@requirement("RFC3168-6.1.3-1")
@both_families
def test_congestion_is_not_echoed_where_nothing_was_agreed(session: Session) -> None:
    server, peer = session.establish(session.listen())
    server.send(b"data")
    peer.expect(ACK, seq=1, ack=1, data=b"data")
    peer.send(ECE, seq=1, ack=5)
    server.send(b"more")
    peer.expect_one_of(plain=Pattern(ACK, seq=5, ack=1, data=b"more")).require("plain")
    peer.send(ACK, seq=1, ack=9)
