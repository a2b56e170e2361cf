"""The bound that an application sets for the window that its peer is offered: TCP_WINDOW_CLAMP (tcp(7))."""

from __future__ import annotations

from harness import ACK, SYN, Endpoint, Session, both_families, requirement

CLAMP = 4000  # bytes
SEGMENT = 1000


@requirement("RFC9293-3.8.6")
@both_families
def test_clamp_of_a_listener_bounds_the_window_from_the_first_segment(session: Session, listener: Endpoint) -> None:
    listener.set_option("TCP_WINDOW_CLAMP", CLAMP)
    assert listener.option("TCP_WINDOW_CLAMP") == CLAMP
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options="mss 1460")
    assert peer.expect(SYN, seq=0, ack=1).window <= CLAMP
    peer.send(ACK, seq=1, ack=1)
    server = listener.accept(peer.connection)
    for number in range(1, 20 * SEGMENT, SEGMENT):
        peer.send(ACK, seq=number, ack=1, data=bytes(SEGMENT))
        assert peer.expect(ACK, seq=1, ack=number + SEGMENT).window <= CLAMP
        server.receive()
        peer.allow(ACK, seq=1, ack=number + SEGMENT)


@requirement("RFC9293-SHLD-14")
@both_families
def test_clamp_that_comes_later_shrinks_no_window(session: Session, listener: Endpoint) -> None:
    """What was offered stays; only what is read makes no more room than the clamp."""
    server, peer = session.establish(listener, options="mss 1460")
    offered = peer.offered_window(1)
    server.set_option("TCP_WINDOW_CLAMP", CLAMP)
    window = offered
    for number in range(1, offered + 2 * CLAMP, SEGMENT):
        peer.send(ACK, seq=number, ack=1, data=bytes(SEGMENT))
        window = peer.expect(ACK, seq=1, ack=number + SEGMENT).window
        assert number + SEGMENT + window >= 1 + offered
        server.receive()
    assert window <= CLAMP
