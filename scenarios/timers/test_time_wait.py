"""TIME-WAIT lasts for two maximum segment lifetimes, and a FIN that comes again starts them anew.

RFC 9293 3.4.2 takes a lifetime of two minutes, "an engineering choice"; Linux takes half a minute (TCP_TIMEWAIT_LEN).
"""

from __future__ import annotations

from harness import ACK, FIN, MSL, RST, SECOND, TIMEWAIT_LEN, Connection, Span, close, requirement, waits

NEARLY_MINUTE = Span(59 * SECOND.ns, "NEARLY_MINUTE", "a second less than TCP_TIMEWAIT_LEN")
NEARLY_RFC = Span(2 * MSL.ns - SECOND.ns, "NEARLY_RFC", "a second less than 2 MSL")
LONGER = Span(TIMEWAIT_LEN.ns + TIMEWAIT_LEN.ns // 8, "LONGER", "TCP_TIMEWAIT_LEN and the wheel's rounding")
WATCHED_SECONDS = 70


def reach_time_wait(connection: Connection) -> None:
    """The kernel closes first, and both FINs are acknowledged."""
    server, peer = connection
    close(server)
    peer.expect(FIN, seq=1, ack=1)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)


@requirement("RFC9293-MUST-13", "RFC1122-4.2.2.13-3")
@waits(NEARLY_RFC)
def test_time_wait_lasts_for_four_minutes(established: Connection) -> None:
    _, peer = established
    reach_time_wait(established)
    peer.expect_silence(NEARLY_RFC)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)


@requirement("RFC9293-MUST-13", "RFC1122-4.2.2.13-3")
@waits(NEARLY_MINUTE)
def test_time_wait_lasts_for_a_minute(established: Connection) -> None:
    _, peer = established
    reach_time_wait(established)
    peer.expect_silence(NEARLY_MINUTE)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)


@requirement("RFC9293-MUST-13", "RFC9293-E-2", "FSM-020")
@waits(WATCHED_SECONDS * SECOND)
def test_time_wait_ends(established: Connection) -> None:
    _, peer = established
    reach_time_wait(established)
    for _ in range(WATCHED_SECONDS):  # the state is looked at each second
        peer.expect_silence(SECOND)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(RST, seq=2)


@requirement("RFC9293-MUST-13", "RFC9293-3.10.7.4")
@waits(2 * NEARLY_MINUTE)
def test_fin_that_comes_again_starts_time_wait_anew(established: Connection) -> None:
    _, peer = established
    reach_time_wait(established)
    for _ in range(2):
        peer.expect_silence(NEARLY_MINUTE)
        peer.send(FIN, seq=1, ack=2)
        peer.expect(ACK, seq=2, ack=2)
