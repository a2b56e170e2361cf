"""TCP_REPAIR: a connection is taken out of one socket and put into another, and its peer never notices.

Checkpoints of whole processes rest on it (net/ipv4/tcp.c; criu.org/TCP_connection).
"""

from __future__ import annotations

import socket
import struct

import pytest

from harness import (
    ACK,
    FIN,
    Connection,
    Endpoint,
    Session,
    both_families,
    close,
    errno_of,
    requirement,
)

ON, OFF, OFF_WITHOUT_A_PROBE = 1, 0, -1
NO_QUEUE, RECEIVED, SENT = range(3)
MSS, SCALE, SACK, STAMPS = 2, 3, 4, 8  # what TCP_REPAIR_OPTIONS takes, by the option's kind
UNREAD, UNACKNOWLEDGED = b"unread", b"unacknowledged"


def pairs(*options: tuple[int, int]) -> bytes:
    """As TCP_REPAIR_OPTIONS takes them."""
    return b"".join(struct.pack("=II", *one) for one in options)


def number_of(sock: Endpoint, queue: int) -> bytes:
    """The sequence number of a queue's end."""
    sock.set_option("TCP_REPAIR_QUEUE", queue)
    return sock.option_bytes("TCP_QUEUE_SEQ", 4)


def refused(sock: Endpoint, name: str, value: int | bytes) -> str:
    """The error that an option fails with."""
    return errno_of(lambda: sock.set_option(name, value))


@pytest.fixture
def used(session: Session) -> Connection:
    """A client with data that are neither read nor acknowledged."""
    client, peer = session.connect(options="mss 1000,nop,nop,sackOK,nop,wscale 3")
    client.send(UNACKNOWLEDGED)
    peer.expect(ACK, seq=1, ack=1, data=UNACKNOWLEDGED)
    peer.send(ACK, seq=1, ack=1, data=UNREAD)
    peer.expect(ACK, seq=15, ack=7)
    return Connection(client, peer)


def moved(session: Session, used: Connection, end: int = OFF) -> Endpoint:
    """Take the connection out of its socket, and put it into another one."""
    client, peer = used
    client.set_option("TCP_REPAIR", ON)
    window = client.option_bytes("TCP_REPAIR_WINDOW", 20)
    scale = 7 << 16 | 3
    numbers = {queue: number_of(client, queue) for queue in (RECEIVED, SENT)}
    assert client.receive(100, socket.MSG_PEEK) == UNACKNOWLEDGED  # of the queue that was named last
    client.set_option("TCP_REPAIR_QUEUE", RECEIVED)
    assert client.receive(100, socket.MSG_PEEK) == UNREAD
    port = client.port
    client.close()
    peer.expect_at_once(silence="unnoticed")
    restored = session.socket(port)
    restored.set_option("TCP_REPAIR", ON)
    for queue, content in ((RECEIVED, UNREAD), (SENT, UNACKNOWLEDGED)):
        restored.set_option("TCP_REPAIR_QUEUE", queue)
        begins = (struct.unpack("=I", numbers[queue])[0] - len(content)) % 2**32
        restored.set_option("TCP_QUEUE_SEQ", struct.pack("=I", begins))
    restored.connect(peer)
    restored.set_option("TCP_REPAIR_OPTIONS", pairs((MSS, 1000), (SCALE, scale), (SACK, 0)))
    for queue, content in ((RECEIVED, UNREAD), (SENT, UNACKNOWLEDGED)):
        restored.set_option("TCP_REPAIR_QUEUE", queue)
        restored.send(content)
    restored.set_option("TCP_REPAIR_WINDOW", window)
    peer.expect_at_once(silence="unnoticed")
    restored.set_option("TCP_REPAIR", end)
    return restored


@requirement("RFC9293-3.8.6.1")
@both_families
def test_connection_goes_on_in_another_socket(session: Session, used: Connection) -> None:
    """The end of the repair probes the peer's window: with a number that it has, which it answers."""
    restored = moved(session, used)
    peer = used.peer
    peer.expect(ACK, seq=0, ack=7)
    peer.send(ACK, seq=7, ack=15, data=b"more")
    peer.expect(ACK, seq=15, ack=11)
    assert restored.receive() == UNREAD + b"more"
    restored.send(b"answer")
    peer.expect(ACK, seq=15, ack=11, data=b"answer")
    peer.send(ACK, seq=11, ack=21)
    close(restored)
    peer.expect(FIN, seq=21, ack=11)
    peer.send(FIN, seq=11, ack=22)
    peer.expect(ACK, seq=22, ack=12)


@both_families
def test_repair_may_end_without_a_probe(session: Session, used: Connection) -> None:
    restored = moved(session, used, OFF_WITHOUT_A_PROBE)
    used.peer.expect_at_once(silence="unnoticed")
    assert restored.receive() == UNREAD


@both_families
def test_repair_is_for_connections_that_are_in_it(listener: Endpoint, used: Connection) -> None:
    client, _ = used
    assert errno_of(lambda: listener.set_option("TCP_REPAIR", ON)) == "EPERM"
    for name in ("TCP_REPAIR_QUEUE", "TCP_REPAIR_WINDOW"):
        assert refused(client, name, bytes(20)) == "EPERM"
    assert refused(client, "TCP_REPAIR_OPTIONS", pairs((SACK, 0))) == "EINVAL"
    assert refused(client, "TCP_REPAIR", 7) == "EINVAL"
    client.set_option("TCP_REPAIR", ON)
    assert refused(client, "TCP_REPAIR_QUEUE", 3) == "EINVAL"
    assert refused(client, "TCP_QUEUE_SEQ", 1) == "EPERM"  # the connection is open
    client.set_option("TCP_REPAIR", OFF_WITHOUT_A_PROBE)


@both_families
def test_what_no_connection_has_is_refused(session: Session) -> None:
    client = session.socket()
    peer = session.new_peer(client.port)
    client.set_option("TCP_REPAIR", ON)
    assert refused(client, "TCP_QUEUE_SEQ", 1) == "EINVAL"  # of no queue
    client.connect(peer)
    peer.expect_at_once(silence="unnoticed")
    for option, error in (((SCALE, 15), "EFBIG"), ((SACK, 1), "EINVAL"), ((STAMPS, 1), "EINVAL"), ((STAMPS, 0), "")):
        assert refused(client, "TCP_REPAIR_OPTIONS", pairs(option)) == error
    assert refused(client, "TCP_REPAIR_WINDOW", bytes(16)) == "EINVAL"
    assert refused(client, "TCP_REPAIR_WINDOW", struct.pack("=5I", 0, 1, 0, 0, 0)) == "EINVAL"  # above the largest
    assert errno_of(lambda: client.send(b"lost")) == "EINVAL"  # into no queue
    close(client)
    peer.expect_at_once(silence="unnoticed")
