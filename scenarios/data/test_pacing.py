"""Data that are not sent as fast as they could be, and how much of them waits where (socket(7), tcp(7), ip-sysctl)."""

from __future__ import annotations

import re
import socket

import pytest

from harness import (
    ACK,
    FLIGHT,
    IPV4_MSS,
    MS,
    PROMPT,
    RTO_MIN,
    Between,
    Connection,
    Endpoint,
    Pattern,
    Peer,
    Session,
    Span,
    Unsupported,
    errno_of,
    expect_flight,
    requirement,
    waits,
    write_segments,
)

pytestmark = pytest.mark.usefixtures("no_tail_loss_probe")

PLAIN = "mss 1460"
RATE = 100_000  # bytes a second
LEAST = Span(7 * MS, "LEAST", "half of what a segment takes at that rate: credit for having been idle is never more")
MOST = Span(300 * MS, "MOST", "many times what a segment takes at that rate")
SLOW_RATE = 4_000
MOST_NUMBER = 1 + 2 * FLIGHT * IPV4_MSS
SLOW = Span(600 * MS, "SLOW", "more than what a segment takes at that rate")
LINK_FOUND = Span(900 * MS, "LINK_FOUND", "more than the first two timers together, and less than ARP tries for")
PACED = 6


@pytest.fixture
def established(session: Session, listener: Endpoint) -> Connection:
    """Opened by the peer, without SACK and timestamps."""
    return session.establish(listener, options=PLAIN)


def begin(connection: Connection, rate: int) -> int:
    """Limit the rate, and let the first ten segments pass, which it does not hold up yet: the number behind them."""
    server, peer = connection
    server.set_option("SO_MAX_PACING_RATE", rate)
    write_segments(server, 2 * FLIGHT)
    behind = expect_flight(peer, FLIGHT, seq=1)
    peer.send(ACK, seq=1, ack=behind)
    return behind


def expect_paced(peer: Peer, count: int, seq: int) -> int:
    """Expect segments that follow each other no faster than the rate allows: the number behind them."""
    peer.expect(ACK, seq=seq, ack=1, length=IPV4_MSS)
    for number in range(seq + IPV4_MSS, seq + count * IPV4_MSS, IPV4_MSS):
        peer.expect(ACK, seq=number, ack=1, length=IPV4_MSS, at_least=LEAST, within=MOST)
    return seq + count * IPV4_MSS


def pace_on_device(session: Session, peer_address: str) -> str:
    """Have the device hold segments until their time has come (tc-fq(8)): its name."""
    device = session.run(["ip", "route", "get", peer_address]).stdout.split(" dev ")[1].split()[0]
    ran = session.run(["tc", "qdisc", "replace", "dev", device, "root", "fq"])
    if ran.status:
        raise Unsupported("no fair queueing", why=ran.stderr.strip(), hint="modprobe sch_fq")
    return device


@requirement("RFC9293-MUST-19")
def test_segments_follow_each_other_no_faster_than_the_rate_that_is_set(established: Connection) -> None:
    """SO_MAX_PACING_RATE: "limits the pacing rate" of the socket, in bytes a second (tc-fq(8))."""
    behind = begin(established, RATE)
    expect_paced(established.peer, PACED, behind)
    established.peer.allow(ACK, ack=1, length=IPV4_MSS)


@requirement("RFC9293-MUST-19")
def test_device_holds_no_more_than_two_segments_of_a_connection(session: Session, established: Connection) -> None:
    """The rest waits in the socket: "Small Queue limit per tcp socket" (ip-sysctl, ``tcp_limit_output_bytes``)."""
    device = pace_on_device(session, session.peer_address)
    behind = begin(established, RATE)
    told = session.run(["tc", "-s", "qdisc", "show", "dev", device]).stdout
    waiting = re.search(r"backlog \d+b (\d+)p", told)
    assert waiting is not None
    assert 1 <= int(waiting[1]) <= 2
    expect_paced(established.peer, PACED, behind)
    established.peer.allow(ACK, ack=1, length=IPV4_MSS)


@requirement("RFC6298-5-4")
@waits(3 * SLOW)
def test_segment_that_still_waits_in_the_device_is_not_sent_again(session: Session, established: Connection) -> None:
    """The timer runs out before the segment has left this machine."""
    pace_on_device(session, session.peer_address)
    behind = begin(established, SLOW_RATE)
    for seq in (behind, behind + IPV4_MSS, behind + 2 * IPV4_MSS):
        established.peer.expect(ACK, seq=seq, ack=1, length=IPV4_MSS, at_least=RTO_MIN, within=SLOW)
        established.peer.send(ACK, seq=1, ack=seq + IPV4_MSS)
    established.peer.allow(ACK, seq=Between(behind + 3 * IPV4_MSS, MOST_NUMBER), ack=1, length=IPV4_MSS)


@requirement("RFC6298-5-4", "RFC1122-2.3.2.2")
@waits(LINK_FOUND)
@pytest.mark.parametrize("probes", [0, 3], ids=["timer", "tail-loss-probe"])
def test_segment_that_waits_for_a_link_address_is_not_sent_again(
    session: Session, listener: Endpoint, probes: int
) -> None:
    """Nobody says where the peer is until the timer has run out twice: the segment has not left this machine (ARP).

    When it does, it may be sent once more, and not as often as the timer ran out.
    """
    session.sysctl("net/ipv4/tcp_early_retrans", probes)
    server, peer = session.establish(listener, options="mss 1460,nop,nop,sackOK")
    address, _, device, _, link, _ = session.run(["ip", "neigh", "show", session.peer_address]).stdout.split()
    session.run(["ip", "neigh", "delete", address, "dev", device])
    server.send(b"waits")
    peer.expect_silence(LINK_FOUND)
    session.run(["ip", "neigh", "replace", address, "lladdr", link, "dev", device, "nud", "permanent"])
    seen = peer.expect_count(Pattern(ACK, seq=1, ack=1, data=b"waits"), at_least=1, at_most=2, within=PROMPT)
    assert len(seen) == 1 + int(server.tcp_info("total_retrans"))  # as often as the kernel has sent it
    peer.send(ACK, seq=1, ack=6)


@requirement("RFC9293-3.9.1")
def test_socket_takes_no_more_than_may_wait_unsent(session: Session, established: Connection) -> None:
    """TCP_NOTSENT_LOWAT: what is not sent yet is bounded, however large the buffer is (ip-sysctl)."""
    server, peer = established
    server.set_option("SO_SNDBUF", 64 * IPV4_MSS)
    server.set_option("TCP_NOTSENT_LOWAT", IPV4_MSS)
    with server.without_waiting():
        came = [errno_of(lambda: server.send(bytes(IPV4_MSS), socket.MSG_EOR)) for _ in range(2 * FLIGHT)]
        assert came[:FLIGHT] == FLIGHT * [""]
        assert came[FLIGHT + 2 :] == (FLIGHT - 2) * ["EAGAIN"]
        behind = expect_flight(peer, FLIGHT, seq=1)
        peer.allow(ACK, seq=Between(behind, MOST_NUMBER), ack=1, length=IPV4_MSS)
        peer.send(ACK, seq=1, ack=behind)
        session.settle()
        server.send(bytes(IPV4_MSS))
