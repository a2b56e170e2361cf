"""Calls that wait on a thread of their own, and calls that must not wait."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from harness import ACK, FIN, RST, Connection, Mismatch, Session, reach
from harness.live.syscalls import errno_of
from harness.tcp.timing import PROMPT, TimingProfile
from harness.trace.events import Called
from netns import privilege

PATIENT_NS = 1_000_000_000  # time is not what is tested here


@pytest.fixture(scope="module")
def lab() -> Iterator[Session]:
    privilege.ensure()
    with Session(TimingProfile(slack_ns=PATIENT_NS)) as session:
        yield session


@pytest.fixture
def connection(lab: Session) -> Connection:
    return reach(lab, None, "ESTABLISHED")


def test_call_is_back_with_what_it_waited_for(connection: Connection) -> None:
    reader = connection.endpoint.begin_receive(9)
    assert reader.waits
    connection.peer.send(ACK, seq=1, ack=1, data=b"abc")
    assert reader.end() == b"abc"
    assert not reader.waits
    assert reader.began <= reader.ended


def test_error_is_told_by_its_name(connection: Connection) -> None:
    reader = connection.endpoint.begin_receive(9)
    connection.peer.send(RST, seq=1)
    assert errno_of(reader.end) == "ECONNRESET"


def test_call_stands_on_the_timeline_with_its_result(lab: Session, connection: Connection) -> None:
    reader = connection.endpoint.begin_receive(9)
    connection.peer.send(FIN, seq=1, ack=1)
    reader.end()
    call = [event for event in lab.timeline if isinstance(event, Called)][-1]
    assert (call.call, call.result, call.connection) == ("recv(9)", 0, connection.endpoint.connection)


def test_call_that_never_ends_is_told(connection: Connection) -> None:
    reader = connection.endpoint.begin_receive(9)
    with pytest.raises(Mismatch, match=r"(?s)recv\(9\) returns.*it is not back after 40 ms"):
        reader.end(PROMPT)
    connection.peer.send(ACK, seq=1, ack=1, data=b"abc")


def test_call_that_must_not_wait_says_so_and_later_ones_wait_again(connection: Connection) -> None:
    server, peer = connection
    with server.without_waiting():
        assert errno_of(server.receive) == "EAGAIN"
    peer.send(ACK, seq=1, ack=1, data=b"abc")
    assert server.receive() == b"abc"


def test_closing_inside_is_allowed(connection: Connection) -> None:
    with connection.endpoint.without_waiting():
        connection.endpoint.close()


def test_disconnect_leaves_a_socket_as_good_as_new(connection: Connection) -> None:
    server, peer = connection
    server.disconnect()
    peer.expect(RST, seq=1, ack=1)
    assert errno_of(server.socket.getpeername) == "ENOTCONN"


def test_error_of_a_socket_is_raised_once(lab: Session, connection: Connection) -> None:
    server, peer = connection
    assert errno_of(server.raise_error) == ""
    peer.send(RST, seq=1)
    lab.dispatcher.flush()
    assert [errno_of(server.raise_error), errno_of(server.raise_error)] == ["ECONNRESET", ""]


def test_walk_from_an_unbound_socket_stands_on_the_timeline(lab: Session) -> None:
    server = lab.unbound_socket()
    server.bind(lab.lab.plan.kernel.address(4), 0)
    server.listen(1)
    calls = [event.call for event in lab.timeline if isinstance(event, Called)][-3:]
    assert calls == ["socket()", f"bind({lab.lab.plan.kernel.address(4)}, 0)", "listen(1)"]
    assert server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
