"""Runs of full segments, as bulk data come: numbers one after the other, each as long as allowed."""

from __future__ import annotations

from harness.peer import Peer
from harness.segment import ACK

FLIGHT = 10
"""Segments of Linux's first flight (TCP_INIT_CWND, include/net/tcp.h; RFC 6928 2)."""

IPV4_MSS = 1460
"""What fits an MTU of 1500 beside the fixed headers of IPv4 and TCP (RFC 9293 3.7.1)."""

TIMESTAMPS = 12
"""Bytes that timestamps take of each segment, padding included (RFC 7323 A)."""


def expect_flight(peer: Peer, count: int, *, seq: int, size: int = IPV4_MSS, ack: int = 1) -> int:
    """Expect so many segments of data, one straight after the other.

    Args:
        peer: who gets them.
        count: how many.
        seq: relative number of the first byte.
        size: bytes of each.
        ack: what all of them acknowledge.

    Returns:
        The number behind the last byte.

    Raises:
        Mismatch: one is missing, shorter, longer or out of its turn.
    """
    for number in range(seq, seq + count * size, size):
        peer.expect(ACK, seq=number, ack=ack, length=size)
    return seq + count * size
