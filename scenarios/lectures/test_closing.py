"""Closing connections, as lectures draw it, with a real kernel on either side."""

from __future__ import annotations

import socket

import pytest

from harness import (
    ACK,
    FIN,
    RST,
    RTO_MIN,
    KernelPair,
    Pattern,
    TwoKernelSession,
    both_families,
    requirement,
    with_and_without_timestamps,
)

TIME_WAIT_MS = 60_000
"""2 MSL as Linux has it (TCP_TIMEWAIT_LEN, include/net/tcp.h); RFC 9293 3.4.2 has an MSL of two minutes."""

JUST_BEGUN_MS = TIME_WAIT_MS - 4 * RTO_MIN.ns // 1_000_000
"""More than this is left of TIME-WAIT if it began anew at the third retransmission, and less if at the second."""


@requirement("RFC9293-3.6", "FSM-014", "FSM-017")
@with_and_without_timestamps
@both_families
def test_simultaneous_close_goes_through_closing_on_both_sides(
    path_session: TwoKernelSession, two_kernels: KernelPair
) -> None:
    client, server, path = two_kernels
    acks = [path.hold(ACK, from_=side, seq=2, ack=2) for side in ("client", "server")]
    fins = [path.hold(FIN, from_=side) for side in ("client", "server")]
    client.close()
    server.close()
    path.expect(FIN, from_="client", seq=1, ack=1)
    path.expect(FIN, from_="server", seq=1, ack=1)

    for fin in fins:  # RFC 9293 3.6, figure 13
        fin.release()
    path.expect(ACK, from_="client", seq=2, ack=2)
    path.expect(ACK, from_="server", seq=2, ack=2)
    assert path_session.states() == ("CLOSING", "CLOSING")
    for ack in acks:
        ack.release()
    assert path_session.states() == ("TIME-WAIT", "TIME-WAIT")


@requirement("RFC9293-3.6", "RFC9293-E-17", "FSM-019", "FSM-167")
@both_families
def test_time_wait_answers_a_retransmitted_fin_and_begins_anew(
    path_session: TwoKernelSession, two_kernels: KernelPair
) -> None:
    client, server, path = two_kernels
    path.drop(ACK, from_="client", seq=2, ack=2, times=3)
    client.close()
    path.expect(FIN, from_="client", seq=1, ack=1)
    path.expect(ACK, from_="server", seq=1, ack=2)
    server.close()
    path.expect(FIN, from_="server", seq=1, ack=2)
    path.expect(ACK, from_="client", seq=2, ack=2)  # the last ACK, lost
    assert path_session.states() == ("TIME-WAIT", "LAST-ACK")

    path.expect(FIN, from_="server", seq=1, ack=2, within=RTO_MIN, at_least=RTO_MIN)
    path.expect(ACK, from_="client", seq=2, ack=2)  # lost again
    path.expect(FIN, from_="server", seq=1, ack=2, within=2 * RTO_MIN, at_least=2 * RTO_MIN)
    path.expect(ACK, from_="client", seq=2, ack=2)  # and again
    path.expect(FIN, from_="server", seq=1, ack=2, within=4 * RTO_MIN, at_least=4 * RTO_MIN)
    path.expect(ACK, from_="client", seq=2, ack=2)
    waiting = path_session.look("client")
    assert waiting is not None
    assert waiting.expires_ms > JUST_BEGUN_MS
    assert path_session.states() == ("TIME-WAIT", "CLOSED")


@requirement("RFC9293-3.6", "RFC9293-MUST-59")
@both_families
def test_half_closed_connection_still_delivers_data(path_session: TwoKernelSession, two_kernels: KernelPair) -> None:
    client, server, path = two_kernels
    client.shutdown(socket.SHUT_WR)
    path.expect(FIN, from_="client", seq=1, ack=1)
    path.expect(ACK, from_="server", seq=1, ack=2)
    assert server.receive() == b""

    server.send(b"still here")
    path.expect(ACK, from_="server", seq=1, ack=2, data=b"still here")
    path.expect(ACK, from_="client", seq=2, ack=11)
    assert client.receive() == b"still here"
    assert path_session.states() == ("FIN-WAIT-2", "CLOSE-WAIT")
    server.close()
    path.expect(FIN, from_="server", seq=11, ack=2)
    path.expect(ACK, from_="client", seq=2, ack=12)


@requirement("RFC9293-3.10.5", "RFC9293-U-4")
@both_families
def test_close_with_zero_linger_resets_the_other_side(path_session: TwoKernelSession, two_kernels: KernelPair) -> None:
    client, server, path = two_kernels
    client.linger(0)
    client.close()
    path.expect_one_of(from_="client", plain=Pattern(RST, seq=1), acknowledging=Pattern(RST, seq=1, ack=1))
    with pytest.raises(ConnectionResetError):
        server.receive()
    assert path_session.states() == ("CLOSED", "CLOSED")


@requirement("RFC9293-3.10.7.4", "FSM-113", "RFC1337-2.1-1")
@with_and_without_timestamps
@both_families
def test_reset_deletes_a_time_wait_socket(path_session: TwoKernelSession, two_kernels: KernelPair) -> None:
    client, server, path = two_kernels
    server.close()
    path.expect(FIN, from_="server", seq=1, ack=1)
    path.expect(ACK, from_="client", seq=1, ack=2)
    path.duplicate(FIN, from_="client")  # the second answer finds the client gone (RFC 1337 2.1, figure 1)
    client.close()
    path.expect(FIN, from_="client", seq=1, ack=2)
    path.expect(ACK, from_="server", seq=2, ack=2)
    path.expect(ACK, from_="server", seq=2, ack=2)

    path.expect(RST, from_="client", seq=2)
    assert path_session.states() == ("CLOSED", "CLOSED")
