"""Data that nobody acknowledges: what happens between R1 and R2, before they are given up (RFC 9293 3.8.3).

R1 is no time of its own on the wire. Where it lies shows by what Linux does from there on: tcp_retries1 is 3, and with
tcp_mtu_probing=1 smaller segments are tried then, as the path may have become narrower (RFC 4821 7.7).
"""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    IPV4_MSS,
    MINUTE,
    RTO_MIN,
    TIMESTAMPS_LENGTH,
    Between,
    Connection,
    Pattern,
    Session,
    backoff,
    requirement,
    waits,
)

pytestmark = pytest.mark.usefixtures("no_tail_loss_probe")

FULL = IPV4_MSS - TIMESTAMPS_LENGTH
R1 = 3  # retransmissions, at least (RFC 9293 3.8.3, SHLD-10)
RETRIES2 = 15  # tcp_retries2, pinned to its default
WHEN_A_HOLE_IS_FOUND = 1  # tcp_mtu_probing (ip-sysctl.rst)
R1_TO_R2 = MINUTE  # well behind the one, and well before the other: 15 retransmissions take 15 minutes


@requirement("RFC9293-SHLD-10")
@waits(MINUTE)
def test_three_retransmissions_come_before_anything_is_done_about_it(session: Session) -> None:
    listener = session.listen()
    session.sysctl("net/ipv4/tcp_mtu_probing", WHEN_A_HOLE_IS_FOUND)
    server, peer = session.establish(listener)
    server.send(bytes(FULL))
    whole, smaller = Pattern(ACK, seq=1, ack=1, length=FULL), Pattern(ACK, seq=1, ack=1, length=Between(1, FULL - 1))
    peer.expect(ACK, seq=1, ack=1, length=FULL)
    for rto in backoff(RTO_MIN, R1):
        peer.expect(ACK, seq=1, ack=1, length=FULL, after=rto)
    for rto in backoff(2**R1 * RTO_MIN, RETRIES2 - R1):
        reply = peer.expect_one_of(whole=whole, smaller=smaller, at_least=rto, within=rto)
        if reply.is_("smaller"):
            return
    reply.require("smaller")


@requirement("RFC9293-SHLD-9", "RFC9293-MUST-20")
@waits(R1_TO_R2)
def test_application_hears_of_it_before_the_connection_is_given_up(established: Connection) -> None:
    server, peer = established
    server.set_option("IP_RECVERR", 1)
    server.send(b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost")
    peer.expect_silence()
    peer.allow(ACK, seq=1, ack=1, data=b"lost")
    peer.expect_silence(R1_TO_R2)
    told = server.error()
    peer.send(ACK, seq=1, ack=5, data=b"back")
    peer.expect(ACK, seq=5, ack=5)  # R2 was not reached yet
    assert told != 0
