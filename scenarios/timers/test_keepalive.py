"""Keep-alive (RFC 9293 3.8.4): off unless asked for, after two hours by default, and one lost answer proves nothing."""

from __future__ import annotations

from harness import (
    ACK,
    HOUR,
    KEEPALIVE_IDLE,
    KEEPALIVE_INTERVAL,
    QUIET,
    RST,
    SECOND,
    TICK,
    Connection,
    Endpoint,
    Session,
    Span,
    requirement,
    waits,
)

PROBES = 9  # tcp_keepalive_probes by default (ip-sysctl.rst)
RARELY = 3600  # seconds, more than the wheel may round two hours up by
HALF = Span(SECOND.ns // 2, "HALF", "half of the shortest idle time")


def keep_alive(connection: Connection, *, probes: int = PROBES) -> Connection:
    """Ask for keep-alive after a second, and each second."""
    server, _ = connection
    server.set_option("TCP_KEEPIDLE", 1)
    server.set_option("TCP_KEEPINTVL", 1)
    server.set_option("TCP_KEEPCNT", probes)
    server.set_option("SO_KEEPALIVE", 1)
    return connection


@requirement("RFC9293-MUST-25", "RFC1122-4.2.3.6-1")
@waits(3 * HOUR)
def test_keep_alive_is_off_unless_asked_for(established: Connection) -> None:
    server, peer = established
    peer.expect_silence(3 * HOUR)
    server.send(b"still here")
    peer.expect(ACK, seq=1, ack=1, data=b"still here")
    peer.send(ACK, seq=1, ack=11)


@requirement("RFC9293-MUST-28", "RFC9293-MUST-24", "RFC9293-SHLD-12", "RFC1122-4.2.3.6-2")
@waits(KEEPALIVE_IDLE)
def test_keep_alive_waits_for_two_hours(established: Connection) -> None:
    server, peer = established
    server.set_option("TCP_KEEPINTVL", RARELY)  # a second probe cannot be taken for the first
    server.set_option("SO_KEEPALIVE", 1)
    peer.expect(ACK, seq=0, ack=1, after=KEEPALIVE_IDLE)
    peer.send(ACK, seq=1, ack=1)
    peer.expect(ACK, seq=0, ack=1, after=KEEPALIVE_IDLE)


@requirement("RFC9293-MUST-29", "RFC1122-4.2.3.6-3")
@waits(KEEPALIVE_IDLE, PROBES * KEEPALIVE_INTERVAL)
def test_connection_is_given_up_after_nine_probes_without_an_answer(established: Connection) -> None:
    server, peer = established
    server.set_option("SO_KEEPALIVE", 1)
    peer.expect(ACK, seq=0, ack=1, after=KEEPALIVE_IDLE)
    for _ in range(PROBES - 1):
        peer.expect(ACK, seq=0, ack=1, after=KEEPALIVE_INTERVAL)
    peer.expect(RST, seq=1, ack=1, after=KEEPALIVE_INTERVAL)
    assert server.await_error(SECOND) == "ETIMEDOUT"


@requirement("RFC9293-MUST-27", "RFC9293-MUST-24", "RFC9293-SHLD-12", "RFC9293-MAY-5")
@waits(2 * SECOND)
def test_idle_time_can_be_set_and_a_probe_carries_no_data(established: Connection) -> None:
    _, peer = keep_alive(established)
    peer.expect(ACK, seq=0, ack=1, after=SECOND)
    peer.send(ACK, seq=1, ack=1)
    # of the answer the kernel remembers the tick (keepalive_time_elapsed, include/net/tcp.h)
    peer.expect(ACK, seq=0, ack=1, at_least=SECOND.minus(TICK), within=SECOND)
    peer.send(ACK, seq=1, ack=1)


@requirement("RFC9293-MUST-29", "RFC1122-4.2.3.6-3")
@waits(2 * SECOND)
def test_one_probe_without_an_answer_proves_nothing(established: Connection) -> None:
    server, peer = keep_alive(established)
    peer.expect(ACK, seq=0, ack=1, after=SECOND)
    peer.expect(ACK, seq=0, ack=1, after=SECOND)
    peer.send(ACK, seq=1, ack=1)
    server.send(b"still here")
    peer.expect(ACK, seq=1, ack=1, data=b"still here")
    peer.send(ACK, seq=1, ack=11)


@requirement("RFC9293-MUST-29", "RFC9293-3.8.4")
@waits(3 * SECOND)
def test_dead_peer_is_found(established: Connection) -> None:
    server, peer = keep_alive(established, probes=2)
    peer.expect(ACK, seq=0, ack=1, after=SECOND)
    peer.expect(ACK, seq=0, ack=1, after=SECOND)
    peer.expect(RST, seq=1, ack=1, after=SECOND)
    assert server.await_error(SECOND) == "ETIMEDOUT"


@requirement("RFC9293-MUST-26")
@waits(2 * SECOND)
def test_data_received_put_the_probe_off(established: Connection) -> None:
    _, peer = keep_alive(established)
    peer.expect_silence(HALF)
    peer.send(ACK, seq=1, ack=1, data=b"alive")
    peer.expect(ACK, seq=1, ack=6, within=HALF)
    peer.expect(ACK, seq=0, ack=6, at_least=HALF, within=SECOND)
    peer.send(ACK, seq=6, ack=1)


@requirement("RFC9293-MUST-26")
@waits(2 * SECOND)
def test_nothing_is_probed_while_data_are_outstanding(established: Connection) -> None:
    server, peer = keep_alive(established)
    server.send(b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost")
    peer.expect_silence()
    peer.allow(ACK, seq=1, ack=1, data=b"lost")
    peer.expect_silence(2 * SECOND)
    peer.send(ACK, seq=1, ack=5)
    peer.expect_silence(QUIET)


@requirement("RFC9293-MUST-24")
@waits(3 * SECOND)
def test_probes_end_where_the_application_switches_them_off(established: Connection) -> None:
    server, peer = keep_alive(established)
    peer.expect(ACK, seq=0, ack=1, after=SECOND)
    peer.send(ACK, seq=1, ack=1)
    server.set_option("SO_KEEPALIVE", 0)
    peer.expect_silence(2 * SECOND)


@requirement("RFC9293-MUST-24", "RFC9293-SHLD-12")
@waits(SECOND)
def test_accepted_connection_is_kept_alive_as_its_listener_asks(session: Session, listener: Endpoint) -> None:
    """What is set on a listener holds for what it accepts (socket(7), tcp(7))."""
    listener.set_option("TCP_KEEPIDLE", 1)
    listener.set_option("TCP_KEEPINTVL", RARELY)
    listener.set_option("SO_KEEPALIVE", 1)
    _, peer = session.establish(listener)
    peer.expect(ACK, seq=0, ack=1, after=SECOND)
    peer.send(ACK, seq=1, ack=1)
