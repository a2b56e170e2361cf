"""What a sender makes of selective acknowledgments, and of a receiver that takes them back (RFC 2018 5, 8)."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    IPV4_MSS,
    MS,
    PROMPT,
    RTO_INIT,
    RTO_MIN,
    SYN,
    Connection,
    Endpoint,
    Session,
    Span,
    establish_from_afar,
    expect_flight,
    in_shared_lab,
    requirement,
    waits,
)

pytestmark = [in_shared_lab, pytest.mark.usefixtures("no_tail_loss_probe")]

SEGMENTS = 4
SHAKE = "mss 1460,nop,nop,sackOK"
FAR = Span(40 * MS, "FAR", "a round trip")
SECOND, THIRD, FOURTH, BEHIND = (1 + number * IPV4_MSS for number in range(1, SEGMENTS + 1))


@pytest.fixture
def established(session: Session, listener: Endpoint) -> Connection:
    """Opened by the peer, with SACK and without timestamps; four segments are on their way to it."""
    return send_four(session.establish(listener, options=SHAKE))


@pytest.fixture
def distant(session: Session, listener: Endpoint) -> Connection:
    """The same from afar: how long a segment may be out of order is a quarter of the round trip (RFC 8985 6.2).

    Of a round trip that took no time, as one may in virtual time, that is none.
    """
    return send_four(establish_from_afar(session, listener, FAR, options=SHAKE))


def send_four(connection: Connection) -> Connection:
    size = SEGMENTS * IPV4_MSS
    connection.endpoint.set_option("SO_SNDBUF", size)
    assert connection.endpoint.send(bytes(size)) == size
    expect_flight(connection.peer, SEGMENTS, seq=1)
    return connection


@requirement("RFC2018-5-2", "RFC2018-8-1")
@waits(RTO_MIN)
def test_left_edge_is_sent_again_though_it_was_sacked(session: Session, distant: Connection) -> None:
    """The receiver has taken its word back: the ACK has reached the block, and says no more of it (RFC 2018 8)."""
    _, peer = distant
    peer.send_together(
        peer.make(ACK, seq=1, ack=1, options=f"nop,nop,sack {SECOND}:{THIRD}"), peer.make(ACK, seq=1, ack=SECOND)
    )
    peer.expect(ACK, seq=SECOND, ack=1, length=IPV4_MSS, within=session.profile.first_rto())


@requirement("RFC2018-5-1", "RFC2018-5.1-1", "RFC2018-8-1")
@waits(RTO_MIN)
def test_everything_is_sent_again_after_a_receiver_took_its_word_back(session: Session, distant: Connection) -> None:
    _, peer = distant
    session.sysctl("net/ipv4/tcp_frto", 0)
    peer.send_together(
        peer.make(ACK, seq=1, ack=1, options=f"nop,nop,sack {SECOND}:{THIRD}"), peer.make(ACK, seq=1, ack=SECOND)
    )
    peer.expect(ACK, seq=SECOND, ack=1, length=IPV4_MSS, within=session.profile.first_rto())
    peer.send(ACK, seq=1, ack=THIRD)
    peer.expect(ACK, seq=THIRD, ack=1, length=IPV4_MSS)
    peer.expect(ACK, seq=FOURTH, ack=1, length=IPV4_MSS)
    peer.send(ACK, seq=1, ack=BEHIND)


@requirement("RFC5681-3.2-4")
def test_sacked_segments_are_not_sent_again(established: Connection) -> None:
    """Three duplicates with SACK blocks: what is sent again is the hole alone (RFC 6675 5)."""
    _, peer = established
    for edge in (THIRD, FOURTH, BEHIND):
        peer.send(ACK, seq=1, ack=1, options=f"nop,nop,sack {SECOND}:{edge}")
    peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS)
    peer.expect_silence()


@requirement("RFC5681-3.1-2")
@waits(RTO_INIT)
def test_first_flight_is_one_segment_after_the_syn_and_ack_was_lost(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options="mss 1460")
    peer.expect(SYN, seq=0, ack=1)
    peer.expect(SYN, seq=0, ack=1, within=2 * RTO_INIT)
    peer.send(ACK, seq=1, ack=1)
    server = listener.accept()
    server.send(bytes(SEGMENTS * IPV4_MSS))
    peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS)
    peer.expect_silence()


@requirement("RFC6298-5-4", "RFC5681-3.2-4")
@waits(RTO_MIN)
def test_retransmission_that_is_lost_is_sent_again_by_the_timer(session: Session, established: Connection) -> None:
    _, peer = established
    for edge in (THIRD, FOURTH, BEHIND):
        peer.send(ACK, seq=1, ack=1, options=f"nop,nop,sack {SECOND}:{edge}")
    peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS)
    peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS, at_least=PROMPT, within=session.profile.first_rto())
    peer.send(ACK, seq=1, ack=BEHIND)
