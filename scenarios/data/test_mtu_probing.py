"""Finding out by data how large a segment may be where no ICMP message says so (RFC 4821, and Linux' ip-sysctl).

A route of 1500 bytes, and a base size below it, from which the kernel is to search upwards.
"""

from __future__ import annotations

from contextlib import suppress

import pytest

from harness import (
    ACK,
    FLIGHT,
    IPV4_MSS,
    RTO_MIN,
    Between,
    Connection,
    Endpoint,
    Peer,
    Session,
    backoff,
    expect_flight,
    in_shared_lab,
    requirement,
    waits,
)

pytestmark = [in_shared_lab, pytest.mark.usefixtures("no_tail_loss_probe")]

BASE = 1024  # tcp_base_mss, its default
SACK = "mss 1460,nop,nop,sackOK"
DATA = 40 * IPV4_MSS

FIRST_PROBE = 1 + FLIGHT * BASE
"""Where the first probe begins: before it, the congestion window has no room for one."""

PROBED = 2 * FLIGHT - 2
"""How many segments follow a probe after the first flight: it counts as two (RFC 4821 7.4 bounds it by the window)."""


@pytest.fixture
def probing(session: Session) -> Connection:
    """Opened by the kernel, which probes from the beginning on; the data are there, and ten segments on their way."""
    connection = opened(session)
    write(connection.endpoint, DATA)
    expect_flight(connection.peer, FLIGHT, seq=1, size=BASE)
    return connection


def opened(session: Session) -> Connection:
    """Opened by the kernel, which probes from the beginning on; without timestamps, which take from each segment."""
    session.sysctl("net/ipv4/tcp_mtu_probing", 2)
    session.sysctl("net/ipv4/tcp_base_mss", BASE)
    session.sysctl("net/ipv4/tcp_timestamps", 0)
    return session.connect(options=SACK)


def write(client: Endpoint, size: int) -> None:
    """Have it written in one piece: a probe is not made of several records."""
    client.set_option("SO_SNDBUF", 4 * size)
    client.set_option("TCP_NODELAY", 1)
    with client.without_waiting(), suppress(BlockingIOError):
        assert client.send(bytes(size)) == size


def probe_at(connection: Connection, seq: int, least: int = BASE) -> int:
    """Acknowledge what is before it, expect a segment that is longer than any before, and say how long it is."""
    connection.peer.send(ACK, seq=1, ack=seq)
    return len(connection.peer.expect(ACK, seq=seq, ack=1, length=Between(least + 1, IPV4_MSS)).data)


def lose_probe(connection: Connection) -> tuple[int, int]:
    """Have a probe lost and nothing else: its size, and the number behind all that was sent before its data again."""
    peer = connection.peer
    size = probe_at(connection, FIRST_PROBE)
    behind = expect_flight(peer, PROBED, seq=FIRST_PROBE + size, size=BASE)
    peer.send(ACK, seq=1, ack=FIRST_PROBE, options=f"nop,nop,sack {FIRST_PROBE + size}:{behind}")
    expect_flight(peer, 1, seq=FIRST_PROBE, size=BASE)
    peer.expect(ACK, seq=FIRST_PROBE + BASE, ack=1, length=size - BASE)
    return size, behind


def allow_data_from(connection: Connection, seq: int) -> None:
    """Spare the rest of the data, whose segments say nothing more."""
    connection.peer.allow(ACK, seq=Between(seq, 1 + DATA), ack=1, length=Between(1, IPV4_MSS))


@requirement("RFC4821-7.2")
@pytest.mark.parametrize("opening", ["passively", "actively"])
def test_first_segments_are_of_the_base_size(session: Session, listener: Endpoint, opening: str) -> None:
    """``tcp_mtu_probing`` is 2: "use initial MSS of tcp_base_mss" (ip-sysctl)."""
    session.sysctl("net/ipv4/tcp_mtu_probing", 2)
    session.sysctl("net/ipv4/tcp_base_mss", BASE)
    session.sysctl("net/ipv4/tcp_timestamps", 0)
    actively = opening == "actively"
    kernel, peer = session.connect(options=SACK) if actively else session.establish(listener, options=SACK)
    kernel.send(bytes(2 * BASE))
    expect_flight(peer, 2, seq=1, size=BASE)


@requirement("RFC4821-7.3", "RFC4821-7.6.1")
def test_probe_that_arrives_raises_the_size_of_all_that_follow(probing: Connection) -> None:
    size = probe_at(probing, FIRST_PROBE)
    behind = expect_flight(probing.peer, PROBED, seq=FIRST_PROBE + size, size=BASE)
    larger = probe_at(probing, behind, size)
    allow_data_from(probing, expect_flight(probing.peer, 2, seq=behind + larger, size=size))


@requirement("RFC4821-7.4", "RFC4821-7.6.2")
def test_loss_of_a_probe_alone_is_no_sign_of_congestion(probing: Connection) -> None:
    """The data are sent again in segments of the old size, and as many as before may be on their way."""
    _, behind = lose_probe(probing)
    allow_data_from(probing, expect_flight(probing.peer, PROBED // 2, seq=behind, size=BASE))


@requirement("RFC4821-7.3")
def test_search_ends_where_what_is_left_is_less_than_the_threshold(session: Session) -> None:
    session.sysctl("net/ipv4/tcp_probe_threshold", IPV4_MSS)
    client, peer = opened(session)
    write(client, DATA)
    behind = expect_flight(peer, FLIGHT, seq=1, size=BASE)
    peer.send(ACK, seq=1, ack=behind)
    expect_flight(peer, 2 * FLIGHT, seq=behind, size=BASE)
    session.finish()


@requirement("RFC4821-7.6.4")
@waits(RTO_MIN)
def test_probe_that_is_lost_with_all_behind_it_is_sent_again_in_small_segments(
    session: Session, probing: Connection
) -> None:
    peer = probing.peer
    size = probe_at(probing, FIRST_PROBE)
    behind = expect_flight(peer, PROBED, seq=FIRST_PROBE + size, size=BASE)
    peer.expect(ACK, seq=FIRST_PROBE, ack=1, length=BASE, at_least=RTO_MIN, within=session.profile.first_rto())
    peer.send(ACK, seq=1, ack=behind)
    allow_data_from(probing, expect_flight(peer, 2, seq=behind, size=BASE))


# -- a black hole: the router that drops what is too long says nothing


@pytest.fixture
def black_hole(session: Session, listener: Endpoint) -> Connection:
    """``tcp_mtu_probing`` is 1: "enabled when an ICMP black hole detected", after tcp_retries1 timeouts (ip-sysctl)."""
    session.sysctl("net/ipv4/tcp_mtu_probing", 1)
    session.sysctl("net/ipv4/tcp_base_mss", BASE)
    session.sysctl("net/ipv4/tcp_retries1", 1)
    server, peer = session.establish(listener, options=SACK)
    server.send(bytes(IPV4_MSS))
    expect_flight(peer, 1, seq=1)
    return Connection(server, peer)


def expect_again(session: Session, peer: Peer, *lengths: int | Between) -> None:
    """Have the timer run out once for each length, which what is sent again then has."""
    shortest, longest = (backoff(first, len(lengths)) for first in (RTO_MIN, session.profile.first_rto()))
    for length, at_least, within in zip(lengths, shortest, longest, strict=True):
        peer.expect(ACK, seq=1, ack=1, length=length, at_least=at_least, within=within)
    peer.send(ACK, seq=1, ack=1 + IPV4_MSS)


@requirement("RFC4821-7.7", "RFC2923-2.1")
@waits(7 * RTO_MIN)
def test_data_that_never_arrive_are_sent_in_segments_of_the_base_size(session: Session, black_hole: Connection) -> None:
    expect_again(session, black_hole.peer, IPV4_MSS, Between(BASE, IPV4_MSS), Between(1, BASE))


@requirement("RFC4821-7.7", "RFC2923-2.1")
@waits(15 * RTO_MIN)
def test_size_is_halved_where_the_base_size_does_not_arrive_either(session: Session, black_hole: Connection) -> None:
    lengths = (IPV4_MSS, Between(BASE, IPV4_MSS), Between(1, BASE), Between(1, BASE // 2))
    expect_again(session, black_hole.peer, *lengths)
