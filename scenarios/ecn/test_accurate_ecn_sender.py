"""Accurate ECN, the sender's side: what the peer counts makes the sender slower (RFC 9768 3.2.2.5, A.1 and A.2).

Three flags count the marked packets modulo eight. What they leave open, the option that counts bytes decides.
"""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    CWR,
    ECE,
    FLIGHT,
    IPV4_MSS,
    NONE,
    SYN,
    Connection,
    Flags,
    Session,
    Unsupported,
    in_shared_lab,
    requirement,
    write_segments,
)

pytestmark = [in_shared_lab, pytest.mark.usefixtures("no_tail_loss_probe")]

AE = Flags.AE
ASKING = 3  # tcp_ecn: ask for Accurate ECN, and agree to it (ip-sysctl.rst)
NO_OPTION = 0  # tcp_ecn_option: the kernel sends none, so that its data fill its segments
COUNTS = (AE | ECE, AE | CWR, AE | CWR | ECE, NONE, ECE, CWR, CWR | ECE, AE)
"""What the three flags are behind that many marked packets: five, and on from there modulo eight (RFC 9768 3.2.1)."""


def bytes_marked(marked: int, *, delivered: int, kind: int = 172) -> str:
    """The option that counts bytes: of full segments, so many were marked CE, and the others ECT(0).

    Args:
        marked: segments.
        delivered: segments, marked or not.
        kind: 172 begins with those of ECT(0), 174 ends with them (RFC 9768 3.2.3).
    """
    fields = [f"{1 + (delivered - marked) * IPV4_MSS:06x}", f"{marked * IPV4_MSS:06x}", f"{1:06x}"]
    return f"opt {kind} {''.join(fields if kind == 172 else reversed(fields))}"


@pytest.fixture
def sending(session: Session) -> Connection:
    """A connection with Accurate ECN, opened by the peer, and a first flight on its way, with more behind it."""
    listener = session.listen()
    session.sysctl("net/ipv4/tcp_ecn_option", NO_OPTION)
    try:
        session.sysctl("net/ipv4/tcp_ecn", ASKING)
    except OSError as error:
        raise Unsupported("this kernel has no Accurate ECN", why=f"it does not take tcp_ecn={ASKING}") from error
    peer = session.new_peer(listener.port)
    peer.send(SYN | AE | CWR | ECE, seq=0, options="mss 1460,nop,nop,sackOK")
    peer.expect(SYN | CWR, seq=0, ack=1)
    peer.send(ACK | CWR, seq=1, ack=1, options=bytes_marked(0, delivered=0))
    server = listener.accept()
    server.set_option("TCP_CONGESTION", "reno")
    write_segments(server, 4 * FLIGHT)
    for number in range(FLIGHT):
        peer.expect(ACK | COUNTS[0], seq=1 + number * IPV4_MSS, ack=1, length=IPV4_MSS)
    return Connection(server, peer)


BEHIND = 1 + FLIGHT * IPV4_MSS


def expect_more(connection: Connection, segments: int, *, behind: int = FLIGHT) -> None:
    """That many segments of new data, and no more, behind those that came before."""
    for number in range(behind, behind + segments):
        connection.peer.expect(ACK | COUNTS[0], seq=1 + number * IPV4_MSS, ack=1, length=IPV4_MSS)


@requirement("RFC9768-3.2.2-1", "RFC9768-3.1.5-2")
def test_window_grows_where_no_packet_was_marked(sending: Connection) -> None:
    sending.peer.send(ACK | COUNTS[0], seq=1, ack=BEHIND)
    expect_more(sending, 2 * FLIGHT)


@requirement("RFC9768-3.2.2-1", "RFC5681-3.1-6")
def test_marked_packet_halves_the_window(sending: Connection) -> None:
    sending.peer.send(ACK | COUNTS[1], seq=1, ack=BEHIND)
    expect_more(sending, FLIGHT // 2)


@requirement("RFC9768-3.2.2-1", "RFC3168-6.1.2-1")
def test_marks_of_one_round_trip_halve_the_window_once(session: Session, sending: Connection) -> None:
    server, peer = sending
    half = FLIGHT // 2
    for marked, arrived in ((1, 2), (2, 4), (3, FLIGHT)):
        peer.send(ACK | COUNTS[marked], seq=1, ack=1 + arrived * IPV4_MSS)
    session.settle()
    on_their_way = int(server.tcp_info("unacked"))
    assert on_their_way == half
    expect_more(sending, half)
    assert server.tcp_info("delivered_ce") == 3


@requirement("RFC9768-3.2.2-1")
@pytest.mark.parametrize("marked", range(1, 8))
def test_packets_marked_since_are_counted_modulo_eight(session: Session, sending: Connection, marked: int) -> None:
    """Seven packets at most have arrived since the last count, so it leaves nothing open (RFC 9768 A.1)."""
    server, peer = sending
    peer.send(ACK | COUNTS[marked], seq=1, ack=1 + 7 * IPV4_MSS)
    session.settle()
    assert server.tcp_info("delivered_ce") == marked
    expect_more(sending, FLIGHT // 2 - 3)  # three of ten are still on their way


@requirement("RFC9768-3.2.2-1", "RFC9768-3.2.3-1")
@pytest.mark.parametrize("kind", [172, 174])
@pytest.mark.parametrize("marked", [0, 8])
def test_bytes_tell_none_from_eight(session: Session, sending: Connection, marked: int, kind: int) -> None:
    """The three flags are the same where none of eight packets was marked, and all (RFC 9768 A.2.1)."""
    server, peer = sending
    peer.send(ACK | COUNTS[2], seq=1, ack=1 + 2 * IPV4_MSS, options=bytes_marked(2, delivered=2, kind=kind))
    told = bytes_marked(2 + marked, delivered=FLIGHT, kind=kind)
    peer.send(ACK | COUNTS[2], seq=1, ack=BEHIND, options=told)
    session.settle()
    assert server.tcp_info("delivered_ce") == 2 + marked
    expect_more(sending, FLIGHT // 2)


@requirement("RFC9768-3.2.2-1", "RFC9768-3.2.3-1", "RFC5681-3.1-6")
@pytest.mark.parametrize("marked", [4, 12, 20])
def test_bytes_tell_how_often_the_count_went_round(session: Session, sending: Connection, marked: int) -> None:
    server, peer = sending
    peer.send(ACK | COUNTS[0], seq=1, ack=BEHIND, options=bytes_marked(0, delivered=FLIGHT))
    expect_more(sending, 2 * FLIGHT)
    told = bytes_marked(marked, delivered=3 * FLIGHT)
    peer.send(ACK | COUNTS[4], seq=1, ack=1 + 3 * FLIGHT * IPV4_MSS, options=told)
    session.settle()
    assert server.tcp_info("delivered_ce") == marked
    expect_more(sending, FLIGHT, behind=3 * FLIGHT)
