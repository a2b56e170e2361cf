"""The ways in which a server ends its side of a connection. Each takes the server's endpoint."""

from __future__ import annotations

import socket
from collections.abc import Callable

from harness.live.endpoint import Endpoint

Ending = Callable[[Endpoint], None]

LONG_SECONDS = 120
"""More than TCP_TIMEWAIT_LEN (60 s, include/net/tcp.h), so that FIN-WAIT-2 keeps its full socket."""


def close(server: Endpoint) -> None:
    """close(2)."""
    server.close()


def shutdown_wr(server: Endpoint) -> None:
    """shutdown(2) of the sending side: the process keeps the socket."""
    server.shutdown(socket.SHUT_WR)


def shutdown_rdwr(server: Endpoint) -> None:
    """shutdown(2) of both sides: the process keeps the socket."""
    server.shutdown(socket.SHUT_RDWR)


def shutdown_wr_then_close(server: Endpoint) -> None:
    """shutdown(2) and then close(2): the first sends the FIN, the second leaves the socket an orphan."""
    server.shutdown(socket.SHUT_WR)
    server.close()


def close_with_long_linger2(server: Endpoint) -> None:
    """close(2) of a socket whose own FIN-WAIT-2 timeout is above 60 s."""
    server.set_option("TCP_LINGER2", LONG_SECONDS)
    server.close()


def close_with_long_fin_timeout(server: Endpoint) -> None:
    """close(2) while tcp_fin_timeout is above 60 s."""
    server.sysctls.write("net/ipv4/tcp_fin_timeout", LONG_SECONDS)
    server.close()


ENDINGS: tuple[Ending, ...] = (
    close,
    shutdown_wr,
    shutdown_rdwr,
    shutdown_wr_then_close,
    close_with_long_linger2,
    close_with_long_fin_timeout,
)
"""The endings that send a FIN."""

READS_NO_MORE: tuple[Ending, ...] = tuple(ending for ending in ENDINGS if ending is not shutdown_wr)
"""The endings after which no process can read what the peer still sends."""
