"""Reports of connections that ended too soon, too late or in a storm: user timeout, keep-alive, zero windows, orphans.

What is demanded is what RFC 9293 or tcp(7) says; where the two differ, the application asked for what tcp(7) says.
"""

from __future__ import annotations

import socket

import pytest

from harness import (
    ACK,
    FIN,
    RST,
    RTO_MIN,
    SECOND,
    TICK,
    Connection,
    Pattern,
    Session,
    Span,
    backoff,
    report,
    requirement,
    waits,
)

pytestmark = pytest.mark.usefixtures("no_tail_loss_probe")

USER_TIMEOUT = Span(SECOND.ns, "USER_TIMEOUT", "TCP_USER_TIMEOUT (tcp(7))")
USER_TIMEOUT_MS = 1000
TWO_PROBES_MS = 2500  # longer than two probes and shorter than three
AGAIN = 2  # what a timer that begins at 200 ms and doubles sends in the second of the user timeout
LINEAR = 6  # retransmissions of a thin stream before its timer grows (ip-sysctl, tcp_thin_linear_timeouts)


def keep_alive(connection: Connection) -> Connection:
    """Probe after a second without traffic, and each second."""
    server, _ = connection
    server.set_option("TCP_KEEPIDLE", 1)
    server.set_option("TCP_KEEPINTVL", 1)
    server.set_option("SO_KEEPALIVE", 1)
    return connection


# -- keep-alive
# "This socket option does change the semantics of TCP keepalives" (the first report); the commit and tcp(7): the user
# timeout overrides keep-alive in when a connection ends.

OVERRIDDEN = report("https://blog.cloudflare.com/when-tcp-sockets-refuse-to-die/", "dca43c75e7e5")


@OVERRIDDEN
@requirement("RFC9293-MUST-29")
@waits(2 * SECOND)
def test_lost_probe_within_the_user_timeout_proves_nothing(established: Connection) -> None:
    server, peer = keep_alive(established)
    server.set_option("TCP_USER_TIMEOUT", TWO_PROBES_MS)
    peer.expect(ACK, seq=0, ack=1, after=SECOND)  # lost
    peer.expect(ACK, seq=0, ack=1, after=SECOND)
    peer.send(ACK, seq=1, ack=1)
    server.send(b"still here")
    peer.expect(ACK, seq=1, ack=1, data=b"still here")
    peer.send(ACK, seq=1, ack=11)


@OVERRIDDEN
@requirement("RFC9293-E-19")
@waits(3 * SECOND)
def test_user_timeout_ends_an_idle_connection_before_the_ninth_probe(established: Connection) -> None:
    server, peer = keep_alive(established)
    server.set_option("TCP_USER_TIMEOUT", TWO_PROBES_MS)
    peer.expect(ACK, seq=0, ack=1, after=SECOND)
    peer.expect(ACK, seq=0, ack=1, after=SECOND)
    peer.expect(RST, seq=1, ack=1, after=SECOND)
    assert server.await_error(SECOND) == "ETIMEDOUT"


@OVERRIDDEN
@requirement("RFC9293-E-19")
@waits(3 * SECOND)
def test_idle_time_longer_than_the_user_timeout_ends_nothing(established: Connection) -> None:
    server, peer = keep_alive(established)
    server.set_option("TCP_USER_TIMEOUT", 500)
    for _ in range(3):
        # of an answer the kernel remembers the tick (keepalive_time_elapsed, include/net/tcp.h)
        peer.expect(ACK, seq=0, ack=1, at_least=SECOND.minus(TICK), within=SECOND)
        peer.send(ACK, seq=1, ack=1)


@requirement("RFC9293-MUST-24", "RFC9293-E-19")
@waits(3 * SECOND)
@pytest.mark.parametrize("closed_by", ["the kernel", "the peer"])
def test_half_closed_connection_is_kept_alive(established: Connection, closed_by: str) -> None:
    """A peer that is gone is found in FIN-WAIT-2 and CLOSE-WAIT too, where nothing else would ever end the wait."""
    server, peer = established
    if closed_by == "the kernel":
        server.shutdown(socket.SHUT_WR)
        peer.expect(FIN, seq=1, ack=1)
        peer.send(ACK, seq=1, ack=2)
    else:
        peer.send(FIN, seq=1, ack=1)
        peer.expect(ACK, seq=1, ack=2)
    next_, ack = (2, 1) if closed_by == "the kernel" else (1, 2)
    server.set_option("TCP_KEEPCNT", 2)
    keep_alive(established)
    for _ in range(2):
        peer.expect(ACK, seq=next_ - 1, ack=ack, after=SECOND)
    peer.expect(RST, seq=next_, ack=ack, after=SECOND)
    assert server.await_error(SECOND) == "ETIMEDOUT"


# -- closed windows


@report("9d9b1ee0b2d1")
@requirement("RFC9293-E-19")
@waits(2 * USER_TIMEOUT)
def test_user_timeout_ends_a_connection_whose_closed_window_is_answered(established: Connection) -> None:
    """tcp(7): for how long "buffered data may remain untransmitted (due to zero window size)".

    Before "tcp: fix TCP_USER_TIMEOUT with zero window" each answer to a probe began the time anew.
    """
    server, peer = established
    server.set_option("TCP_USER_TIMEOUT", USER_TIMEOUT_MS)
    server.send(b"taken")
    peer.expect(ACK, seq=1, ack=1, data=b"taken")
    peer.send(ACK, seq=1, ack=6, window=0)
    peer.expect_silence()
    server.send(b"waiting")
    for rto in backoff(RTO_MIN, 2):
        peer.expect(ACK, seq=5, ack=1, at_least=rto.unrounded(), within=2 * rto)
        peer.send(ACK, seq=1, ack=6, window=0)
    assert server.await_error(2 * USER_TIMEOUT) == "ETIMEDOUT"


@report("97a9063518f1", "CVE-2024-41007")
@requirement("RFC9293-MUST-19", "RFC9293-E-19", fixed_by="97a9063518f1")
@waits(2 * USER_TIMEOUT)
def test_retracted_window_starts_no_storm_when_the_user_timeout_is_over(established: Connection) -> None:
    """Before the commit, a segment every two ticks for minutes, where RFC 6298 5.5 backs off."""
    server, peer = established
    server.set_option("TCP_USER_TIMEOUT", USER_TIMEOUT_MS)
    server.set_option("TCP_NODELAY", 1)
    server.send(b"taken")
    peer.expect(ACK, seq=1, ack=1, data=b"taken")
    server.send(b"lost")
    peer.expect(ACK, seq=6, ack=1, data=b"lost")
    peer.send(ACK, seq=1, ack=6, window=0)
    lost = Pattern(ACK, seq=6, ack=1, data=b"lost")
    peer.expect_count(lost, at_least=AGAIN, at_most=AGAIN, within=2 * USER_TIMEOUT)
    assert server.await_error(SECOND) == "ETIMEDOUT"


# -- orphans


@report("CVE-2008-4609")
@requirement("RFC9293-MUST-36")
@waits(9 * RTO_MIN)
def test_orphan_behind_a_closed_window_is_given_up_as_tcp_orphan_retries_says(
    session: Session, established: Connection
) -> None:
    """Sockstress: peers that close their window and vanish must not hold memory for good.

    tcp(7): tcp_orphan_retries is how often the other end of a connection that was closed here is probed.
    """
    server, peer = established
    session.sysctl("net/ipv4/tcp_orphan_retries", 2)
    server.send(b"taken")
    peer.expect(ACK, seq=1, ack=1, data=b"taken")
    peer.send(ACK, seq=1, ack=6, window=0)
    server.send(b"waiting")
    server.close()
    peer.expect(ACK, seq=5, ack=1, at_least=RTO_MIN, within=SECOND)
    first = peer.elapsed
    peer.expect(ACK, seq=5, ack=1, at_least=(2 * first).unrounded(), within=2 * first)
    peer.expect_silence(6 * first)  # a third would come after four
    peer.send(ACK, seq=1, ack=6)
    peer.expect(RST, seq=6)


# -- retransmission


@report("36e31b0af587")
@requirement("RFC9293-MUST-20")
@waits(40 * RTO_MIN)
def test_thin_stream_backs_off_after_six_linear_timeouts(established: Connection) -> None:
    """ip-sysctl: up to six timeouts of a stream with few packets in flight do not double."""
    server, peer = established
    server.set_option("TCP_THIN_LINEAR_TIMEOUTS", 1)
    server.send(b"thin")
    peer.expect(ACK, seq=1, ack=1, data=b"thin")
    for _ in range(1 + LINEAR):
        peer.expect(ACK, seq=1, ack=1, data=b"thin", after=RTO_MIN)
    peer.expect(ACK, seq=1, ack=1, data=b"thin", after=2 * RTO_MIN)
    peer.send(ACK, seq=1, ack=5)


@report("f1ecd5d9e736")
@requirement("RFC6069-4")
@waits(5 * RTO_MIN)
def test_unreachable_host_reverts_one_backoff(established: Connection) -> None:
    """RFC 6069 4, Linux since the commit: what an ICMP error explains is no sign of congestion."""
    server, peer = established
    server.send(b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost", at_least=RTO_MIN, within=SECOND)
    doubled = 2 * peer.elapsed
    again = peer.expect(ACK, seq=1, ack=1, data=b"lost", at_least=doubled.unrounded(), within=doubled)
    peer.send_icmp("host unreachable", again)
    peer.expect(ACK, seq=1, ack=1, data=b"lost", at_least=doubled.unrounded(), within=doubled)  # and not four times
    peer.send(ACK, seq=1, ack=5)
