"""Data that are not copied on their way: MSG_ZEROCOPY (msg_zerocopy.rst), sendfile(2) and splice(2).

The pages stay the application's, or the file's, until the peer has acknowledged what lies in them.
"""

from __future__ import annotations

import os
import socket
import struct
import tempfile
from contextlib import suppress

import pytest

from harness import ACK, FIN, IPV4_MSS, RTO_MIN, Connection, Endpoint, Session, expect_flight, requirement, waits

pytestmark = pytest.mark.usefixtures("no_tail_loss_probe")

ZEROCOPY = 0x4000000  # MSG_ZEROCOPY (include/linux/socket.h)
FROM_ZEROCOPY = 5  # SO_EE_ORIGIN_ZEROCOPY (include/uapi/linux/errqueue.h)
BYTES = bytes(number % 251 for number in range(3 * IPV4_MSS))


@pytest.fixture
def sharing(session: Session, listener: Endpoint) -> Connection:
    """Opened by the peer; the application may have its pages sent without a copy."""
    connection = session.establish(listener, options="mss 1460,nop,nop,sackOK")
    connection.endpoint.set_option("SO_ZEROCOPY", 1)
    return connection


def released(server: Endpoint) -> list[range]:
    """Which calls of send(2) the kernel has told that their pages are free again, by their numbers from 0 on."""
    told = []
    with server.without_waiting(), suppress(BlockingIOError):
        while True:
            # a look at what the kernel knows, and no call of the application: the base class's, which tells nobody
            for level, _, data in socket.socket.recvmsg(server.socket, 0, 512, socket.MSG_ERRQUEUE)[1]:
                number, origin, first, last = struct.unpack_from("=IB3xII", data)  # struct sock_extended_err
                assert (level, number, origin) == (socket.SOL_IP, 0, FROM_ZEROCOPY)
                told.append(range(first, last + 1))
    return told


def numbers(told: list[range]) -> list[int]:
    return [number for together in told for number in together]


@requirement("RFC9293-3.9.1", "RFC9293-3.8.1")
def test_pages_are_free_again_once_they_are_acknowledged(session: Session, sharing: Connection) -> None:
    server, peer = sharing
    server.send(BYTES, ZEROCOPY)
    behind = expect_flight(peer, 3, seq=1)
    assert released(server) == []
    peer.send(ACK, seq=1, ack=behind)
    session.settle()
    assert numbers(released(server)) == [0]


@requirement("RFC9293-3.9.1", "RFC9293-3.8.1")
def test_each_call_is_told_of_in_order(session: Session, sharing: Connection) -> None:
    server, peer = sharing
    for number in range(3):
        server.send(BYTES[:IPV4_MSS], ZEROCOPY)
        peer.expect(ACK, seq=1 + number * IPV4_MSS, ack=1, data=BYTES[:IPV4_MSS])
    peer.send(ACK, seq=1, ack=1 + 2 * IPV4_MSS)
    session.settle()
    assert numbers(released(server)) == [0, 1]
    peer.send(ACK, seq=1, ack=1 + 3 * IPV4_MSS)
    session.settle()
    assert numbers(released(server)) == [2]


@requirement("RFC9293-3.8.1")
@waits(RTO_MIN)
def test_lost_data_are_sent_again_out_of_the_same_pages(session: Session, sharing: Connection) -> None:
    server, peer = sharing
    server.send(BYTES[:IPV4_MSS], ZEROCOPY)
    peer.expect(ACK, seq=1, ack=1, data=BYTES[:IPV4_MSS])
    peer.expect(ACK, seq=1, ack=1, data=BYTES[:IPV4_MSS], at_least=RTO_MIN, within=session.profile.first_rto())
    assert released(server) == []
    peer.send(ACK, seq=1, ack=1 + IPV4_MSS)
    session.settle()
    assert numbers(released(server)) == [0]


@requirement("RFC9293-3.9.1", "RFC9293-3.8.1")
@waits(RTO_MIN)
def test_file_is_sent_as_it_is(session: Session, established: Connection) -> None:
    """sendfile(2): from the page cache, and again from there where it is lost."""
    server, peer = established
    with tempfile.TemporaryFile() as file:
        file.write(BYTES[:1000])
        file.flush()
        assert os.sendfile(server.socket.fileno(), file.fileno(), 0, 1000) == 1000
        peer.expect(ACK, seq=1, ack=1, data=BYTES[:1000])
        peer.expect(ACK, seq=1, ack=1, data=BYTES[:1000], at_least=RTO_MIN, within=session.profile.first_rto())
    peer.send(ACK, seq=1, ack=1001)


@requirement("RFC9293-3.9.1", "RFC9293-3.10.3")
def test_received_data_are_spliced_into_a_pipe(established: Connection) -> None:
    """splice(2) takes them off the socket, as read(2) does, and no more than it is asked for."""
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=BYTES[:1000])
    peer.expect(ACK, seq=1, ack=1001)
    out, into = os.pipe()
    try:
        assert os.splice(server.socket.fileno(), into, 600) == 600
        assert os.read(out, 1000) == BYTES[:600]
        assert server.receive() == BYTES[600:1000]
    finally:
        os.close(out)
        os.close(into)


@requirement("RFC9293-3.10.3", "RFC9293-MUST-12")
def test_splice_tells_of_the_end_of_the_stream(established: Connection) -> None:
    server, peer = established
    peer.send(ACK | FIN, seq=1, ack=1, data=b"last")
    peer.expect(ACK, seq=1, ack=6)
    out, into = os.pipe()
    try:
        assert os.splice(server.socket.fileno(), into, 600) == 4
        assert os.splice(server.socket.fileno(), into, 600) == 0
        assert os.read(out, 1000) == b"last"
    finally:
        os.close(out)
        os.close(into)
