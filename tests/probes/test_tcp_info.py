"""TCP_INFO of real sockets, and of structures of other kernels' lengths."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes import tcp_info
from tests.probes.conftest import Pair


def test_it_counts_what_was_sent_and_acknowledged(pair: Pair) -> None:
    pair.client.sendall(b"seven b")
    assert pair.server.recv(100) == b"seven b"
    sender, receiver = tcp_info.read(pair.client), tcp_info.read(pair.server)
    assert (sender.state, sender.ca_state) == ("ESTABLISHED", "Open")
    assert sender.bytes_sent == 7
    assert sender.data_segs_out == 1
    assert receiver.bytes_received == 7
    assert receiver.data_segs_in == 1
    assert "sack" in sender.options
    assert sender.rto_us >= 200_000


def test_states_have_the_names_of_the_rfc(pair: Pair) -> None:
    pair.client.shutdown(socket.SHUT_WR)
    assert pair.server.recv(1) == b""
    pair.acknowledge()
    assert tcp_info.read(pair.client).state == "FIN-WAIT-2"
    assert tcp_info.read(pair.server).state == "CLOSE-WAIT"
    assert tcp_info.read(pair.listener).state == "LISTEN"


def test_window_scales_are_told_apart() -> None:
    content = bytearray(248)
    content[6] = 0x7A  # tcpi_snd_wscale : 4 comes first, which is the low half on a little-endian machine
    info = tcp_info.parse(bytes(content))
    assert (info.snd_wscale, info.rcv_wscale) == (0xA, 7)


def test_offsets_are_those_of_the_kernel_header() -> None:
    # offsetof() of the members as a C compiler gives them for include/uapi/linux/tcp.h
    content = bytearray(248)
    for offset, code, value in (
        (8, "I", 204_000),  # tcpi_rto
        (100, "I", 3),  # tcpi_total_retrans
        (120, "Q", 1 << 40),  # tcpi_bytes_acked
        (160, "Q", 99),  # tcpi_delivery_rate
        (200, "Q", 77),  # tcpi_bytes_sent
        (228, "I", 65_535),  # tcpi_snd_wnd
        (232, "I", 12_345),  # tcpi_rcv_wnd
        (240, "H", 2),  # tcpi_total_rto
        (244, "I", 640),  # tcpi_total_rto_time
    ):
        struct.pack_into("=" + code, content, offset, value)
    info = tcp_info.parse(bytes(content))
    assert info.rto_us == 204_000
    assert info.total_retrans == 3
    assert info.bytes_acked == 1 << 40
    assert info.delivery_rate == 99
    assert info.bytes_sent == 77
    assert info.snd_wnd == 65_535
    assert info.rcv_wnd == 12_345
    assert info.total_rto == 2
    assert info.total_rto_time_ms == 640


@pytest.mark.parametrize(
    ("length", "last", "missing"), [(232, "snd_wnd", "rcv_wnd"), (104, "total_retrans", "pacing_rate")]
)
def test_what_an_older_kernel_does_not_tell_is_none(length: int, last: str, missing: str) -> None:
    info = tcp_info.parse(bytes(length))
    assert getattr(info, last) == 0
    assert getattr(info, missing) is None


@given(st.integers(104, 400))
def test_a_longer_structure_only_adds(length: int) -> None:
    content = bytes(range(256)) * 2
    whole, part = tcp_info.parse(content), tcp_info.parse(content[:length])
    for name in tcp_info.TcpInfo.__struct_fields__:
        assert getattr(part, name) in (None, getattr(whole, name))


def test_less_than_any_kernel_gives_is_refused() -> None:
    with pytest.raises(ValueError, match="103 bytes"):
        tcp_info.parse(bytes(103))
