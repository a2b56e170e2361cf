"""When data left, and when they were acknowledged: what SO_TIMESTAMPING tells of a stream (timestamping.rst)."""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import suppress

import pytest

from harness import ACK, IPV4_MSS, RTO_MIN, Connection, Endpoint, Session, expect_flight, requirement, waits

pytestmark = pytest.mark.usefixtures("no_tail_loss_probe")

ACKNOWLEDGED, IN_BYTES, WITHOUT_DATA, TOLD = 1 << 9, 1 << 7, 1 << 11, 1 << 4  # SOF_TIMESTAMPING_...
SENT = 1 << 1
IP_RECVERR = 11  # include/uapi/linux/in.h
KINDS = {0: "sent", 1: "queued", 2: "acknowledged"}  # SCM_TSTAMP_...
FROM_STAMPS = 4  # SO_EE_ORIGIN_TIMESTAMPING


@pytest.fixture
def stamped(session: Session, listener: Endpoint) -> Connection:
    """Opened by the peer; the socket is to tell of each write when its last byte was sent, and acknowledged."""
    connection = session.establish(listener, options="mss 1460,nop,nop,sackOK")
    connection.endpoint.set_option("TCP_NODELAY", 1)
    connection.endpoint.set_option("SO_TIMESTAMPING", ACKNOWLEDGED | SENT | IN_BYTES | WITHOUT_DATA | TOLD)
    return connection


def told_of(server: Endpoint) -> list[tuple[str, int]]:
    """What the socket has told: what became of which byte of the stream, counted from 0."""
    told = []
    with server.without_waiting(), suppress(BlockingIOError):
        while True:
            # a look at what the kernel knows, and no call of the application: the base class's, which tells nobody
            for level, kind, data in socket.socket.recvmsg(server.socket, 0, 512, socket.MSG_ERRQUEUE)[1]:
                if (level, kind) == (socket.SOL_IP, IP_RECVERR):
                    number, origin, info, key = struct.unpack_from("=IB3xII", data)  # struct sock_extended_err
                    assert (number, origin) == (errno.ENOMSG, FROM_STAMPS)
                    told.append((KINDS[info], key))
    return told


def in_order(told: list[tuple[str, int]], kind: str) -> list[int]:
    return [byte for what, byte in told if what == kind]


@requirement("RFC9293-3.9.1")
def test_write_is_told_of_when_it_was_sent_and_when_acknowledged(session: Session, stamped: Connection) -> None:
    server, peer = stamped
    server.send(b"first")
    peer.expect(ACK, seq=1, ack=1, data=b"first")
    assert told_of(server) == [("sent", 4)]
    peer.send(ACK, seq=1, ack=6)
    session.settle()
    assert told_of(server) == [("acknowledged", 4)]


@requirement("RFC9293-3.9.1")
def test_write_of_several_segments_is_told_of_by_its_last_byte(session: Session, stamped: Connection) -> None:
    server, peer = stamped
    size = 3 * IPV4_MSS
    server.send(bytes(size))
    behind = expect_flight(peer, 3, seq=1)
    peer.send(ACK, seq=1, ack=behind - 1)
    session.settle()
    assert in_order(told_of(server), "acknowledged") == []
    peer.send(ACK, seq=1, ack=behind)
    session.settle()
    assert in_order(told_of(server), "acknowledged") == [size - 1]


@requirement("RFC9293-3.9.1")
def test_write_that_the_window_splits_is_told_of_by_its_last_byte(session: Session, stamped: Connection) -> None:
    """The first part goes out when the window is that of one segment, the second when it has opened."""
    server, peer = stamped
    peer.send(ACK, seq=1, ack=1, data=b"x")
    peer.expect(ACK, seq=1, ack=2)
    peer.send(ACK, seq=2, ack=1, window=IPV4_MSS)
    session.settle()
    server.send(bytes(2 * IPV4_MSS))
    behind = expect_flight(peer, 1, seq=1, ack=2)
    session.finish()
    peer.send(ACK, seq=2, ack=behind)
    behind = expect_flight(peer, 1, seq=behind, ack=2)
    assert in_order(told_of(server), "acknowledged") == []
    peer.send(ACK, seq=2, ack=behind)
    session.settle()
    assert in_order(told_of(server), "acknowledged") == [2 * IPV4_MSS - 1]


@requirement("RFC9293-3.9.1")
@waits(RTO_MIN)
def test_last_of_the_writes_that_are_sent_again_in_one_segment_is_told_of(
    session: Session, stamped: Connection
) -> None:
    server, peer = stamped
    for seq, data in ((1, b"one, "), (6, b"two")):
        server.send(data)
        peer.expect(ACK, seq=seq, ack=1, data=data)
    peer.expect(ACK, seq=1, ack=1, data=b"one, two", within=session.profile.first_rto())
    told_of(server)
    peer.send(ACK, seq=1, ack=9)
    session.settle()
    assert in_order(told_of(server), "acknowledged")[-1:] == [7]
