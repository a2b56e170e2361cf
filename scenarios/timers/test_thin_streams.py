"""Streams of few packets, whose application asks for timers that do not grow (Documentation/networking/tcp-thin.rst).

"A thin stream has less than four packets in flight", too few for a fast retransmission; so the timer is left as it is
for up to six timeouts, and grows from there on (TCP_THIN_LINEAR_RETRIES, include/net/tcp.h).
"""

from __future__ import annotations

import pytest

from harness import ACK, IPV4_MSS, RTO_MIN, Connection, Endpoint, Session, backoff, requirement, waits, write_segments

pytestmark = pytest.mark.usefixtures("no_tail_loss_probe", "virtual")

LINEAR = 6  # timeouts
THICK = 4  # segments: no thin stream any more


@pytest.fixture(params=["by-socket", "by-sysctl"])
def thin(request: pytest.FixtureRequest, session: Session, listener: Endpoint) -> Connection:
    """Timers are not to grow on a thin stream: asked for by the application, or by the system for all."""
    if request.param == "by-sysctl":
        session.sysctl("net/ipv4/tcp_thin_linear_timeouts", 1)
    connection = session.establish(listener, options="mss 1460")
    if request.param == "by-socket":
        connection.endpoint.set_option("TCP_THIN_LINEAR_TIMEOUTS", 1)
    return connection


@requirement("RFC6298-5-5", "RFC9293-MUST-19")
@waits((LINEAR + 4) * RTO_MIN)
def test_timer_of_a_thin_stream_grows_after_six_timeouts_alone(thin: Connection) -> None:
    server, peer = thin
    server.send(b"lost")
    peer.expect(ACK, seq=1, ack=1, data=b"lost")
    for _ in range(1 + LINEAR):
        peer.expect(ACK, seq=1, ack=1, data=b"lost", after=RTO_MIN)
    peer.expect(ACK, seq=1, ack=1, data=b"lost", after=2 * RTO_MIN)


@requirement("RFC6298-5-5", "RFC9293-MUST-19")
@waits(7 * RTO_MIN)
def test_timer_of_a_stream_that_is_not_thin_grows(thin: Connection) -> None:
    server, peer = thin
    write_segments(server, THICK)
    for number in range(THICK):
        peer.expect(ACK, seq=1 + number * IPV4_MSS, ack=1, length=IPV4_MSS)
    for rto in backoff(RTO_MIN, 3):
        peer.expect(ACK, seq=1, ack=1, length=IPV4_MSS, after=rto)
