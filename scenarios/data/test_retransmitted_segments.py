"""What a segment is that is sent again: put together from small ones, without what has arrived, within the window."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    DELACK_LIMIT,
    IPV4_MSS,
    MS,
    PROMPT,
    RTO_MIN,
    Connection,
    Endpoint,
    Peer,
    Session,
    Span,
    establish_from_afar,
    expect_flight,
    in_shared_lab,
    requirement,
    waits,
    write_segments,
)

pytestmark = [in_shared_lab, pytest.mark.usefixtures("no_tail_loss_probe")]

SACK = "mss 1460,nop,nop,sackOK"
SMALL = (b"one, ", b"two, ", b"three")
TOGETHER = b"".join(SMALL)
FAR = Span(80 * MS, "FAR", "a round trip")


@pytest.fixture
def established(session: Session, listener: Endpoint) -> Connection:
    """Opened by the peer, with SACK and without timestamps; small segments do not wait."""
    return without_delay(session.establish(listener, options=SACK))


@pytest.fixture
def distant(session: Session, listener: Endpoint) -> Connection:
    """The same from afar, so that a segment counts as lost a quarter of the round trip later (RFC 8985 6.2).

    The retransmission timer, which would send it a second time, is far behind that.
    """
    return without_delay(establish_from_afar(session, listener, FAR, options=SACK))


def without_delay(connection: Connection) -> Connection:
    connection.endpoint.set_option("TCP_NODELAY", 1)
    return connection


def write(connection: Connection, pieces: tuple[bytes, ...]) -> int:
    """Have each sent in a segment of its own: the number behind them."""
    behind = 1
    for piece in pieces:
        connection.endpoint.send(piece)
        connection.peer.expect(ACK, seq=behind, ack=1, data=piece)
        behind += len(piece)
    return behind


# -- put together


@requirement("RFC9293-3.10.8")
@waits(RTO_MIN)
@pytest.mark.parametrize("collapse", [1, 0], ids=["put-together", "as-before"])
def test_small_segments_are_sent_again_in_one_where_that_is_set(
    session: Session, established: Connection, collapse: int
) -> None:
    """``tcp_retrans_collapse``: "On retransmit try to send bigger packets" (ip-sysctl)."""
    session.sysctl("net/ipv4/tcp_retrans_collapse", collapse)
    behind = write(established, SMALL)
    peer = established.peer
    peer.expect(ACK, seq=1, ack=1, data=TOGETHER if collapse else SMALL[0], within=session.profile.first_rto())
    peer.send(ACK, seq=1, ack=behind)


@requirement("RFC9293-3.10.8", "RFC9293-3.7.1")
@waits(RTO_MIN)
def test_segment_that_is_put_together_is_no_longer_than_a_full_one(session: Session, established: Connection) -> None:
    half = bytes(IPV4_MSS // 2)
    behind = write(established, (half, half, half))
    peer = established.peer
    peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS, within=session.profile.first_rto())
    peer.send(ACK, seq=1, ack=behind)


@requirement("RFC2018-5", "RFC9293-3.10.8")
@waits(FAR, FAR)
def test_segment_that_is_sacked_is_not_put_together_with_others(distant: Connection) -> None:
    behind = write(distant, SMALL)
    peer = distant.peer
    first = 1 + len(SMALL[0])
    peer.send(ACK, seq=1, ack=1, options=f"nop,nop,sack {first}:{first + len(SMALL[1])}")
    peer.expect(ACK, seq=1, ack=1, data=SMALL[0], within=FAR)
    peer.send(ACK, seq=1, ack=behind)


# -- without what has arrived


@requirement("RFC9293-3.10.7.4")
@waits(RTO_MIN)
def test_part_that_was_acknowledged_is_not_sent_again(session: Session, established: Connection) -> None:
    server, peer = established
    server.send(bytes(IPV4_MSS))
    behind = expect_flight(peer, 1, seq=1)
    middle = 1 + IPV4_MSS // 2
    peer.send(ACK, seq=1, ack=middle)
    peer.expect(ACK, seq=middle, ack=1, length=behind - middle, within=session.profile.first_rto())
    peer.send(ACK, seq=1, ack=behind)


# -- within a window that was shrunk


def shrink(peer: Peer, behind: int, window: int, sack: str = "") -> None:
    """Offer less than before: behind data, or the kernel takes it for an ACK that was overtaken (RFC 9293 3.10.7.4)."""
    peer.send(ACK, seq=1, ack=1, data=b"x")
    peer.expect(ACK, seq=behind, ack=2, within=DELACK_LIMIT)
    peer.send(ACK, seq=2, ack=1, window=window, options=sack)


@requirement("RFC9293-MUST-34", "RFC9293-SHLD-17")
@waits(RTO_MIN)
@pytest.mark.parametrize("window", [700, IPV4_MSS, IPV4_MSS + 700])
def test_no_more_is_sent_again_than_the_window_takes(session: Session, established: Connection, window: int) -> None:
    server, peer = established
    server.send(bytes(2 * IPV4_MSS))
    behind = expect_flight(peer, 2, seq=1)
    shrink(peer, behind, window)
    peer.expect(ACK, seq=1, ack=2, length=min(window, IPV4_MSS), within=session.profile.first_rto())
    peer.send(ACK, seq=2, ack=behind)


@requirement("RFC9293-MUST-34", "RFC9293-SHLD-17")
def test_hole_beyond_the_window_waits_until_it_opens(established: Connection) -> None:
    """The first and the third of six segments are missing; the window is shrunk to the first."""
    server, peer = established
    write_segments(server, 6)
    expect_flight(peer, 6, seq=1)
    second, third, fourth, behind = (1 + segments * IPV4_MSS for segments in (1, 2, 3, 6))
    shrink(peer, behind, IPV4_MSS, f"nop,nop,sack {fourth}:{behind} {second}:{third}")
    expect_flight(peer, 1, seq=1, ack=2)
    peer.expect_silence(PROMPT)
    peer.send(ACK, seq=2, ack=third, window=IPV4_MSS, options=f"nop,nop,sack {fourth}:{behind}")
    expect_flight(peer, 1, seq=third, ack=2)
    peer.send(ACK, seq=2, ack=behind)
