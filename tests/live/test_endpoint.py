"""System calls of the kernel under test, on the timeline with their result or their errno by name."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable

import pytest

from harness.errors import FinwaitError
from harness.live import endpoint as endpoint_module
from harness.live import recorded_socket
from harness.live.endpoint import Endpoint
from harness.live.session import Connection, Session
from harness.tcp.segment import ACK, FIN, RST, SYN
from harness.tcp.verdict import Due, Mismatch
from harness.trace.events import Called
from tests.live.conftest import calls


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (endpoint_module, recorded_socket):
        monkeypatch.setattr(module, "DEADLINE_SECONDS", 0.05)


def test_calls_are_recorded_in_order_with_their_results(opened: Session) -> None:
    server, peer = opened.establish(opened.listen(port=9))
    peer.send(ACK, seq=1, ack=1, data=b"abc")
    peer.expect(ACK, ack=4)
    server.receive()
    server.send(b"hello")
    peer.expect(ACK, data=b"hello")
    server.shutdown(socket.SHUT_WR)
    peer.expect(FIN, seq=6, ack=4)
    server.close()
    assert calls(opened) == [
        ("listen(16)", 0),
        ("accept()", f"{opened.lab.plan.peer.ipv4} port {peer.flow.peer_port}"),
        ("recv(65536)", 3),
        ("send(5)", 5),
        ("shutdown(SHUT_WR)", 0),
        ("close()", 0),
    ]
    recorded = [event for event in opened.timeline if isinstance(event, Called)]
    assert all(event.at <= event.end for event in recorded)
    assert all(event.step.endswith(event.call) for event in recorded)


def test_failed_call_raises_what_the_kernel_said_and_records_its_name(
    conversation: Connection, opened: Session
) -> None:
    server, peer = conversation
    peer.send(RST, seq=1)
    with pytest.raises(ConnectionResetError):
        server.receive()
    with pytest.raises(BrokenPipeError):
        server.send(b"x")
    with pytest.raises(OSError, match="not connected") as raised:
        server.shutdown(socket.SHUT_RDWR)
    assert raised.value.errno == errno.ENOTCONN
    assert calls(opened)[-3:] == [
        ("recv(65536)", "ECONNRESET"),
        ("send(1)", "EPIPE"),
        ("shutdown(SHUT_RDWR)", "ENOTCONN"),
    ]


def test_call_on_a_closed_socket_is_recorded_too(conversation: Connection, opened: Session) -> None:
    server, peer = conversation
    server.close()
    peer.expect(FIN, ack=1)
    with pytest.raises(OSError, match="Bad file descriptor"):
        server.close()
    assert calls(opened)[-2:] == [("close()", 0), ("close()", "EBADF")]


@pytest.mark.usefixtures("hurried")
def test_blocking_call_has_a_deadline(opened: Session) -> None:
    server = opened.establish(opened.listen()).endpoint
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        server.receive()
    assert 0.05 <= time.monotonic() - began < 2
    assert calls(opened)[-1] == ("recv(65536)", "EAGAIN")


@pytest.mark.usefixtures("hurried")
def test_accepting_what_never_comes_has_a_deadline(opened: Session) -> None:
    with pytest.raises(TimeoutError):
        opened.listen().accept()
    assert calls(opened)[-1] == ("accept()", "EAGAIN")


@pytest.mark.usefixtures("hurried")
def test_connecting_to_nobody_has_a_deadline(opened: Session) -> None:
    client = opened.socket()
    peer = opened.new_peer(client.port)
    client.connect((opened.lab.plan.peer.ipv4, peer.flow.peer_port), wait=False)
    peer.expect(SYN)
    with pytest.raises(TimeoutError):
        client.wait_connected()
    assert [call for call in calls(opened) if call[0].startswith(("connect", "poll"))] == [
        (f"connect({opened.lab.plan.peer.ipv4}, {peer.flow.peer_port})", "EINPROGRESS"),
        ("poll(POLLOUT)", "ETIMEDOUT"),
    ]


def test_refused_connection_is_told_when_it_is_waited_for(opened: Session) -> None:
    client = opened.socket()
    peer = opened.new_peer(client.port)
    client.connect((opened.lab.plan.peer.ipv4, peer.flow.peer_port), wait=False)
    peer.expect(SYN)
    peer.send(RST, seq=0, ack=1)
    with pytest.raises(ConnectionRefusedError):
        client.wait_connected()
    assert calls(opened)[-1] == ("poll(POLLOUT)", "ECONNREFUSED")


def test_end_of_the_stream_is_empty(conversation: Connection, opened: Session) -> None:
    server, peer = conversation
    peer.send(FIN, seq=1, ack=1)
    peer.expect(ACK, ack=2)
    assert server.receive() == b""
    assert calls(opened)[-1] == ("recv(65536)", 0)


def test_zero_linger_resets(conversation: Connection) -> None:
    server, peer = conversation
    server.linger(0)
    server.close()
    peer.expect(RST, seq=1, ack=1)


def test_data_sent_while_opening_go_with_the_syn_once_there_is_a_cookie(opened: Session) -> None:
    for answer, taken in ((",nop,nop,opt 34 0102030405060708", 0), ("", 5)):
        client = opened.socket()
        opened.sysctl("net/ipv4/tcp_fastopen", 1)
        peer = opened.new_peer(client.port)
        assert client.send_opening(b"early", (opened.lab.plan.peer.ipv4, peer.flow.peer_port)) == taken
        peer.expect(SYN, seq=0, length=taken)
        peer.send(SYN, seq=0, ack=taken + 1, options=f"mss 1460{answer}")
        peer.expect(ACK, seq=taken + 1, ack=1)
    begun, done = (call for call in calls(opened) if call[0].startswith("sendto"))
    assert begun == (
        f"sendto(5, MSG_FASTOPEN, {opened.lab.plan.peer.ipv4}, {opened.peers[0].flow.peer_port})",
        "EINPROGRESS",
    )
    assert done[1] == 5


def test_port_in_use_is_told(opened: Session) -> None:
    opened.listen(port=99)
    with pytest.raises(FinwaitError) as raised:
        opened.listen(port=99)
    assert str(raised.value) == (
        "port 99 of the kernel under test cannot be bound (EADDRINUSE); another socket of this lab has it; "
        "try: another port, or port=0 for any"
    )


@pytest.mark.parametrize("port", [65536, -1])
def test_port_that_does_not_fit_is_told(opened: Session, port: int) -> None:
    with pytest.raises(FinwaitError, match=f"port={port} does not fit"):
        opened.socket(port)


def test_socket_that_a_scenario_let_go_is_not_closed_before_its_end(opened: Session) -> None:
    peer = opened.establish(opened.listen()).peer  # nobody keeps the server
    peer.expect_silence()


def test_error_that_a_scenario_does_not_expect_deviates_and_is_still_the_kernels(conversation: Connection) -> None:
    server, peer = conversation
    peer.send(RST, seq=1)
    with pytest.raises(Mismatch) as raised:
        server.receive()
    assert isinstance(raised.value, ConnectionResetError)
    evidence = raised.value.evidence
    assert (raised.value.errno, evidence.expected) == (errno.ECONNRESET, (Due("  recv(65536) succeeds"),))
    assert evidence.observed == "  ECONNRESET   (Connection reset by peer)"


@pytest.mark.parametrize("wrapped", [False, True])
def test_error_of_a_call_on_the_socket_itself_deviates_whoever_makes_it(
    conversation: Connection, wrapped: bool
) -> None:
    server, peer = conversation
    peer.send(RST, seq=1)
    with (
        server.socket.makefile("rb") as file,
        pytest.raises(Mismatch, match=r"ECONNRESET   \(Connection reset by peer\)") as raised,
    ):
        (file.read if wrapped else server.socket.recv)(9)
    assert isinstance(raised.value, ConnectionResetError)


def test_call_on_the_socket_itself_that_does_not_return_deviates(opened: Session) -> None:
    server, _ = opened.establish(opened.listen())
    server.socket.settimeout(0.01)
    with pytest.raises(Mismatch, match=r"recv\(\) succeeds\nobserved    EAGAIN") as raised:
        server.socket.recv(9)
    assert isinstance(raised.value, TimeoutError)


@pytest.mark.parametrize("end", [Endpoint.close, Endpoint.disconnect])
def test_port_is_known_when_the_socket_has_none_any_more(opened: Session, end: Callable[[Endpoint], None]) -> None:
    client, peer = opened.connect()
    end(client)
    assert client.port == peer.flow.kernel_port


def test_calls_of_the_socket_itself_are_recorded_and_are_no_steps(conversation: Connection, opened: Session) -> None:
    server, peer = conversation
    server.socket.send(b"direct")
    peer.expect(ACK, data=b"direct")
    with pytest.raises(OSError, match="No such file"):
        server.socket.setsockopt(socket.IPPROTO_TCP, 13, b"none")
    server.socket.close()
    peer.expect(FIN, ack=1)
    assert calls(opened)[-3:] == [("send(6)", 6), ("setsockopt(6, 13, 4)", "ENOENT"), ("close()", 0)]
    assert opened.program(None, "conforms").gaps == tuple(
        f"{name}() called on the socket itself" for name in ("send", "setsockopt", "close")
    )


def test_program_says_that_it_lacks_a_number_which_the_kernel_chose(opened: Session) -> None:
    repaired = opened.socket()
    try:
        repaired.set_option("TCP_REPAIR", 1)
    except PermissionError:
        pytest.skip("TCP_REPAIR takes CAP_NET_ADMIN where the network namespace is")
    repaired.set_option("TCP_REPAIR_QUEUE", 2)
    assert opened.program(None, "conforms").gaps == ()
    repaired.set_option("TCP_QUEUE_SEQ", 1_000_000)
    assert opened.program(None, "conforms").gaps == ("TCP_QUEUE_SEQ is a number that the kernel chose in that run",)


def test_a_child_that_has_the_socket_too_ends_the_connection(opened: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    server, peer = opened.establish(opened.listen())
    close, between = socket.close, []

    def closing(descriptor: int) -> None:
        close(descriptor)
        between.append(opened.state_of(peer))

    monkeypatch.setattr(socket, "close", closing)
    server.close_by_child()
    peer.expect(FIN, seq=1, ack=1)
    assert between == ["ESTABLISHED"]
    assert calls(opened)[-1] == ("close(and by a child)", 0)


@pytest.mark.parametrize("how", ["WR", 9])
def test_way_to_shut_down_that_there_is_not_is_told(conversation: Connection, how: int) -> None:
    with pytest.raises(FinwaitError, match=r"is not a way to shut down; try: socket\.SHUT_WR"):
        conversation.endpoint.shutdown(how)


@pytest.mark.parametrize("seconds", ["a", -1, 0.5, 2**31])
def test_seconds_to_linger_that_do_not_fit_are_told(conversation: Connection, seconds: int) -> None:
    with pytest.raises(FinwaitError, match=f"seconds={seconds!r} does not fit"):
        conversation.endpoint.linger(seconds)
