"""A server that wants its port back while an old connection of it is in TIME-WAIT."""

from __future__ import annotations

import pytest

from harness import ACK, FIN, SERVICE_PORT, FinwaitError, TwoKernelSession, both_families, requirement


@pytest.fixture
def port_in_time_wait(path_session: TwoKernelSession) -> int:
    """The port of a server that has closed its listening socket, and its one connection before the client did."""
    listener = path_session.listen()
    client, server, path = path_session.connect(listener)
    server.close()
    path.expect(FIN, from_="server", seq=1, ack=1)
    path.expect(ACK, from_="client", seq=1, ack=2)
    client.close()
    path.expect(FIN, from_="client", seq=1, ack=2)
    path.expect(ACK, from_="server", seq=2, ack=2)
    listener.close()
    assert path_session.states() == ("CLOSED", "TIME-WAIT")
    return SERVICE_PORT


@requirement("RFC9293-3.6.1")
@both_families
def test_port_of_a_time_wait_socket_is_refused_without_so_reuseaddr(
    path_session: TwoKernelSession, port_in_time_wait: int
) -> None:
    with pytest.raises(FinwaitError, match="EADDRINUSE"):
        path_session.socket("server", port_in_time_wait, reuse=False)


@requirement("RFC9293-3.6.1")
@both_families
def test_port_of_a_time_wait_socket_is_given_with_so_reuseaddr(
    path_session: TwoKernelSession, port_in_time_wait: int
) -> None:
    listener = path_session.socket("server", port_in_time_wait, reuse=True)
    listener.listen()
    path_session.connect(listener)
    assert path_session.states(connection=2) == ("ESTABLISHED", "ESTABLISHED")
