"""FIN-WAIT-2 without end, and with the end that Linux gives it.

RFC 9293 knows no timer there: a half-closed connection may stay for ever (3.6). A socket that nobody holds any more
cannot be of use to anybody, and Linux lets it go after tcp_fin_timeout or TCP_LINGER2 (ip-sysctl.rst, tcp(7)).
"""

from __future__ import annotations

from harness import (
    ACK,
    FIN,
    FIN_TIMEOUT,
    HOUR,
    QUIET,
    RST,
    SECOND,
    Connection,
    Peer,
    Span,
    close,
    requirement,
    shutdown_wr,
    waits,
)

SHORT_SECONDS = 1  # of TCP_LINGER2; more than 3.5 times the retransmission timer
SHORT = Span(2 * SECOND.ns, "SHORT", "TCP_LINGER2, the wheel's rounding and a slow machine")
NEARLY = Span(59 * SECOND.ns, "NEARLY", "a second less than tcp_fin_timeout")
LONG = Span(FIN_TIMEOUT.ns + FIN_TIMEOUT.ns // 8, "LONG", "tcp_fin_timeout and the wheel's rounding")
WATCHED_SECONDS = 70
LONGER_SECONDS = 100  # of TCP_LINGER2: more than TIME-WAIT lasts
NEARLY_LONGER = Span(99 * SECOND.ns, "NEARLY_LONGER", "a second less than that")
LONGER = Span(114 * SECOND.ns, "LONGER", "TCP_LINGER2, and the wheel's rounding")


def reach_fin_wait_2(connection: Connection) -> None:
    """The kernel has ended its side, and the peer has acknowledged that."""
    connection.peer.expect(FIN, seq=1, ack=1)
    connection.peer.send(ACK, seq=1, ack=2)


def leave(connection: Connection, seconds: int) -> Peer:
    """Close in FIN-WAIT-2 with a timeout of its own: whom the kernel waits for."""
    connection.endpoint.set_option("TCP_LINGER2", seconds)
    close(connection.endpoint)
    reach_fin_wait_2(connection)
    return connection.peer


@requirement("RFC9293-3.6", "RFC9293-E-2")
@waits(SHORT)
def test_orphan_is_let_go_after_its_own_timeout(established: Connection) -> None:
    peer = leave(established, SHORT_SECONDS)
    peer.expect_silence(SHORT)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(RST, seq=2)


@requirement("RFC9293-3.6", "RFC9293-E-17")
@waits(QUIET)
def test_orphan_still_takes_the_fin_within_its_own_timeout(established: Connection) -> None:
    peer = leave(established, SHORT_SECONDS)
    peer.expect_silence(QUIET)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)


@requirement("RFC9293-3.6", "RFC9293-E-17")
@waits(NEARLY)
def test_orphan_takes_the_fin_for_a_minute(established: Connection) -> None:
    server, peer = established
    close(server)
    reach_fin_wait_2(established)
    peer.expect_silence(NEARLY)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)


@requirement("RFC9293-3.6", "RFC9293-E-2")
@waits(WATCHED_SECONDS * SECOND)
def test_orphan_is_let_go_after_a_minute(established: Connection) -> None:
    server, peer = established
    close(server)
    reach_fin_wait_2(established)
    for _ in range(WATCHED_SECONDS):  # the state is looked at each second
        peer.expect_silence(SECOND)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(RST, seq=2)


@requirement("RFC9293-3.6", "RFC9293-E-17")
@waits(NEARLY_LONGER)
def test_orphan_takes_the_fin_within_a_longer_timeout_of_its_own(established: Connection) -> None:
    peer = leave(established, LONGER_SECONDS)
    peer.expect_silence(NEARLY_LONGER)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)


@requirement("RFC9293-3.6", "RFC9293-E-2")
@waits(LONGER)
def test_orphan_is_let_go_after_a_longer_timeout_of_its_own(established: Connection) -> None:
    peer = leave(established, LONGER_SECONDS)
    peer.expect_silence(LONGER)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(RST, seq=2)


@requirement("RFC9293-3.6", "RFC9293-E-17")
@waits(HOUR)
def test_half_closed_connection_stays_for_ever(established: Connection) -> None:
    server, peer = established
    shutdown_wr(server)
    reach_fin_wait_2(established)
    peer.expect_silence(HOUR)
    peer.send(ACK, seq=1, ack=2, data=b"late")
    peer.expect(ACK, seq=2, ack=5)
    peer.send(FIN, seq=5, ack=2)
    peer.expect(ACK, seq=2, ack=6)
    assert server.receive() == b"late"


@requirement("RFC9293-3.6")
def test_orphan_does_not_wait_at_all_where_the_application_says_so(established: Connection) -> None:
    """A negative TCP_LINGER2: once its FIN is acknowledged, the connection is over."""
    server, peer = established
    server.set_option("TCP_LINGER2", -1)
    close(server)
    reach_fin_wait_2(established)
    peer.expect(RST, seq=2)
