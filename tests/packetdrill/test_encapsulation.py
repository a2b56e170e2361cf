"""Headers around packets, as scapy reads and writes them, and as the kernel takes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, Ether
from scapy.packet import Packet

from harness.packetdrill.encapsulation import outer_complaints, unwrapped, wrapped
from harness.packetdrill.parser import parse
from harness.packetdrill.script import IpInfo, TcpPacket
from harness.tcp.segment import ACK, Segment
from harness.wire.frames import Encoder, Flow
from netns.plan import plan
from tests.packetdrill.scripts import LISTEN, run

INNER = Encoder(plan(3, process=77), Flow(4, 1024, 80)).encode(Segment(flags=ACK, data=b"abc"))
TEN = IpInfo(line=0, column=0, tos=0x10)


def packet(headers: str) -> TcpPacket:
    action = parse(f"0 > {headers} (tos 0x10) . 1:1(0) ack 1\n", "x.pkt").events[0].action
    assert isinstance(action, TcpPacket)
    return action


def around(frame: bytes, *layers: type[Packet]) -> list[Packet]:
    found: list[Packet] = [Ether(frame)]
    for layer in layers:
        found.append(found[-1].payload)
        assert isinstance(found[-1], layer)
    assert isinstance(found[-1].payload, IP)
    assert bytes(found[-1].payload) == INNER[14:]
    return found[1:]


def test_an_inbound_packet_is_put_into_ip() -> None:
    outer = around(wrapped(INNER, packet("ipv4 (tos 0x21) 1.2.3.4 > 5.6.7.8:").outer), IP)[0]
    assert (outer.src, outer.dst, outer.tos, outer.ttl, outer.proto) == ("1.2.3.4", "5.6.7.8", 0x21, 255, 4)
    again = IP(bytes(outer))
    del again.chksum, again.len
    assert bytes(again) == bytes(outer)
    outer = around(wrapped(INNER, packet("ipv6 [ttl 9] 2001:db8::1 > 2001:db8::2:").outer), IPv6)[0]
    assert (outer.src, outer.dst, outer.hlim, outer.nh) == ("2001:db8::1", "2001:db8::2", 9, 4)


def test_an_inbound_packet_is_put_into_gre_and_mpls() -> None:
    gre = around(wrapped(INNER, packet("ipv4 1.2.3.4 > 5.6.7.8: gre:").outer), IP, GRE)[1]
    assert (gre.proto, gre.chksum_present, gre.key_present) == (0x0800, 0, 0)
    flags = "flags [checksum present, key present, sequence# present]"
    numbered = packet(f"ipv4 1.2.3.4 > 5.6.7.8: gre {flags}, sum 1, off 2, key=3, seq 4:").outer
    gre = around(wrapped(INNER, numbered), IP, GRE)[1]
    assert (gre.chksum, gre.offset, gre.key, gre.sequence_number) == (1, 2, 3, 4)
    stack = "mpls (label 7, tc 2, ttl 9) (label 8, tc 1, [S], ttl 5):"
    labels = around(wrapped(INNER, packet(f"ipv4 1.2.3.4 > 5.6.7.8: gre: {stack}").outer), IP, GRE, MPLS, MPLS)[2:]
    assert [(one.label, one.cos, one.s, one.ttl) for one in labels] == [(7, 2, 0, 9), (8, 1, 1, 5)]


@pytest.mark.parametrize(
    "headers",
    [
        "ipv4 1.2.3.4 > 5.6.7.8:",
        "ipv6 (tos 0x10) 2001:db8::1 > 2001:db8::2:",
        "ipv4 [ttl 7] 1.2.3.4 > 5.6.7.8: ipv6 2001:db8::1 > 2001:db8::2:",
        "ipv4 1.2.3.4 > 5.6.7.8: gre flags [key present], sum 0, off 0, key=3, seq 0:",
        "ipv4 1.2.3.4 > 5.6.7.8: gre: mpls (label 7, tc 2, ttl 9) (label 8, tc 1, [S], ttl 5):",
    ],
)
def test_what_is_around_a_packet_is_found_again(headers: str) -> None:
    wanted = packet(headers).outer
    seen, inner = unwrapped(wrapped(INNER, wanted))
    assert inner == INNER
    assert list(outer_complaints(wanted, seen, TEN)) == []
    assert next(iter(outer_complaints((), seen, None))).startswith("header 1 around it: IPv")


@pytest.mark.parametrize(
    ("wanted", "seen", "told"),
    [
        ("ipv4 1.2.3.4 > 5.6.7.8:", "", "none, not IPv4"),
        ("ipv4 1.2.3.4 > 5.6.7.8:", "ipv6 ::1 > ::2:", "IPv6, not IPv4"),
        ("ipv4 [ttl 7] 1.2.3.4 > 5.6.7.8:", "ipv4 [ttl 8] 1.2.3.4 > 5.6.7.8:", "ttl 8, not 7"),
        ("ipv4 (tos 0x11) 1.2.3.4 > 5.6.7.8:", "ipv4 (tos 0x21) 1.2.3.4 > 5.6.7.8:", "tos 0x21, not 0x11"),
        ("gre flags 0x2000, sum 0, off 0, key 3, seq 0:", "gre:", "GRE, not GRE 2000000000000003"),
        ("mpls (label 7, tc 2, [S], ttl 9):", "mpls (label 7, tc 2, [S], ttl 8):", "MPLS 00007508, not MPLS 00007509"),
    ],
)
def test_another_header_around_a_packet_is_told(wanted: str, seen: str, told: str) -> None:
    assert list(outer_complaints(packet(wanted).outer, packet(seen).outer, TEN)) == [f"header 1 around it: {told}"]


@pytest.mark.usefixtures("stamped")
def test_a_packet_for_no_tunnel_opens_nothing(tmp_path: Path) -> None:
    text = (
        LISTEN
        + """\
+0 < ipv4 192.0.2.1 > 192.168.0.1: ipv4 1.2.3.4 > 5.6.7.8: S 0:0(0) win 1000
+0 < S 0:0(0) win 1000 <mss 1000>
+0 > S. 0:0(0) ack 1 <...>
"""
    )
    run(text, tmp_path)
