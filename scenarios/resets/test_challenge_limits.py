"""Limits on the ACKs that an attacker can draw (RFC 5961 7): by sysctl, for the machine and for each connection.

Labs have both switched off, since a suppressed answer looks like a deviation; here they are switched on.
"""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    MS,
    PROMPT,
    RST,
    SYN,
    Connection,
    Endpoint,
    Flags,
    Session,
    Span,
    both_families,
    in_shared_lab,
    requirement,
    waits,
)

pytestmark = in_shared_lab

INSIDE = 1000  # of the window, and not at its left edge
FLOOD = 50
NEXT_SECOND = Span(1100 * MS, "NEXT_SECOND", "the kernel counts by whole seconds of its clock, for all connections")
LONG_MS = 60_000  # longer than any scenario


@requirement("RFC5961-7-1")
@both_families
@pytest.mark.parametrize("flags", [RST, SYN], ids=["RST", "SYN"])
def test_flood_on_one_connection_draws_one_challenge(session: Session, established: Connection, flags: Flags) -> None:
    _, peer = established
    session.sysctl("net/ipv4/tcp_invalid_ratelimit", LONG_MS)
    flood = [peer.make(flags, seq=INSIDE + number) for number in range(FLOOD)]
    peer.send_together(*flood)
    peer.expect(ACK, seq=1, ack=1)
    peer.expect_silence()

    peer.send(ACK, seq=1, ack=1, data=b"data have no limit")
    peer.expect(ACK, seq=1, ack=19)


@requirement("RFC5961-7-1")
@both_families
def test_flood_of_old_segments_draws_one_ack(session: Session, established: Connection) -> None:
    _, peer = established
    session.sysctl("net/ipv4/tcp_invalid_ratelimit", LONG_MS)
    flood = [peer.make(ACK, seq=-number, ack=1) for number in range(1, FLOOD)]
    peer.send_together(*flood)
    peer.expect(ACK, seq=1, ack=1)
    peer.expect_silence()


@requirement("RFC5961-7-2")
@both_families
def test_every_challenge_is_sent_when_the_limits_are_off(established: Connection) -> None:
    _, peer = established
    flood = [peer.make(RST, seq=INSIDE + number) for number in range(FLOOD)]
    peer.send_together(*flood)
    for _ in flood:
        peer.expect(ACK, seq=1, ack=1)


@requirement("RFC5961-7-2")
@both_families
def test_administrator_sets_how_often_a_connection_challenges(session: Session, established: Connection) -> None:
    _, peer = established
    session.sysctl("net/ipv4/tcp_invalid_ratelimit", LONG_MS)
    peer.send(RST, seq=INSIDE)
    peer.expect(ACK, seq=1, ack=1)
    peer.send(RST, seq=INSIDE)
    peer.expect_silence()
    session.sysctl("net/ipv4/tcp_invalid_ratelimit", 0)
    peer.send(RST, seq=INSIDE)
    peer.expect(ACK, seq=1, ack=1)


@requirement("RFC5961-7-1", "RFC5961-7-2")
@waits(NEXT_SECOND, NEXT_SECOND)
@pytest.mark.usefixtures("virtual")
@both_families
def test_administrator_sets_how_many_challenges_a_second_there_are(
    session: Session, listener: Endpoint, established: Connection
) -> None:
    """One, whatever connection it is for (ip-sysctl.rst, tcp_challenge_ack_limit); of more, some are left to chance."""
    _, first = established
    _, second = session.establish(listener)
    session.sysctl("net/ipv4/tcp_challenge_ack_limit", 1)
    first.expect_silence(NEXT_SECOND)
    first.send_together(*(first.make(RST, seq=INSIDE + number) for number in range(FLOOD)))
    first.expect(ACK, seq=1, ack=1)
    second.send(RST, seq=INSIDE)
    second.expect_silence(PROMPT)
    second.expect_silence(NEXT_SECOND)
    second.send(RST, seq=INSIDE)
    second.expect(ACK, seq=1, ack=1)
