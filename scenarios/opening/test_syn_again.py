"""A SYN that comes again, and data and a FIN that come with it."""

from __future__ import annotations

from harness import ACK, FIN, SYN, Endpoint, Pattern, Session, both_families, requirement, with_and_without_timestamps


@requirement("RFC9293-3.10.7.4", "FSM-092", "RFC9293-3.5")
@with_and_without_timestamps
@both_families
def test_syn_that_comes_again_is_answered_again(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    syn = peer.make(SYN, seq=0, options=session.syn_options)
    peer.send_together(syn)
    first = peer.expect(SYN, seq=0, ack=1)
    initial = peer.kernel_isn
    peer.send_together(syn)
    # 3.10.7.4 asks for an ACK of what is expected; the SYN,ACK says that, and replaces one that was lost
    peer.expect_one_of(again=Pattern(SYN, seq=0, ack=1), acknowledged=Pattern(ACK, seq=1, ack=1))
    assert (peer.kernel_isn, first.window) == (initial, first.window)
    peer.timestamps = session.timestamps
    peer.send(ACK, seq=1, ack=1)
    listener.accept()


@requirement("RFC9293-3.10.7.2", "FSM-004")
@both_families
def test_data_on_a_syn_are_taken_or_left_but_never_lost(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=session.syn_options, data=b"early")
    taken = peer.expect(SYN, seq=0, ack=1)
    peer.timestamps = session.timestamps
    peer.send(ACK, seq=taken.ack, ack=1, data=b"early")
    peer.expect(ACK, seq=1, ack=6)
    assert listener.accept().receive() == b"early"


@requirement("RFC9293-3.10.7.2", "FSM-004")
@both_families
def test_data_on_a_syn_are_queued_until_the_handshake_is_through(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=session.syn_options, data=b"early")
    peer.expect(SYN, seq=0, ack=1)
    peer.timestamps = session.timestamps
    peer.send(ACK, seq=6, ack=1)
    peer.allow(ACK, seq=1, ack=6)
    listener.accept()
    peer.send(FIN, seq=6, ack=1)  # shows whether the octets before it are there
    reply = peer.expect_one_of(queued=Pattern(ACK, seq=1, ack=7), dropped=Pattern(ACK, seq=1, ack=1))
    reply.require("queued")


@requirement("RFC9293-3.10.7.2", "RFC9293-3.5")
@both_families
def test_fin_on_a_syn_is_not_acknowledged_before_the_handshake_is_through(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN | FIN, seq=0, options=session.syn_options)
    peer.expect_silence()
    session.establish(listener)
