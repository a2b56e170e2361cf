"""The urgent pointer (RFC 9293 3.8.5): it names the octet behind the last urgent one."""

from __future__ import annotations

import errno
import socket

from harness import ACK, FIN, URG, Connection, Endpoint, Session, both_families, requirement


def has_urgent_data(server: Endpoint) -> bool:
    """Whether the application is told of any: recv(2) with MSG_OOB refuses where it is not (EINVAL)."""
    try:
        server.receive_urgent()
    except OSError as error:
        return error.errno != errno.EINVAL
    return True


@requirement("RFC9293-MUST-30", "RFC9293-MUST-62")
@both_families
def test_urgent_octet_is_the_one_before_the_pointer(established: Connection) -> None:
    server, peer = established
    peer.send(URG, seq=1, ack=1, urgent=3, data=b"abcd")
    peer.expect(ACK, seq=1, ack=5)
    assert server.receive_urgent() == b"c"
    assert server.receive() == b"ab"
    assert server.receive() == b"d"


@requirement("RFC9293-MUST-30", "RFC9293-MUST-31", "RFC9293-MUST-62")
@both_families
def test_pointer_beyond_the_segment_names_an_octet_to_come(established: Connection) -> None:
    server, peer = established
    peer.send(URG, seq=1, ack=1, urgent=6, data=b"abc")
    peer.expect(ACK, seq=1, ack=4)
    peer.send(URG, seq=4, ack=1, urgent=3, data=b"def")
    peer.expect(ACK, seq=1, ack=7)
    assert server.receive_urgent() == b"f"
    assert server.receive() == b"abcde"


@requirement("RFC9293-MUST-30", "RFC9293-MUST-62")
@both_families
def test_pointer_sent_names_the_octet_behind_the_urgent_one(established: Connection) -> None:
    server, peer = established
    server.send(b"abc", socket.MSG_OOB)
    assert peer.expect(URG, seq=1, ack=1, data=b"abc").urgent == len(b"abc")
    peer.send(ACK, seq=1, ack=4)


@requirement("RFC9293-MUST-30")
@both_families
def test_pointer_without_the_flag_means_nothing(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, urgent=3, data=b"abcd")
    peer.expect(ACK, seq=1, ack=5)
    assert not has_urgent_data(server)
    assert server.receive() == b"abcd"


@requirement("RFC9293-E-15")
@both_families
def test_urgent_pointer_behind_a_fin_is_ignored(session: Session, established: Connection) -> None:
    server, peer = established
    peer.send(FIN, seq=1, ack=1)
    peer.expect(ACK, seq=1, ack=2)
    peer.send(URG, seq=2, ack=1, urgent=1)
    session.settle()
    assert not has_urgent_data(server)
    assert server.receive() == b""
