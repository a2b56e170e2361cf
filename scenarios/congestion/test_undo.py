"""Undoing what was done for a loss that was none: by time stamps (RFC 3522, 4015), and by D-SACK (RFC 2883, 3708)."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    FLIGHT,
    IPV4_MSS,
    MS,
    RTO_MIN,
    TIMESTAMPS_LENGTH,
    Between,
    Connection,
    Endpoint,
    Segment,
    Session,
    Span,
    establish_from_afar,
    expect_flight,
    expect_window,
    in_shared_lab,
    requirement,
    wait_from_afar,
    waits,
    write_segments,
)

pytestmark = [in_shared_lab, pytest.mark.usefixtures("steady", "no_tail_loss_probe")]

STAMPED = IPV4_MSS - TIMESTAMPS_LENGTH
FAR = Span(80 * MS, "FAR", "a round trip: many ticks of the kernel's time stamps, so that two of its segments differ")
RTO = Span(FAR.ns + RTO_MIN.ns, "RTO", "RFC 6298 2.3, with RTO_MIN for four variations (tcp_rtt_estimator)")
CLOCK = 1_000_000  # of the peer, later than any of its time stamps so far
LIMITED = 2  # segments that the first two duplicates let out (RFC 3042)
REDUCED = FLIGHT // 2  # RFC 5681 3.1, equation 4


def number(segments: int, size: int = STAMPED) -> int:
    """The number behind that many full segments."""
    return 1 + segments * size


def sent_at(segment: Segment) -> int:
    """The kernel's time stamp."""
    option = segment.option("TS")
    assert option is not None
    return option.values[0]


def begin(session: Session, listener: Endpoint, *, sack: str = "nop,nop") -> tuple[Connection, int]:
    """Have ten segments sent of thirty that wait: the connection, and the time stamp that they have."""
    connection = establish_from_afar(session, listener, FAR, options=f"mss 1460,{sack},TS val 1 ecr 0")
    write_segments(connection.endpoint, 3 * FLIGHT, size=STAMPED)
    first = connection.peer.expect(ACK, seq=1, ack=1, length=STAMPED)
    expect_flight(connection.peer, FLIGHT - 1, seq=number(1), size=STAMPED)
    wait_from_afar(connection.peer, FAR)
    return connection, sent_at(first)


def acknowledge(connection: Connection, segments: int, echoed: int, sack: str = "") -> None:
    """An ACK that says by which of the kernel's segments it was caused."""
    connection.peer.send(ACK, seq=1, ack=number(segments), options=f"nop,nop,TS val {CLOCK} ecr {echoed}{sack}")


# -- by time stamps


def recover(connection: Connection, first: int) -> int:
    """Three duplicates have the first segment sent again: with which time stamp."""
    for segment in range(LIMITED):
        acknowledge(connection, 0, first)
        expect_flight(connection.peer, 1, seq=number(FLIGHT + segment), size=STAMPED)
    acknowledge(connection, 0, first)
    return sent_at(connection.peer.expect(ACK, seq=1, ack=1, length=STAMPED))


@requirement("RFC3522-3.2", "RFC4015-3.4")
def test_echo_of_the_first_sending_undoes_fast_recovery(session: Session, listener: Endpoint) -> None:
    """It has arrived, and only late: as many as before may be on their way (RFC 4015 3.4, step DONE)."""
    connection, first = begin(session, listener)
    recover(connection, first)
    acknowledge(connection, FLIGHT + LIMITED, first)
    expect_flight(connection.peer, FLIGHT, seq=number(FLIGHT + LIMITED), size=STAMPED)
    session.finish()


@requirement("RFC3522-3.2", "RFC5681-3.2-5")
def test_echo_of_the_second_sending_undoes_nothing(session: Session, listener: Endpoint) -> None:
    connection, first = begin(session, listener)
    again = recover(connection, first)
    acknowledge(connection, FLIGHT + LIMITED, again)
    expect_flight(connection.peer, REDUCED, seq=number(FLIGHT + LIMITED), size=STAMPED)
    session.finish()


@requirement("RFC3522-3.2", "RFC4015-3.4")
def test_echo_of_the_first_sending_in_a_partial_ack_has_new_data_sent(session: Session, listener: Endpoint) -> None:
    """Nothing more counts as lost, though not all is acknowledged that was sent before."""
    connection, first = begin(session, listener)
    recover(connection, first)
    acknowledge(connection, 3, first)
    expect_flight(connection.peer, 3, seq=number(FLIGHT + LIMITED), size=STAMPED)
    session.finish()


@requirement("RFC3522-3.2", "RFC6675-5")
@pytest.mark.parametrize("echoed", ["first", "second"])
def test_hole_behind_a_partial_ack_is_filled_only_if_the_loss_was_real(
    session: Session, listener: Endpoint, echoed: str
) -> None:
    """The third segment is missing as well, and has not been sent again yet."""
    connection, first = begin(session, listener, sack="sackOK")
    acknowledge(connection, 0, first, f",nop,nop,sack {number(3)}:{number(6)}")
    again = sent_at(connection.peer.expect(ACK, seq=1, ack=1, length=STAMPED))
    hole, unsacked = 2, FLIGHT + 1 if echoed == "first" else 6
    connection.peer.allow(ACK, seq=Between(number(unsacked), number(3 * FLIGHT)), ack=1, length=STAMPED)
    acknowledge(connection, hole, first if echoed == "first" else again, f",nop,nop,sack {number(3)}:{number(6)}")
    connection.peer.expect(ACK, seq=number(FLIGHT if echoed == "first" else hole), ack=1, length=STAMPED)
    session.finish()


@requirement("RFC3522-3.2", "RFC4015-3.1")
@waits(RTO, FAR, FAR)
@pytest.mark.parametrize("echoed", ["first", "second"])
def test_echo_after_a_timeout_says_what_is_sent_next(session: Session, listener: Endpoint, echoed: str) -> None:
    """New data where the timer ran out too early (RFC 4015 3.1, step 0), else the next one again."""
    session.sysctl("net/ipv4/tcp_frto", 0)
    connection, first = begin(session, listener)
    again = connection.peer.expect(ACK, seq=1, ack=1, length=STAMPED, after=RTO)
    acknowledge(connection, 1, first if echoed == "first" else sent_at(again))
    expect_flight(connection.peer, 2, seq=number(FLIGHT if echoed == "first" else 1), size=STAMPED)
    session.finish()


# -- by D-SACK


@pytest.fixture
def recovering(session: Session, listener: Endpoint) -> Connection:
    """The first of ten segments was sent again, and two new ones; SACK without time stamps."""
    server, peer = establish_from_afar(session, listener, FAR, options="mss 1460,nop,nop,sackOK")
    write_segments(server, 5 * FLIGHT)
    expect_flight(peer, FLIGHT, seq=1)
    wait_from_afar(peer, FAR)
    for segment in range(LIMITED):
        peer.send(ACK, seq=1, ack=1, options=f"nop,nop,sack {at(1)}:{at(2 + segment)}")
        expect_flight(peer, 1, seq=at(FLIGHT + segment))
    peer.send(ACK, seq=1, ack=1, options=f"nop,nop,sack {at(1)}:{at(4)}")
    peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS)
    wait_from_afar(peer, FAR)
    return Connection(server, peer)


def at(segments: int) -> int:
    """The number behind that many segments without time stamps."""
    return number(segments, IPV4_MSS)


def duplicate(segment: int) -> str:
    """The option that tells of a segment that has arrived twice."""
    return f"nop,nop,sack {at(segment)}:{at(segment + 1)}"


@requirement("RFC2883-5-1", "RFC3708-3.2")
def test_duplicate_of_what_was_sent_again_undoes_fast_recovery(session: Session, recovering: Connection) -> None:
    _, peer = recovering
    peer.send(ACK, seq=1, ack=at(FLIGHT + LIMITED))
    behind = expect_flight(peer, REDUCED, seq=at(FLIGHT + LIMITED))
    peer.send(ACK, seq=1, ack=behind, options=duplicate(0))
    expect_window(session, recovering, seq=behind, at_least=FLIGHT, at_most=5 * FLIGHT)


@requirement("RFC2883-5-1", "RFC3708-3.2")
def test_duplicate_that_the_last_ack_of_recovery_tells_of_undoes_it(session: Session, recovering: Connection) -> None:
    _, peer = recovering
    peer.send(ACK, seq=1, ack=at(FLIGHT + LIMITED), options=duplicate(0))
    expect_window(session, recovering, seq=at(FLIGHT + LIMITED), at_least=FLIGHT, at_most=5 * FLIGHT)


@requirement("RFC2883-5-1", "RFC3708-3.2", "RFC5681-3.2-5")
@pytest.mark.parametrize("told", ["no-duplicate", "another-segment"])
def test_window_stays_reduced_where_no_duplicate_of_it_came(
    session: Session, recovering: Connection, told: str
) -> None:
    """What the network has doubled was not sent again, and says nothing of what was."""
    _, peer = recovering
    peer.send(ACK, seq=1, ack=at(FLIGHT + LIMITED), options=duplicate(2) if told == "another-segment" else "")
    behind = expect_flight(peer, REDUCED, seq=at(FLIGHT + LIMITED))
    peer.send(ACK, seq=1, ack=behind)
    expect_flight(peer, REDUCED + 2, seq=behind)
    session.finish()


@requirement("RFC2883-4.1")
def test_duplicate_of_what_is_sacked_anyway_has_nothing_sent(session: Session, recovering: Connection) -> None:
    """The first block lies within the second: a duplicate above the cumulative ACK (RFC 2883 4)."""
    _, peer = recovering
    peer.send(ACK, seq=1, ack=1, options=f"nop,nop,sack {at(1)}:{at(2)} {at(1)}:{at(4)}")
    session.finish()
