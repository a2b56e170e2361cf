"""A printed packetdrill script says what happened, and names what its language cannot say."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given, settings

from harness.program.packetdrill import packetdrill
from harness.program.steps import Call, Expect, Joined, Made, Octets, Open, Program, Ref, Send, Value
from harness.program.values import encoded
from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, ECE, FIN, SYN, URG, WRONG_CHECKSUM, Segment
from harness.tcp.verdict import LabCondition
from tests.program.fakes import ID, FakeSession
from tests.program.programs import recorded


@settings(max_examples=40)
@given(recorded())
def test_every_program_has_a_script(program: Program) -> None:
    lines = packetdrill(program, ID).splitlines()
    assert all(line.startswith(("//", "+", "*", "`", "--")) for line in lines if line)


def test_a_script_reads_like_packetdrill_and_says_what_it_cannot() -> None:
    session = FakeSession()
    server, peer = session.establish(session.listen())
    server.shutdown(socket.SHUT_WR)
    peer.expect(FIN, seq=1, ack=1)
    peer.send(FIN | ACK, seq=1, ack=2)
    peer.send(ACK, seq=2, ack=2, checksum=WRONG_CHECKSUM)
    lines = packetdrill(session.program(), ID).splitlines()
    assert lines[-4:] == [
        "+0 shutdown(3, SHUT_WR) = 0",
        "+0~+0.04 > F. 1:1(0) ack 1 <...>",
        "+0 < F. 1:1(0) ack 2 win 65535",
        "// cannot be said: a checksum of one's own: < . 2:2(0) ack 2 win 65535 checksum wrong (peer.send)",
    ]


def test_what_only_an_earlier_step_tells_is_left_out_of_an_expectation_and_said() -> None:
    digest = Joined(("opt 19 ", Ref("digest")))
    label = Made("Pattern", {"flags": encoded(ACK), "seq": 2, "flow_label": Ref("answer.flow_label")})
    steps = (
        Open(on="session", name="listen", gives=("listener",)),
        Expect(on="peer", name="expect", args=(encoded(FIN),), named={"seq": 1, "options": digest}),
        Expect(on="peer", name="expect_one_of", named={"labelled": label}, result="labelled"),
    )
    assert packetdrill(Program(steps=steps), ID).splitlines()[-4:] == [
        "// cannot be said: options opt 19 digest (peer.expect)",
        "+0~+0.04 > F 1:1(0) <...>",
        "// cannot be said: flow_label answer.flow_label (peer.expect_one_of)",
        "+0~+0.04 > . 2:2(0) ack 0 <...>",
    ]


def test_flags_of_a_call_that_reads_are_said() -> None:
    steps = (
        Open(on="session", name="listen", gives=("listener",)),
        Call(on="listener", name="receive", args=(9, encoded(socket.MSG_PEEK)), result=Octets(b"ab")),
        Call(on="listener", name="receive", args=(9,), result=Octets(b"ab")),
    )
    assert packetdrill(Program(steps=steps), ID).splitlines()[-2:] == [
        "+0 recv(3, ..., 9, 2) = 2",
        "+0 read(3, ..., 9) = 2",
    ]


def test_packets_of_no_socket_that_opens_are_not_said() -> None:
    flags = encoded(SYN)
    steps = (
        Open(on="session", name="socket", gives=("client",)),
        Open(on="session", name="new_peer", gives=("peer",)),
        Send(on="peer", name="send", args=(flags,), segment=Segment(flags=SYN)),
    )
    assert packetdrill(Program(steps=steps), ID).splitlines()[-1].startswith("// cannot be said: packets of no socket")


def test_an_echo_is_of_a_timestamp_that_the_script_shows() -> None:
    opening = Segment(flags=SYN, options=parse_options("mss 1460,sackOK,TS val 0 ecr 0,nop,wscale 7"))
    echoing = Segment(flags=FIN | ACK, seq=1, ack=1, options=parse_options("nop,nop,TS val 2 ecr 5"))
    steps = (
        Open(on="session", name="connect", gives=("client", "peer"), segment=opening),
        Send(on="peer", name="send", segment=echoing),
    )
    assert packetdrill(Program(steps=steps), ID).splitlines()[-1].endswith("<nop,nop,TS val 2 ecr 0>")


def test_two_kernels_have_no_script() -> None:
    assert "cannot be said: two kernels" in packetdrill(Program(topology="path_session"), ID)


def test_what_waits_is_written_where_it_began_with_the_time_of_its_end() -> None:
    steps = (
        Open(on="session", name="listen", gives=("listener",)),
        Open(on="session", name="establish", gives=("server", "peer")),
        Open(on="server", name="begin_receive", args=(9,), gives=("reader",)),
        Expect(on="peer", name="expect_silence", args=(0.25,)),
        Call(on="server", name="close"),
        Call(on="reader", name="end", result=Octets(b"abc")),
    )
    lines = [line for line in packetdrill(Program(steps=steps), ID).splitlines() if line.startswith("+")]
    assert lines[-2:] == ["+0...0.25 read(4, ..., 9) = 3", "+0.25 close(4) = 0"]


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("snd_cwnd", 10, "+0 %{ assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd }%"),
        ("rtt_us", 200, "+0 %{ assert tcpi_rtt == 200, tcpi_rtt }%"),
        ("ca_state", "Loss", "+0 %{ assert tcpi_ca_state == TCP_CA_Loss, tcpi_ca_state }%"),
    ],
)
def test_what_the_kernel_told_of_a_connection_is_asserted_by_code(field: str, value: Value, line: str) -> None:
    steps = (
        Open(on="session", name="unbound_socket", gives=("client",)),
        Call(on="client", name="tcp_info", args=(field,), result=value),
    )
    assert packetdrill(Program(steps=steps), ID).splitlines()[-1] == line


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("TCP_NODELAY", 1, "setsockopt(3, SOL_TCP, TCP_NODELAY, [1], 4) = 0"),
        ("TCP_CONGESTION", "reno", 'setsockopt(3, SOL_TCP, TCP_CONGESTION, "reno", 4) = 0'),
        ("SO_LINGER", Octets(b"\1\0\0\0\2\0\0\0"), "setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=2}, 8) = 0"),
        ("TCP_REPAIR", 1, "setsockopt(3, 6, 19, [1], 4) = 0"),  # it knows no such name
    ],
)
def test_socket_option_is_set(name: str, value: Value, line: str) -> None:
    steps = (
        Open(on="session", name="unbound_socket", gives=("client",)),
        Call(on="client", name="set_option", args=(name, value)),
    )
    assert packetdrill(Program(steps=steps), ID).splitlines()[-1] == f"+0 {line}"


@pytest.mark.parametrize(
    ("kind", "version", "line"),
    [
        ("host unreachable", 4, "+0 < icmp unreachable host_unreachable [1:4(3)]"),
        ("host unreachable", 6, "+0 < icmp unreachable address_unreachable [1:4(3)]"),
        ("packet too big", 4, "+0 < icmp unreachable frag_needed mtu 1400 [1:4(3)]"),
        ("reassembly time exceeded", 4, "// cannot be said: this ICMP error (peer.send_icmp) reassembly time exceeded"),
    ],
)
def test_icmp_error_is_sent_about_the_segment_that_was_expected(kind: str, version: int, line: str) -> None:
    data = Segment(flags=ACK, seq=1, ack=1, data=b"abc")
    mtu: dict[str, Value] = {"mtu": 1400} if kind == "packet too big" else {}
    steps = (
        Open(on="session", name="listen", gives=("listener",)),
        Expect(on="peer", name="expect", args=(encoded(ACK),), gives=("answer",), segment=data),
        Send(on="peer", name="send_icmp", args=(kind, Ref("answer")), named=mtu),
    )
    settings: dict[str, bool | int] = {"ip_version": 6} if version == 6 else {}
    assert packetdrill(Program(settings=settings, steps=steps), ID).splitlines()[-1] == line


def test_options_are_as_long_as_packetdrill_demands_and_by_its_names() -> None:
    session = FakeSession()
    _, peer = session.establish(session.listen())
    for options in ("opt 34 0102", "mss 1460,opt 19 " + 16 * "ab", "opt 253 abcd"):
        peer.send(FIN | ECE, seq=1, ack=1, options=parse_options(options))
    assert packetdrill(session.program(), ID).splitlines()[-3:] == [
        "+0 < FE 1:1(0) win 65535 <FO 0102>",
        f"+0 < FE 1:1(0) win 65535 <mss 1460,md5 {16 * 'ab'},eol,eol>",
        "// cannot be said: an option that it does not know: < FE 1:1(0) win 65535 <opt 253 abcd> (peer.send)",
    ]


def test_acknowledgment_stands_behind_all_other_flags() -> None:
    session = FakeSession()
    _, peer = session.establish(session.listen())
    peer.send(SYN | ACK | ECE | URG, seq=0, ack=1)
    assert "+0 < SUE. 0:0(0) ack 1" in packetdrill(session.program(), ID)


def test_sysctls_of_the_lab_are_set_first_and_what_is_left_to_the_kernel_is_not() -> None:
    given = (
        LabCondition("net/ipv4/tcp_ecn", "0", "2"),
        LabCondition("net/ipv4/tcp_early_retrans", "0", "3", freed=True),
    )
    lines = packetdrill(Program(settings={"hold_timers": False}), ID, given).splitlines()
    assert lines[1:] == ["`sysctl -q -e -w net/ipv4/tcp_ecn='0'`"]


def test_metrics_of_the_route_and_offloads_are_set_with_them() -> None:
    given = (
        LabCondition("route rto_min lock", "10000", "200", freed=True),
        LabCondition("route cc_algo", "reno", "none"),
        LabCondition("offload tx-tcp", "off", "on"),
    )
    lines = packetdrill(Program(settings={"ip_version": 6}), ID, given).splitlines()
    assert lines[1:] == [
        "--ip_version=ipv6",
        "`ip link set dev tun0 gso_max_segs 1",
        "ip -6 route show dev tun0 | grep via | while read route; do "
        "ip -6 route change $route dev tun0 rto_min 10000ms congctl reno; done`",
    ]
