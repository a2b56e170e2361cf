"""What wakes a reader that waits, and when.

An edge-triggered epoll(7) tells of each time that the kernel woke the socket's readers, also where there was nothing
to read afterwards. RFC 9293 3.10.3 lets RECEIVE wait for data in sequence, for the end, or for an abort.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest

from harness import (
    ACK,
    FIN,
    NONE,
    PROMPT,
    RST,
    SYN,
    WRONG_CHECKSUM,
    Connection,
    Endpoint,
    Peer,
    Sent,
    Session,
    both_families,
    errno_of,
    in_shared_lab,
    requirement,
)

pytestmark = in_shared_lab

IN_SEQUENCE = 1
AHEAD = 100
FAR = 1_000_000  # beyond the window


class Readers:
    """Tells whether readers of a socket were woken since the last look."""

    def __init__(self, session: Session, server: Endpoint, epoll: select.epoll) -> None:
        self._session = session
        self._epoll = epoll
        epoll.register(server.socket, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)
        epoll.poll(0)  # what a new entry reports by itself

    def woken(self) -> bool:
        """Once the kernel took in all that was sent."""
        self._session.settle()
        return any(events & (select.EPOLLIN | select.EPOLLERR) for _, events in self._epoll.poll(0))


@pytest.fixture
def readers(session: Session, established: Connection) -> Iterator[Readers]:
    with select.epoll() as epoll:
        yield Readers(session, established.endpoint, epoll)


@requirement("RFC9293-3.10.3")
@both_families
def test_data_in_sequence_wake_the_reader(established: Connection, readers: Readers) -> None:
    _, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"abc")
    peer.expect(ACK, seq=1, ack=4)
    assert readers.woken()


@requirement("RFC9293-3.10.3", "RFC9293-MUST-60")
@both_families
def test_data_without_push_wake_the_reader(established: Connection, readers: Readers) -> None:
    server, peer = established
    peer.send(NONE, seq=1, ack=1, data=b"a")
    peer.expect(ACK, seq=1, ack=2)
    assert readers.woken()
    assert server.receive() == b"a"


@requirement("RFC9293-3.10.3")
@both_families
def test_data_behind_a_hole_wake_nobody_and_the_last_piece_does(established: Connection, readers: Readers) -> None:
    server, peer = established
    peer.send(ACK, seq=4, ack=1, data=b"def")
    peer.expect(ACK, seq=1, ack=1)
    assert not readers.woken()

    peer.send(ACK, seq=1, ack=1, data=b"abc")
    peer.expect(ACK, seq=1, ack=7)
    assert readers.woken()
    assert server.receive() == b"abcdef"


@requirement("RFC9293-3.10.3")
@both_families
def test_fin_wakes_the_reader(established: Connection, readers: Readers) -> None:
    _, peer = established
    peer.send(FIN, seq=1, ack=1)
    peer.expect(ACK, seq=1, ack=2)
    assert readers.woken()


@requirement("RFC9293-3.10.3")
@both_families
def test_fin_behind_a_hole_wakes_nobody(established: Connection, readers: Readers) -> None:
    _, peer = established
    peer.send(FIN, seq=4, ack=1)
    peer.expect(ACK, seq=1, ack=1)
    assert not readers.woken()


@requirement("RFC9293-3.10.3", "RFC9293-3.10.7.4")
@both_families
def test_reset_wakes_the_reader(established: Connection, readers: Readers) -> None:
    _, peer = established
    peer.send(RST, seq=1)
    assert readers.woken()


def send_pure_ack(peer: Peer) -> None:
    peer.send(ACK, seq=1, ack=1)


def send_data_with_a_wrong_checksum(peer: Peer) -> None:
    peer.send(ACK, seq=1, ack=1, data=b"abc", checksum=WRONG_CHECKSUM)


def send_data_without_ack(peer: Peer) -> None:
    peer.send(NONE, seq=1, data=b"abc")


def send_rst_out_of_the_window(peer: Peer) -> None:
    peer.send(RST, seq=FAR)


@requirement("RFC9293-3.10.3", "RFC9293-MUST-3")
@both_families
@pytest.mark.parametrize(
    "send", [send_pure_ack, send_data_with_a_wrong_checksum, send_data_without_ack, send_rst_out_of_the_window]
)
def test_what_brings_nothing_wakes_nobody(established: Connection, readers: Readers, send: object) -> None:
    assert callable(send)
    send(established.peer)
    assert not readers.woken()


def send_rst_inside_the_window(peer: Peer) -> None:
    peer.send(RST, seq=AHEAD)


def send_syn(peer: Peer) -> None:
    peer.send(SYN, seq=AHEAD)


def send_old_data(peer: Peer) -> None:
    peer.send(ACK, seq=-2, ack=1, data=b"abc")


def send_data_beyond_the_window(peer: Peer) -> None:
    peer.send(ACK, seq=FAR, ack=1, data=b"abc")


@requirement("RFC9293-3.10.3", "RFC9293-E-10", "RFC9293-U-5")
@both_families
@pytest.mark.parametrize("send", [send_rst_inside_the_window, send_syn, send_old_data, send_data_beyond_the_window])
def test_what_is_challenged_wakes_nobody(established: Connection, readers: Readers, send: object) -> None:
    assert callable(send)
    send(established.peer)
    established.peer.expect(ACK, seq=1, ack=1)
    assert not readers.woken()


@requirement("RFC9293-3.10.3")
@both_families
def test_again_what_was_read_already_wakes_nobody(established: Connection, readers: Readers) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"abc")
    peer.expect(ACK, seq=1, ack=4)
    assert server.receive() == b"abc"
    readers.woken()

    peer.send(ACK, seq=1, ack=1, data=b"abc")
    peer.expect(ACK, seq=1, ack=4)
    assert not readers.woken()


@requirement("RFC9293-3.10.3")
@both_families
def test_reader_that_wants_more_is_not_woken_before_it_is_there(session: Session, established: Connection) -> None:
    """SO_RCVLOWAT: how many bytes a RECEIVE wants to have at least."""
    server, peer = established
    server.set_option("SO_RCVLOWAT", 6)
    with select.epoll() as epoll:
        readers = Readers(session, server, epoll)
        peer.send(ACK, seq=1, ack=1, data=b"abc")
        peer.expect(ACK, seq=1, ack=4)
        assert not readers.woken()
        peer.send(ACK, seq=4, ack=1, data=b"def")
        peer.expect(ACK, seq=1, ack=7)
        assert readers.woken()


# -- when


def last_sent_at(session: Session) -> int:
    return max(event.at for event in session.events(Sent))


@requirement("RFC9293-3.10.3")
@both_families
def test_reader_is_back_as_soon_as_data_are_there(session: Session, established: Connection) -> None:
    server, peer = established
    reader = server.begin_receive()
    peer.send(ACK, seq=1, ack=1, data=b"abc")
    peer.expect(ACK, seq=1, ack=4)
    assert reader.end() == b"abc"
    assert reader.ended - last_sent_at(session) <= session.profile.upper(PROMPT)


@requirement("RFC9293-3.10.3")
@both_families
def test_reader_sleeps_through_what_is_ahead_and_is_back_with_all_of_it(
    session: Session, established: Connection
) -> None:
    server, peer = established
    reader = server.begin_receive()
    peer.send(ACK, seq=4, ack=1, data=b"def")
    peer.expect(ACK, seq=1, ack=1)
    session.settle()
    assert reader.waits

    peer.send(ACK, seq=1, ack=1, data=b"abc")
    peer.expect(ACK, seq=1, ack=7)
    assert reader.end() == b"abcdef"
    assert reader.ended - last_sent_at(session) <= session.profile.upper(PROMPT)


@requirement("RFC9293-3.10.3", "RFC9293-MUST-12")
@both_families
def test_fin_ends_the_wait_with_the_end_of_the_stream(session: Session, established: Connection) -> None:
    server, peer = established
    reader = server.begin_receive()
    peer.send(FIN, seq=1, ack=1)
    peer.expect(ACK, seq=1, ack=2)
    assert reader.end() == b""
    assert reader.ended - last_sent_at(session) <= session.profile.upper(PROMPT)


@requirement("RFC9293-3.10.7.4", "RFC9293-MUST-12")
@both_families
def test_reset_ends_the_wait_with_an_error(session: Session, established: Connection) -> None:
    server, peer = established
    reader = server.begin_receive()
    peer.send(RST, seq=1)
    assert errno_of(reader.end) == "ECONNRESET"
    session.settle()
    assert reader.ended - last_sent_at(session) <= session.profile.upper(PROMPT)


@requirement("RFC9293-3.10.4")
@both_families
@pytest.mark.parametrize("how", [socket.SHUT_RD, socket.SHUT_RDWR], ids=["SHUT_RD", "SHUT_RDWR"])
def test_own_shutdown_ends_the_wait(established: Connection, how: int) -> None:
    server, peer = established
    peer.allow(FIN, seq=1, ack=1)
    reader = server.begin_receive()
    server.shutdown(how)
    assert reader.end() == b""
