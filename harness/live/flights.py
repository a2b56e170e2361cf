"""Runs of full segments, as bulk data come: numbers one after the other, each as long as allowed."""

from __future__ import annotations

import socket
from contextlib import suppress

from harness.errors import Unsupported
from harness.live.endpoint import Endpoint
from harness.live.peer import Peer
from harness.live.session import Connection, Session
from harness.tcp.segment import ACK
from harness.tcp.timing import Span
from harness.trace.events import Received

FLIGHT = 10
"""Segments of Linux's first flight (TCP_INIT_CWND, include/net/tcp.h; RFC 6928 2)."""

IPV4_MSS = 1460
"""What fits an MTU of 1500 beside the fixed headers of IPv4 and TCP (RFC 9293 3.7.1)."""

TIMESTAMPS_LENGTH = 12
"""Bytes that timestamps take of each segment, padding included (RFC 7323 A)."""


_ROOM = 4
"""How many times the data the buffer has to be: a record takes up memory of its own, beside its bytes."""


def expect_flight(peer: Peer, count: int, *, seq: int, size: int = IPV4_MSS, ack: int = 1) -> int:
    """Expect ``count`` segments of data, one after the other.

    Args:
        peer: who gets them.
        count: how many.
        seq: relative number of the first byte.
        size: bytes of each.
        ack: what all of them acknowledge.

    Returns:
        The sequence number after the last byte.

    Raises:
        Mismatch: one is missing, shorter, longer or out of order.
    """
    for number in range(seq, seq + count * size, size):
        peer.expect(ACK, seq=number, ack=ack, length=size)
    return seq + count * size


def expect_window(
    session: Session, connection: Connection, *, seq: int, at_least: int, at_most: int, size: int = IPV4_MSS
) -> int:
    """Expect all that the congestion window lets out where nothing else is on its way.

    How many segments these are the kernel says itself (tcpi_unacked): one that is lost, doubled or late is noticed,
    though any number between the two bounds may come.

    Args:
        session: the lab.
        connection: the socket that sends, and who gets them.
        seq: relative number of the first byte.
        at_least: how many segments must come.
        at_most: how many may.
        size: bytes of each.

    Returns:
        The sequence number after the last byte.

    Raises:
        Mismatch: too few come, or not what the kernel says that it has sent.
    """
    server, peer = connection
    session.settle()
    sent = int(server.tcp_info("unacked"))
    return expect_flight(peer, min(max(sent, at_least), at_most), seq=seq, size=size)


def length_of_flight(session: Session, seq: int) -> Span:
    """How long after the segment of this number the kernel sent its last one, by its stamps.

    In real time these are milliseconds where the processors are busy; in virtual time it is nothing.
    """
    sent = [one.at for one in session.timeline if isinstance(one, Received) and one.segment.seq >= seq]
    apart = 0 if session.profile.virtual else sent[-1] - sent[0]
    return Span(apart, "FLIGHT", "from the first of its segments to the last")


def write_segments(server: Endpoint, count: int, *, size: int = IPV4_MSS) -> None:
    """Have full segments written one by one, each a record of its own, into a buffer that has room for all of them.

    So none is held back to make a larger burst for a network card (tcp_tso_should_defer,
    net/ipv4/tcp_output.c), which goes by the clock.

    Args:
        server: the socket that writes.
        count: how many.
        size: bytes of each.

    Raises:
        Unsupported: the buffer does not hold them, as net.core.wmem_max is too small.
    """
    server.set_option("SO_SNDBUF", _ROOM * count * size)
    with server.without_waiting(), suppress(BlockingIOError):
        if all(server.send(bytes(size), socket.MSG_EOR) == size for _ in range(count)):
            return
    raise Unsupported(
        f"the send buffer does not hold {count} segments of {size} bytes",
        why="net.core.wmem_max is too small on this machine",
        hint=f"sysctl net.core.wmem_max={_ROOM * count * size}",
    )
