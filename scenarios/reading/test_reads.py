"""What recv(2) gives of what arrived: in parts, in sequence, and the end of the stream behind all of it.

RFC 9293 3.10.3 (RECEIVE), 3.10.7.4 seventh and eighth; MUST-12 for the difference between an end and an abort.
"""

from __future__ import annotations

import socket

from harness import ACK, FIN, RST, Connection, Endpoint, Session, both_families, errno_of, in_shared_lab, requirement

pytestmark = in_shared_lab


def read_now(server: Endpoint, size: int = 65536) -> bytes | str:
    """What is there to be read without waiting, or the errno."""
    read: list[bytes] = []
    with server.without_waiting():
        return errno_of(lambda: read.append(server.receive(size))) or read[0]


@requirement("RFC9293-3.10.3")
@both_families
def test_reads_take_as_many_bytes_as_they_ask_for(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"abcdefghij")
    peer.expect(ACK, seq=1, ack=11)
    assert [server.receive(4), server.receive(4), server.receive(4)] == [b"abcd", b"efgh", b"ij"]


@requirement("RFC9293-3.10.3")
@both_families
def test_one_read_takes_what_several_segments_brought(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"abc")
    peer.expect(ACK, seq=1, ack=4)
    peer.send(ACK, seq=4, ack=1, data=b"def")
    peer.expect(ACK, seq=1, ack=7)
    assert server.receive(2) == b"ab"
    assert server.receive() == b"cdef"


@requirement("RFC9293-3.10.3")
@both_families
def test_peeking_leaves_the_bytes_to_be_read(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"abc")
    peer.expect(ACK, seq=1, ack=4)
    assert server.receive(2, socket.MSG_PEEK) == b"ab"
    assert server.receive() == b"abc"


@requirement("RFC9293-3.10.3", "RFC9293-3.10.7.4", "RFC9293-SHLD-31")
@both_families
def test_what_waits_behind_a_hole_cannot_be_read_before_it_is_filled(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=4, ack=1, data=b"def")
    peer.expect(ACK, seq=1, ack=1)
    assert read_now(server) == "EAGAIN"

    peer.send(ACK, seq=1, ack=1, data=b"abc")
    peer.expect(ACK, seq=1, ack=7)
    assert server.receive() == b"abcdef"


@requirement("RFC9293-3.10.3", "RFC9293-3.10.7.4")
@both_families
def test_a_hole_that_is_filled_in_part_gives_that_part(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=7, ack=1, data=b"ghi")
    peer.expect(ACK, seq=1, ack=1)
    peer.send(ACK, seq=1, ack=1, data=b"abc")
    peer.expect(ACK, seq=1, ack=4)
    assert server.receive() == b"abc"
    assert read_now(server) == "EAGAIN"

    peer.send(ACK, seq=4, ack=1, data=b"def")
    peer.expect(ACK, seq=1, ack=10)
    assert server.receive() == b"defghi"


@requirement("RFC9293-3.10.3", "RFC9293-3.10.7.4", "RFC9293-MUST-12", "FSM-051")
@both_families
def test_fin_behind_unread_data_is_the_end_of_the_stream_once_they_are_read(established: Connection) -> None:
    server, peer = established
    peer.send(FIN, seq=1, ack=1, data=b"abcdef")
    peer.expect(ACK, seq=1, ack=8)
    assert [server.receive(4), server.receive(4)] == [b"abcd", b"ef"]
    assert [server.receive(), server.receive()] == [b"", b""]  # and stays the end


@requirement("RFC9293-3.10.7.4", "RFC9293-SHLD-31")
@both_families
def test_fin_that_overtook_data_is_no_end_before_they_arrive(established: Connection) -> None:
    server, peer = established
    peer.send(FIN, seq=4, ack=1)
    peer.expect(ACK, seq=1, ack=1)
    assert read_now(server) == "EAGAIN"

    peer.send(ACK, seq=1, ack=1, data=b"abc")
    peer.expect(ACK, seq=1, ack=5)
    assert [server.receive(), server.receive()] == [b"abc", b""]


@requirement("RFC9293-MUST-12", "RFC9293-3.10.7.4")
@both_families
def test_reset_is_told_from_an_end(established: Connection, session: Session) -> None:
    server, peer = established
    peer.send(RST, seq=1)
    session.settle()
    assert read_now(server) == "ECONNRESET"
    assert read_now(server) == b""  # told once (SO_ERROR); nothing comes any more


@requirement("RFC9293-3.10.3", "RFC9293-3.6")
@both_families
def test_half_closed_server_reads_on(fin_wait_2: Connection) -> None:
    server, peer = fin_wait_2
    peer.send(ACK, seq=1, ack=2, data=b"abc")
    peer.expect(ACK, seq=2, ack=4)
    assert server.receive() == b"abc"
    peer.send(FIN, seq=4, ack=2)
    peer.expect(ACK, seq=2, ack=5)
    assert server.receive() == b""
