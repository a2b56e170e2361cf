"""Explicit congestion notification: negotiating it, marking, echoing, answering (RFC 3168 6.1).

Labs have it switched off, as distributions differ; here the administrator switches it on.
"""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    CWR,
    ECE,
    FLIGHT,
    IPV4_MSS,
    RTO_MIN,
    SYN,
    Connection,
    Endpoint,
    Envelope,
    Flags,
    Pattern,
    Peer,
    Session,
    both_families,
    expect_flight,
    in_shared_lab,
    requirement,
    waits,
    write_segments,
)

pytestmark = in_shared_lab

NOT_ECT, ECT_0, CE = 0, 2, 3  # the two bits of the IP header (RFC 3168 5)
MARKED = Envelope(traffic_class=CE)
CAPABLE = Envelope(traffic_class=ECT_0)
PLAIN = "mss 1460"
HALF = FLIGHT // 2
FAR_LEFT = -100_000  # of the window


@pytest.fixture
def listener(session: Session) -> Endpoint:
    """A listening socket of a kernel that does ECN."""
    made = session.listen()
    session.sysctl("net/ipv4/tcp_ecn", 1)
    return made


@pytest.fixture
def established(session: Session, listener: Endpoint) -> Connection:
    """Opened by the peer, with ECN, and without any option but the MSS."""
    peer = session.new_peer(listener.port)
    peer.send(SYN | ECE | CWR, seq=0, options=PLAIN)
    peer.expect(SYN | ECE, seq=0, ack=1)
    peer.send(ACK, seq=1, ack=1)
    return Connection(listener.accept(), peer)


@pytest.fixture
def asking(session: Session) -> Connection:
    """A client that has asked for ECN in its SYN."""
    client = session.socket()
    session.sysctl("net/ipv4/tcp_ecn", 1)
    peer = session.new_peer(client.port)
    client.connect(peer, wait=False)
    peer.expect(SYN | ECE | CWR, seq=0)
    return Connection(client, peer)


def flight(connection: Connection, written: int = 4 * FLIGHT) -> int:
    """Ten full segments of the server's, and perhaps more to come; the number behind them."""
    server, peer = connection
    write_segments(server, written)
    return expect_flight(peer, FLIGHT, seq=1)


# -- negotiation


@requirement("RFC3168-6.1.1-1", "RFC3168-6.1.1-5", "RFC9293-SHLD-8")
@both_families
def test_client_asks_with_both_flags_in_a_syn_that_is_not_ect(asking: Connection) -> None:
    _, peer = asking
    assert peer.judged_header.ecn == NOT_ECT


@requirement("RFC3168-6.1.1-2", "RFC3168-6.1.1-5", "RFC9293-SHLD-8")
@both_families
def test_server_agrees_with_ece_in_a_syn_and_ack_that_is_not_ect(session: Session, listener: Endpoint) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN | ECE | CWR, seq=0)
    peer.expect(SYN | ECE, seq=0, ack=1)
    assert peer.judged_header.ecn == NOT_ECT


@requirement("RFC3168-6.1.1-3")
@both_families
@pytest.mark.parametrize("flags", [SYN, SYN | ECE, SYN | CWR], ids=["plain", "ECE", "CWR"])
def test_server_does_not_agree_to_what_was_not_asked(session: Session, listener: Endpoint, flags: Flags) -> None:
    peer = session.new_peer(listener.port)
    peer.send(flags, seq=0)
    peer.expect(SYN, seq=0, ack=1)


@requirement("RFC3168-6.1.1-4")
@both_families
def test_data_are_ect_after_both_agreed(established: Connection) -> None:
    server, peer = established
    server.send(b"data")
    peer.expect(ACK, seq=1, ack=1, data=b"data")
    assert peer.judged_header.ecn == ECT_0


@requirement("RFC3168-6.1.1-4", "RFC3168-6.1.1-6")
@both_families
@pytest.mark.parametrize(
    ("flags", "codepoint"),
    [(ECE, ECT_0), (Flags.NONE, NOT_ECT), (CWR, NOT_ECT), (ECE | CWR, NOT_ECT)],
    ids=["agreed", "refused", "CWR-alone", "reflected"],
)
def test_data_are_ect_only_where_the_server_agreed(asking: Connection, flags: Flags, codepoint: int) -> None:
    client, peer = asking
    peer.send(SYN | flags, seq=0, ack=1, options=PLAIN)
    reply = peer.expect_one_of(classic=Pattern(ACK, seq=1, ack=1), accurate=Pattern(ACK | CWR, seq=1, ack=1))
    reply.require("classic")
    client.send(b"data")
    peer.expect(ACK, seq=1, ack=1, data=b"data")
    assert peer.judged_header.ecn == codepoint


# -- receiving


@requirement("RFC3168-6.1.3-1", "RFC3168-6.1.4-1")
@both_families
def test_congestion_is_echoed_until_the_peer_has_reduced(established: Connection) -> None:
    _, peer = established
    peer.send_as(MARKED, peer.make(ACK, seq=1, ack=1, data=b"abcd"))
    peer.expect(ACK | ECE, seq=1, ack=5)
    assert peer.judged_header.ecn == NOT_ECT
    peer.send_as(CAPABLE, peer.make(ACK, seq=5, ack=1, data=b"efgh"))
    peer.expect(ACK | ECE, seq=1, ack=9)
    peer.send_as(CAPABLE, peer.make(ACK | CWR, seq=9, ack=1, data=b"ijkl"))
    peer.expect(ACK, seq=1, ack=13)


@requirement("RFC3168-6.1.3-1")
@both_families
def test_congestion_is_not_echoed_without_negotiation(session: Session, listener: Endpoint) -> None:
    _, peer = session.establish(listener)
    peer.send_as(MARKED, peer.make(ACK, seq=1, ack=1, data=b"abcd"))
    peer.expect(ACK, seq=1, ack=5)


@requirement("RFC3168-6.1.5-2")
@both_families
def test_congestion_on_a_segment_outside_the_window_is_ignored(established: Connection) -> None:
    _, peer = established
    peer.send_as(MARKED, peer.make(ACK, seq=FAR_LEFT, ack=1, data=b"old"))
    peer.expect(ACK, seq=1, ack=1)
    peer.send_as(CAPABLE, peer.make(ACK, seq=1, ack=1, data=b"abcd"))
    peer.expect(ACK, seq=1, ack=5)


# -- sending


def acknowledge(peer: Peer, segments: int, flags: Flags = ACK) -> None:
    """Acknowledge that many of the full segments sent so far."""
    peer.send(ACK | flags, seq=1, ack=1 + segments * IPV4_MSS)


@requirement("RFC3168-6.1.2-1", "RFC3168-6.1.2-2")
def test_sender_halves_its_flight_once_a_window_and_tells_once(established: Connection) -> None:
    """Ten in flight become five, however many ACKs of the same window tell of congestion (RFC 5681 3.1, eq. 4)."""
    _, peer = established
    behind = flight(established)
    for segments in range(1, FLIGHT + 1):
        acknowledge(peer, segments, ECE)
    peer.expect(ACK | CWR, seq=behind, ack=1, length=IPV4_MSS)
    following = behind + IPV4_MSS
    expect_flight(peer, HALF - 1, seq=following)
    peer.expect_silence()


@requirement("RFC3168-6.1.5-1", "RFC3168-6.1.2-3")
def test_retransmission_is_neither_ect_nor_cwr(established: Connection) -> None:
    _, peer = established
    flight(established, written=FLIGHT)
    for _ in range(4):
        acknowledge(peer, 1)
    again = 1 + IPV4_MSS
    peer.expect(ACK, seq=again, ack=1, length=IPV4_MSS)
    assert peer.judged_header.ecn == NOT_ECT


@requirement("RFC3168-6.1.6-1")
@pytest.mark.usefixtures("no_tail_loss_probe")
@waits(RTO_MIN)
def test_window_probe_is_neither_ect_nor_cwr(session: Session, established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"!")
    peer.expect(ACK, seq=1, ack=2)
    peer.send(ACK, seq=2, ack=1, data=b"!", window=0)
    peer.expect(ACK, seq=1, ack=3)
    server.send(b"waits")
    peer.expect(ACK, seq=0, ack=3, within=session.profile.first_rto())
    assert peer.judged_header.ecn == NOT_ECT
