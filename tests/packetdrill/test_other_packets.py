"""Packets of UDP and ICMP in scripts on the real kernel, in both directions, judged as packetdrill judges them."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.packetdrill.comparing import SeenPacket
from harness.packetdrill.echoes import belongs, differences
from harness.packetdrill.parser import parse
from harness.packetdrill.script import IcmpPacket
from harness.packetdrill.tested import TestedSocket
from harness.tcp.ip import header_of
from harness.tcp.segment import ACK, Segment
from harness.trace.events import so_far
from harness.wire.decode import locate
from harness.wire.frames import Flow
from harness.wire.icmp import PROTOCOLS, error
from netns.plan import plan
from reports.ladder import ladder
from tests.packetdrill.mounts import own_mounts
from tests.packetdrill.scripts import CONNECTING, failure, run

pytestmark = pytest.mark.usefixtures("stamped")
PLAN = plan(4, process=78)
UDP = """\
0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 connect(3, ..., ...) = 0
+0 write(3, ..., 100) = 100
+0 > udp (100)
+0 < udp (50)
+0 read(3, ..., 1000) = 50
"""
REFUSED = (
    UDP
    + """\
+0 < icmp unreachable port_unreachable [udp (100)]
+0 getsockopt(3, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0
"""
)
NOBODY = UDP + "+0 < udp 1000 > 9999 (50)\n+0 > icmp unreachable port_unreachable [udp (50)]\n"
PING = """\
`echo 0 1000 > /proc/sys/net/ipv4/ping_group_range`
0 socket(..., SOCK_DGRAM, IPPROTO_ICMP) = 3
+0 bind(3, ..., ...) = 0
+0 sendto(3, ..., 64, 0, ..., ...) = 64
+0 > icmp echo_request [raw (64)]
+0 < icmp echo_reply id 8080 [raw (64)]
+0 recv(3, ..., 1000, MSG_DONTWAIT) = 64
"""


@pytest.mark.parametrize("version", ["ipv4", "ipv6", "ipv4-mapped-ipv6"])
def test_datagrams_and_an_error_about_one_pass_in_both_directions(version: str, tmp_path: Path) -> None:
    run(REFUSED, tmp_path, ip_version=version)
    run(NOBODY, tmp_path, ip_version=version)


def test_what_is_no_segment_is_told_of_beside_the_calls(tmp_path: Path) -> None:
    timeline = run(REFUSED, tmp_path)
    told = [line.split(maxsplit=2)[2].strip() for line in so_far(timeline) if "udp" in line or "icmp" in line]
    assert told == ["> udp (100)", "< udp (50)", "< icmp unreachable port_unreachable (36)"]
    assert "◀─── udp (100) ──" in str(ladder(timeline))


@pytest.mark.parametrize(
    ("script", "right", "wrong", "told"),
    [
        (UDP, "> udp (100)", "> udp (99)", r"> udp \(100\) .*length: 100, not 99"),
        (UDP, "> udp (100)", "> [ce] udp (100)", "ecn: 0, not 3"),
        (UDP, "> udp (100)", "> [ttl 7] udp (100)", "ttl: 64, not 7"),
        (UDP, "> udp (100)", "> ipv4 1.2.3.4 > 5.6.7.8: udp (100)", "header 1 around it: none, not IPv4"),
        (UDP, "> udp (100)", "> . 1:1(0) ack 1", "no socket is there that the packet could belong to"),
        (UDP, "= 50", "= 51", "read gave 50, not 51"),
        (REFUSED, "port_unreachable", "net_unreachable", "the value is"),
        (
            NOBODY,
            "> icmp unreachable port",
            "> icmp unreachable host",
            r"> icmp unreachable port_.*3 and 3, not 3 and 1",
        ),
        (NOBODY, "[udp (50)]", "[udp (51)]", "echoed length: 50, not 51"),
        (NOBODY, "[udp (50)]", "[5:6(1)]", "echoed: no packet of tcp"),
    ],
)
def test_another_length_type_or_echo_is_told(script: str, right: str, wrong: str, told: str, tmp_path: Path) -> None:
    assert right in script
    assert re.search(told, str(failure(script.replace(right, wrong), tmp_path)))


def test_a_datagram_reaches_a_socket_that_was_only_bound(tmp_path: Path) -> None:
    bound = UDP[: UDP.index("+0 connect")] + "+0 bind(3, ..., ...) = 0\n+0 < udp (50)\n+0 read(3, ..., 1000) = 50\n"
    run(bound, tmp_path)


def test_an_error_about_a_datagram_says_nothing_to_a_socket_of_tcp(tmp_path: Path) -> None:
    text = (
        CONNECTING
        + """\
+0 < icmp unreachable port_unreachable [udp (9)]
+0 < S. 0:0(0) ack 1 win 257 <mss 1000>
+0 > . 1:1(0) ack 1
"""
    )
    run(text, tmp_path)


@pytest.mark.parametrize("version", [4, 6])
def test_an_error_of_the_kernels_about_a_segment_is_held_to_its_number_and_length(version: int) -> None:
    tested = TestedSocket(3, socket.IPPROTO_TCP, remote_isn=1000)
    about = Segment(flags=ACK, seq=1005, data=bytes(7))
    frame = error(PLAN, Flow(version, 1, 2), "packet too big", about, mtu=1300)
    script = "unreachable frag_needed" if version == 4 else "packet_too_big"

    def told(rest: str) -> list[str]:
        packet = parse(f"0 > icmp {script} {rest}\n", "x.pkt").events[0].action
        assert isinstance(packet, IcmpPacket)
        where = locate(frame, PROTOCOLS[version])
        assert where is not None
        content = frame[where.start : where.end]
        seen = SeenPacket(header=header_of(frame), flow_label=0, outer=(), at=0, content=content)
        assert belongs(seen, tested, header_of(frame).target)
        return list(differences(packet, seen, tested))

    assert told("mtu 1300 [5:12(7)]") == told("") == []
    assert told("mtu 1301 [6:14(8)]") == ["mtu: 1300, not 1301", "echoed seq: 5, not 6", "echoed length: 7, not 8"]


@own_mounts
def test_a_socket_of_icmp_sends_and_takes_echoes(tmp_path: Path) -> None:
    run(PING, tmp_path)
    told = str(failure(PING.replace("> icmp echo_request [raw (64)]", "> icmp echo_request"), tmp_path))
    assert "> icmp echo_request (64)" in told
    assert "length: 64, not 36" in told
    assert "8 and 0, not 0 and 0" in str(failure(PING.replace("> icmp echo_request", "> icmp echo_reply"), tmp_path))


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("unreachable exceeded_hop_limit", "icmp unreachable exceeded_hop_limit is none of ICMP for IPv4"),
        ("packet_too_big", "icmp packet_too_big is none of ICMP for IPv4"),
        ("echo_request mtu 5", "icmp echo_request has no MTU in ICMP for IPv4"),
        ("echo_request [raw (7)]", "a message of ICMP has 8 octets at least"),
    ],
)
def test_a_message_that_there_is_none_of_is_the_scripts_mistake(message: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(FinwaitError, match=f"line 8: {told}"):
        run(UDP + f"+0 < icmp {message}\n", tmp_path)


@own_mounts
def test_code_has_no_variables_of_a_socket_that_is_not_of_tcp(tmp_path: Path) -> None:
    assert "a socket that tells nothing" in str(failure(UDP + "+0 %{ assert tcpi_state }%\n", tmp_path))
