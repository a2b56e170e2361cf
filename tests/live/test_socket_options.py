"""Options of a scenario's socket: set and asked by name, on the timeline, and refused where there is none such."""

from __future__ import annotations

import socket

import pytest

from harness.errors import FinwaitError
from harness.live.session import Connection, Session
from harness.tcp.segment import ACK, PSH
from tests.live.conftest import calls


@pytest.mark.parametrize(
    ("name", "level", "value"),
    [
        ("TCP_LINGER2", socket.IPPROTO_TCP, 90),
        ("SO_KEEPALIVE", socket.SOL_SOCKET, 1),
        ("IP_TTL", socket.IPPROTO_IP, 33),
    ],
)
def test_socket_option_is_set_by_name(
    conversation: Connection, opened: Session, name: str, level: int, value: int
) -> None:
    server = conversation.endpoint
    server.set_option(name, value)
    assert calls(opened)[-1] == (f"setsockopt({name}, {value})", 0)
    assert server.socket.getsockopt(level, getattr(socket, name)) == value


def test_option_that_python_has_no_name_for_is_set_by_the_kernels(opened: Session) -> None:
    ip_recverr = 11  # include/uapi/linux/in.h
    listener = opened.listen()
    for wanted in (1, 0):
        listener.set_option("IP_RECVERR", wanted)
        assert listener.socket.getsockopt(socket.IPPROTO_IP, ip_recverr) == wanted


@pytest.mark.parametrize("name", ["TCP_LINGER3", "socket", "AF_INET", "", "TCP_nodelay"])
def test_unknown_socket_option_is_told_and_nothing_is_called(
    conversation: Connection, opened: Session, name: str
) -> None:
    before = calls(opened)
    with pytest.raises(FinwaitError, match=f"there is no socket option named '{name}'; .*; try: TCP_") as caught:
        conversation.endpoint.set_option(name, 1)
    assert "(level, number)" in str(caught.value)
    assert calls(opened) == before


def test_option_is_answered_in_more_bytes_than_the_kernel_was_told_of(conversation: Connection) -> None:
    conversation.endpoint.set_option("TCP_CONGESTION", "reno")
    assert conversation.endpoint.option_bytes("TCP_CONGESTION", 16, given=bytes(3)) == b"ren" + bytes(13)


def test_option_of_any_name_kind_and_number_is_on_the_timeline(conversation: Connection, opened: Session) -> None:
    server = conversation.endpoint
    server.set_option("TCP_CONGESTION", "reno")
    server.set_option("SO_RCVTIMEO", 1.5)
    server.set_option((6, 18), 7000)  # TCP_USER_TIMEOUT
    assert server.option_bytes("TCP_CONGESTION").startswith(b"reno\0")
    assert server.option("TCP_USER_TIMEOUT") == 7000
    assert [call[0] for call in calls(opened)][-5:-2] == [
        "setsockopt(TCP_CONGESTION, reno)",
        "setsockopt(SO_RCVTIMEO, 1.5)",
        "setsockopt(TCP_USER_TIMEOUT, 7000)",
    ]


def test_long_value_of_an_option_is_told_by_its_length(conversation: Connection, opened: Session) -> None:
    with pytest.raises(OSError, match="No such file"):
        conversation.endpoint.set_option("TCP_CONGESTION", b"ab" * 150)
    assert calls(opened)[-1] == (f"setsockopt(TCP_CONGESTION, {'6162' * 8}... (300 bytes))", "ENOENT")


def test_what_the_kernel_tells_of_a_connection_can_be_asked_field_by_field(conversation: Connection) -> None:
    server, peer = conversation
    peer.send(PSH | ACK, seq=1, ack=1, data=b"abc")
    peer.expect(ACK, ack=4)
    assert (server.tcp_info("bytes_received"), server.tcp_info("tcpi_state")) == (3, "ESTABLISHED")
    assert server.tcp_info("rto") == server.tcp_info("rto_us")
    assert "timestamps" in str(server.tcp_info("options")).split(",")
    with pytest.raises(FinwaitError, match=r"TCP_INFO has no 'snd_cwmd'; try: snd_cwnd"):
        server.tcp_info("snd_cwmd")
