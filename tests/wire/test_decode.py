"""The decoder against scapy's idea of the same frames."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrHopByHop
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

from harness.wire.decode import decode

LINK = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
ENDS = {"src": "198.18.0.1", "dst": "198.18.0.2"}
FOUR = IP(**ENDS)
WITH_OPTIONS = IP(**ENDS, options=b"\1\1\1\0")
SIX = IPv6(src="2001:db8::1", dst="2001:db8::2")
LABELLED = IPv6(src="2001:db8::1", dst="2001:db8::2", tc=0xB8, fl=0xABCDE)
OPTIONS = [("MSS", 1460), ("NOP", None), ("WScale", 7), ("SAckOK", b""), ("Timestamp", (1, 2))]
words = st.integers(0, 2**32 - 1)
halves = st.integers(0, 2**16 - 1)
headers = st.fixed_dictionaries(
    {
        "sport": halves,
        "dport": halves,
        "seq": words,
        "ack": words,
        "flags": st.integers(0, 511),
        "window": halves,
        "reserved": st.integers(0, 7),
        "urgptr": halves,
        "chksum": st.none() | halves,
        "options": st.lists(st.sampled_from(OPTIONS), max_size=3),
    }
)


@given(
    network=st.sampled_from([FOUR, WITH_OPTIONS, SIX, LABELLED]),
    header=headers,
    data=st.binary(max_size=9),
    trailer=st.binary(max_size=3),
)
def test_a_segment_is_read_as_scapy_reads_it(
    network: Packet, header: dict[str, Any], data: bytes, trailer: bytes
) -> None:
    frame = bytes(LINK / network / TCP(**header) / data)
    decoded, seen = decode(frame + trailer), Ether(frame)[TCP]
    assert decoded is not None
    version, source, target, segment = decoded
    assert (version, source, target) == (network.version, seen.sport, seen.dport)
    assert segment.flow_label == (0xABCDE if network is LABELLED else 0)
    assert (segment.seq, segment.ack, segment.flags) == (seen.seq, seen.ack, int(seen.flags))
    assert (segment.window, segment.urgent, segment.reserved) == (seen.window, seen.urgptr, seen.reserved)
    assert (segment.data, segment.data_offset) == (bytes(seen.payload), None)
    told = seen.chksum
    del seen.chksum
    computed = TCP(bytes(seen.underlayer.__class__(bytes(seen.underlayer))[TCP])).chksum
    assert segment.checksum == (None if {told, computed} <= {0, 0xFFFF} or told == computed else told)


@pytest.mark.parametrize(
    "packet",
    [
        LINK / ARP(op=2, pdst="198.18.0.1", psrc="198.18.0.2", hwsrc="02:00:00:00:00:02"),
        LINK / FOUR / UDP(),
        LINK / IP(**ENDS, flags="MF") / TCP(),
        LINK / IP(**ENDS, frag=1) / TCP(),
        LINK / SIX / IPv6ExtHdrHopByHop() / TCP(),
        LINK / SIX / UDP(),
    ],
    ids=["arp", "udp", "first-fragment", "last-fragment", "ipv6-extension", "ipv6-udp"],
)
def test_what_is_no_whole_tcp_is_no_segment(packet: Packet) -> None:
    assert decode(bytes(packet)) is None


@pytest.mark.parametrize("cut", [10, 20, 40, 53])
def test_a_torn_header_is_no_segment(cut: int) -> None:
    assert decode(bytes(LINK / FOUR / TCP())[:cut]) is None


@given(st.binary(max_size=120))
def test_any_bytes_are_a_segment_or_none(content: bytes) -> None:
    for kind in (b"", b"\x08\x00", b"\x86\xdd"):
        decode(bytes(12) * bool(kind) + kind + content)


def test_the_process_that_forwards_starts_without_scapy() -> None:
    asks = "import sys, harness.path.pump; sys.exit('scapy' in sys.modules or 'netaddr' in sys.modules)"
    subprocess.run([sys.executable, "-c", asks], check=True, timeout=60)
