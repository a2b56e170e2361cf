"""The urgent mechanism (RFC 9293 3.8.5, RFC 6093)."""

from __future__ import annotations

import fcntl
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from harness import ACK, FIN, URG, Connection, Endpoint, Pattern, both_families, in_shared_lab, requirement

pytestmark = in_shared_lab

SIOCATMARK = 0x8905  # include/uapi/asm-generic/sockios.h
F_SETOWN_EX, F_OWNER_TID = 15, 0  # include/uapi/asm-generic/fcntl.h


@contextmanager
def urgent_signals(server: Endpoint) -> Iterator[Callable[[], bool]]:
    """Have SIGURG of this socket sent to this thread, and kept until it is asked for."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGURG})
    fcntl.fcntl(server.socket, F_SETOWN_EX, struct.pack("ii", F_OWNER_TID, threading.get_native_id()))
    try:
        yield lambda: signal.sigtimedwait({signal.SIGURG}, 0) is not None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def at_mark(server: Endpoint) -> bool:
    """sockatmark(3): whether what is read next is the urgent octet."""
    return bool(struct.unpack("i", fcntl.ioctl(server.socket, SIOCATMARK, bytes(4)))[0])


@requirement("RFC9293-MUST-30", "RFC9293-MUST-31", "RFC9293-MUST-62")
@both_families
@pytest.mark.parametrize("data", [b"!", b"a long cry!"], ids=["one-octet", "many"])
def test_urgent_pointer_is_behind_the_last_urgent_octet(established: Connection, data: bytes) -> None:
    server, peer = established
    server.send(data, socket.MSG_OOB)
    sent = peer.expect(ACK | URG, seq=1, ack=1, data=data)
    assert sent.urgent == len(data)


@requirement("RFC9293-MUST-30", "RFC9293-MUST-62")
@both_families
def test_urgent_pointer_is_sent_ahead_of_its_octet(established: Connection) -> None:
    """What waits for an acknowledgment goes out with a pointer to what is written after it."""
    server, peer = established
    server.send(b"first")
    peer.expect(ACK, seq=1, ack=1, data=b"first")
    server.send(b"waits")
    server.send(b"!", socket.MSG_OOB)
    sent = peer.expect(ACK | URG, seq=6, ack=1, data=b"waits!")
    assert sent.urgent == len(b"waits!")


@requirement("RFC9293-MUST-32", "RFC9293-U-1", "RFC9293-MUST-30")
@both_families
def test_application_is_told_of_urgent_data(established: Connection) -> None:
    server, peer = established
    peer.send(ACK | URG, seq=1, ack=1, data=b"help!", urgent=5)
    peer.expect(ACK, seq=1, ack=6)
    assert server.is_urgent()


@requirement("RFC9293-MUST-32", "RFC9293-U-1")
@both_families
def test_application_is_signalled_before_the_urgent_octet_is_there(established: Connection) -> None:
    server, peer = established
    with urgent_signals(server) as signalled:
        peer.send(ACK | URG, seq=1, ack=1, data=b"it follows", urgent=100)
        peer.expect(ACK, seq=1, ack=11)
        assert signalled()


@requirement("RFC9293-MUST-32", "RFC9293-U-1")
@both_families
def test_application_is_signalled_when_the_urgent_pointer_moves_on(established: Connection) -> None:
    server, peer = established
    with urgent_signals(server) as signalled:
        peer.send(ACK | URG, seq=1, ack=1, data=b"once!", urgent=5)
        peer.expect(ACK, seq=1, ack=6)
        assert signalled()
        assert not signalled()
        peer.send(ACK | URG, seq=6, ack=1, data=b"again!", urgent=6)
        peer.expect(ACK, seq=1, ack=12)
        assert signalled()


@requirement("RFC9293-MUST-33")
@both_families
def test_application_learns_where_the_urgent_data_end(established: Connection) -> None:
    server, peer = established
    peer.send(ACK | URG, seq=1, ack=1, data=b"urgent!calm", urgent=7)
    peer.expect(ACK, seq=1, ack=12)
    assert not at_mark(server)
    assert server.receive() == b"urgent"
    assert at_mark(server)


@requirement("RFC9293-MUST-31", "RFC9293-MUST-33")
@both_families
def test_all_octets_up_to_the_urgent_pointer_are_urgent(established: Connection) -> None:
    """Two urgent octets one after the other stay in the stream, and none is lost (RFC 6093 3.2)."""
    server, peer = established
    server.set_option("SO_OOBINLINE", 1)
    peer.send(ACK | URG, seq=1, ack=1, data=b"a!", urgent=2)
    peer.expect(ACK, seq=1, ack=3)
    peer.send(ACK | URG, seq=3, ack=1, data=b"!", urgent=1)
    peer.expect(ACK, seq=1, ack=4)
    assert server.receive() + server.receive() == b"a!!"


@requirement("RFC9293-E-15")
@both_families
def test_urg_is_ignored_after_the_fin(established: Connection) -> None:
    server, peer = established
    peer.send(FIN, seq=1, ack=1)
    peer.expect(ACK, seq=1, ack=2)
    peer.send(ACK | URG, seq=2, ack=1, urgent=5)
    peer.expect_at_once(silence="ignored", acknowledged=Pattern(ACK, seq=1, ack=2))
    assert not server.is_urgent()
    server.send(b"still here")
    peer.expect(ACK, seq=1, ack=2, data=b"still here")
