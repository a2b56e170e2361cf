"""How much is sent while a loss is repaired, and after it, by what controls the window.

Proportional rate reduction (RFC 6937): as many as the module leaves of those that arrive. Reno leaves a half (RFC 5681
3.1), CUBIC seven tenths (RFC 9438 4.6), and DCTCP a half as long as it has seen no marks (RFC 8257 3.3, 3.5).
"""

from __future__ import annotations

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
    Session,
    Span,
    Unsupported,
    establish_from_afar,
    expect_flight,
    in_shared_lab,
    requirement,
    wait_from_afar,
    waits,
    write_segments,
)

pytestmark = [in_shared_lab, pytest.mark.usefixtures("steady", "no_tail_loss_probe")]

FAR = Span(80 * MS, "FAR", "a round trip")
RTO = Span(FAR.ns + RTO_MIN.ns, "RTO", "RFC 6298 2.3, with RTO_MIN for four variations (tcp_rtt_estimator)")
WINDOW = 2 * FLIGHT
LIMITED = 2  # segments that the first two duplicates let out (RFC 3042)
LEFT = {"reno": FLIGHT, "cubic": 14, "dctcp": FLIGHT}
"""Segments that are left of a window of twenty."""

by_module = pytest.mark.parametrize("module", LEFT)


def at(segments: int) -> int:
    """The number behind that many full segments."""
    return 1 + segments * IPV4_MSS


def choose(server: Endpoint, module: str) -> None:
    """Have that module control the window."""
    try:
        server.set_option("TCP_CONGESTION", module)
    except OSError as error:
        raise Unsupported(f"this kernel has no {module}", why=str(error), hint=f"modprobe tcp_{module}") from None


@pytest.fixture
def full(session: Session, listener: Endpoint, module: str) -> Connection:
    """A window of twenty segments is on its way, behind ten that have arrived; forty more wait."""
    server, peer = establish_from_afar(session, listener, FAR, options="mss 1460,nop,nop,sackOK")
    choose(server, module)
    write_segments(server, 7 * FLIGHT)
    behind = expect_flight(peer, FLIGHT, seq=1)
    wait_from_afar(peer, FAR)
    peer.send(ACK, seq=1, ack=behind)
    expect_flight(peer, WINDOW, seq=at(FLIGHT))
    wait_from_afar(peer, FAR)
    return Connection(server, peer)


def sack(connection: Connection, first: int, last: int) -> None:
    """Tell of segments that arrive one by one; the first of the window is missing."""
    for edge in range(first, last + 1):
        options = f"nop,nop,sack {at(FLIGHT + 1)}:{at(FLIGHT + 1 + edge)}"
        connection.peer.send(ACK, seq=1, ack=at(FLIGHT), options=options)


def lose_first(connection: Connection) -> int:
    """Four arrive behind it, and it is sent again: the number behind all that the four have let out."""
    server, peer = connection
    for arrived in range(1, 1 + LIMITED):
        sack(connection, arrived, arrived)
        expect_flight(peer, 1, seq=at(FLIGHT + WINDOW + arrived - 1))
    sack(connection, 3, 4)
    peer.expect(ACK, seq=at(FLIGHT), ack=1, length=IPV4_MSS)
    more = peer.expect_count(NEW, at_most=2, within=PROMPT)
    assert len(more) == int(server.tcp_info("unacked")) - WINDOW - LIMITED  # as many as the kernel has sent
    return at(FLIGHT + WINDOW + LIMITED + len(more))


NEW = Pattern(ACK, seq=Between(at(FLIGHT + WINDOW), at(7 * FLIGHT)), ack=1, length=IPV4_MSS)


@requirement("RFC6937-3", "RFC9438-4.6", "RFC8257-3.5")
@by_module
def test_as_many_are_sent_of_those_that_arrive_as_the_module_leaves(full: Connection, module: str) -> None:
    lose_first(full)
    sack(full, 5, 4 + FLIGHT)
    share = FLIGHT * LEFT[module] // WINDOW
    full.peer.expect_count(NEW, at_least=share, at_most=share, within=PROMPT)


@requirement("RFC5681-3.1-6", "RFC9438-4.6", "RFC8257-3.5")
@waits(RTO, 3 * FAR)
@by_module
def test_timeout_leaves_one_segment_whatever_the_module(session: Session, full: Connection) -> None:
    session.sysctl("net/ipv4/tcp_frto", 0)
    peer = full.peer
    peer.expect(ACK, seq=at(FLIGHT), ack=1, length=IPV4_MSS, after=RTO)
    session.finish()
    peer.send(ACK, seq=1, ack=at(FLIGHT + 1))
    expect_flight(peer, 2, seq=at(FLIGHT + 1))
    session.finish()


@requirement("RFC9293-MUST-19")
@pytest.mark.parametrize("module", ["bbr"])
def test_bbr_sends_as_many_as_arrive_in_the_first_round_trip_of_recovery(full: Connection) -> None:
    """One loss does not make it slower: "packet conservation" (bbr_set_cwnd_to_recover_or_restore, tcp_bbr.c)."""
    lose_first(full)
    sack(full, 5, 4 + FLIGHT)
    full.peer.expect_count(NEW, at_least=FLIGHT, at_most=FLIGHT, within=PROMPT)
