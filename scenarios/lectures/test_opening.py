"""Opening connections, as lectures draw it, with a real kernel on either side."""

from __future__ import annotations

from harness import (
    ACK,
    FIN,
    SERVICE_PORT,
    SYN,
    KernelPair,
    TwoKernelSession,
    both_families,
    requirement,
    with_and_without_timestamps,
)


@requirement("RFC9293-3.5", "FSM-007", "FSM-009")
@with_and_without_timestamps
@both_families
def test_simultaneous_open_takes_four_segments(path_session: TwoKernelSession) -> None:
    path = path_session.path
    one, other = path_session.socket("client", 4711), path_session.socket("server", SERVICE_PORT)
    path_session.watch(one.port, other.port)
    for side in ("client", "server"):
        # the SYN,ACK repeats a SYN that is known, and what is not acceptable is answered (RFC 9293 3.10.7.4)
        path.allow(ACK, from_=side, seq=1, ack=1)
    crossing = path.hold(SYN, from_="client")
    one.connect((path_session.address("server"), other.port), wait=False)
    path.expect(SYN, from_="client", seq=0)
    path.hold(SYN, from_="server").until(SYN, from_="client")
    other.connect((path_session.address("client"), one.port), wait=False)
    path.expect(SYN, from_="server", seq=0)

    crossing.release()  # RFC 9293 3.5, figure 7: each SYN finds the other side in SYN-SENT
    path.expect(SYN, from_="client", seq=0, ack=1)
    path.expect(SYN, from_="server", seq=0, ack=1)
    one.wait_connected()
    other.wait_connected()
    assert path_session.states() == ("ESTABLISHED", "ESTABLISHED")


@requirement("RFC9293-MAY-2", "RFC9293-SHLD-4", "FSM-134")
@with_and_without_timestamps
@both_families
def test_new_connection_over_the_ports_of_one_in_time_wait(path_session: TwoKernelSession) -> None:
    listener = path_session.listen()
    client, server, path = path_session.connect(listener, client_port=4711)
    server.close()  # closes first, so that TIME-WAIT is on the server's side
    path.expect(FIN, from_="server", seq=1, ack=1)
    path.expect(ACK, from_="client", seq=1, ack=2)
    client.close()
    path.expect(FIN, from_="client", seq=1, ack=2)
    path.expect(ACK, from_="server", seq=2, ack=2)
    assert path_session.states() == ("CLOSED", "TIME-WAIT")

    path_session.connect(listener, client_port=4711)
    assert path_session.states(connection=2) == ("ESTABLISHED", "ESTABLISHED")


@requirement("RFC9293-3.4", "RFC9293-3.8")
@with_and_without_timestamps
@both_families
def test_http_exchange_walks_forward_by_the_bytes_sent(two_kernels: KernelPair) -> None:
    client, server, path = two_kernels
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".ljust(40)
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".ljust(100)

    client.send(request)
    path.expect(ACK, from_="client", seq=1, ack=1, data=request)
    path.expect(ACK, from_="server", seq=1, ack=41)
    assert server.receive() == request
    server.send(response)
    path.expect(ACK, from_="server", seq=1, ack=41, data=response)
    path.expect(ACK, from_="client", seq=41, ack=101)
    assert client.receive() == response
