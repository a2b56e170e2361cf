"""ACKs of many segments out of order are put together for a moment (ip-sysctl, tcp_comp_sack_*); RFC 5681 4.2."""

from __future__ import annotations

from harness import ACK, QUIET, Endpoint, Pattern, Session, both_families, requirement, waits

SEGMENT = 100
FIRST = 4  # ACKs that are never held back, which three duplicates are for fast retransmit
HELD = 6


@requirement("RFC5681-3.2", "RFC2018-4")
@both_families
@waits(QUIET)
def test_what_is_held_back_is_reported_in_the_end(session: Session, listener: Endpoint) -> None:
    server, peer = session.establish(listener, options="mss 1460,nop,nop,sackOK")
    server.set_option("TCP_QUICKACK", 0)
    places = [1 + SEGMENT * (2 + number) for number in range(FIRST + HELD)]
    for place in places[:FIRST]:
        peer.send(ACK, seq=place, ack=1, data=bytes(SEGMENT))
        peer.expect(ACK, seq=1, ack=1, options=f"sack {places[0]}:{place + SEGMENT}")
    told = int(server.tcp_info("segs_out"))
    peer.send_together(*(peer.make(ACK, seq=place, ack=1, data=bytes(SEGMENT)) for place in places[FIRST:]))
    seen = peer.expect_count(Pattern(ACK, seq=1, ack=1), at_least=1, at_most=HELD, within=QUIET)
    assert len(seen) == int(server.tcp_info("segs_out")) - told  # as many as the kernel has sent
    blocks = [option for option in seen[-1].options if option.name == "sack"]
    assert blocks[0].values == (places[0], places[-1] + SEGMENT)


@requirement("RFC5681-3.2")
@both_families
@waits(QUIET)
def test_data_that_close_the_gap_are_acknowledged_with_what_was_held_back(session: Session, listener: Endpoint) -> None:
    server, peer = session.establish(listener, options="mss 1460,nop,nop,sackOK")
    server.set_option("TCP_QUICKACK", 0)
    peer.allow(ACK, seq=1, ack=1)
    for number in range(1, FIRST + HELD):
        peer.send(ACK, seq=1 + SEGMENT * number, ack=1, data=bytes(SEGMENT))
    peer.send(ACK, seq=1, ack=1, data=bytes(SEGMENT))
    peer.expect(ACK, seq=1, ack=1 + SEGMENT * (FIRST + HELD), without="sack")
