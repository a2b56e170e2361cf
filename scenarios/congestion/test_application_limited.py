"""A window that the application does not use does not stay as large as it was (RFC 2861, Linux' way of RFC 7661)."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    FLIGHT,
    IPV4_MSS,
    MS,
    Connection,
    Endpoint,
    Session,
    Span,
    expect_flight,
    expect_window,
    requirement,
    waits,
    write_segments,
)

pytestmark = pytest.mark.usefixtures("steady", "no_tail_loss_probe")

PAUSE = Span(150 * MS, "PAUSE", "less than the retransmission timer: the connection is never idle for as long")
REST = Span(100 * MS, "REST", "what makes the time since the last ACK longer than that timer")
ROUNDS = 2


@requirement("RFC2861-3.1", "RFC7661-4.3")
@waits(ROUNDS * PAUSE, ROUNDS * REST)
@pytest.mark.parametrize("validated", [1, 0], ids=["validated", "kept"])
def test_window_shrinks_while_the_application_sends_little(
    session: Session, listener: Endpoint, validated: int
) -> None:
    """``tcp_slow_start_after_idle`` is what switches it: without it "the CWND will not be timed out" (ip-sysctl)."""
    session.sysctl("net/ipv4/tcp_slow_start_after_idle", validated)
    server, peer = session.establish(listener, options="mss 1460")
    write_segments(server, 3 * FLIGHT)
    behind = expect_flight(peer, FLIGHT, seq=1)
    peer.send(ACK, seq=1, ack=behind)
    behind = expect_flight(peer, 2 * FLIGHT, seq=behind)
    peer.send(ACK, seq=1, ack=behind)
    for _ in range(ROUNDS):
        for pause in (PAUSE, REST):
            peer.expect_silence(pause)
            server.send(bytes(IPV4_MSS))
            behind = expect_flight(peer, 1, seq=behind)
        peer.send(ACK, seq=1, ack=behind)
    write_segments(server, 6 * FLIGHT)
    bounds = (FLIGHT, 2 * FLIGHT - 1) if validated else (4 * FLIGHT, 6 * FLIGHT)
    expect_window(session, Connection(server, peer), seq=behind, at_least=bounds[0], at_most=bounds[1])
