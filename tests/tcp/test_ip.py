"""IP headers taken apart and put on, held against scapy and against figures from the RFCs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.utils import checksum

from harness.errors import FinwaitError
from harness.tcp.ip import Envelope, IpHeader, header_of, internet_checksum

MACS = {"src": "02:00:00:00:00:02", "dst": "02:00:00:00:00:01"}
V4 = bytes(Ether(**MACS) / IP(src="198.18.0.2", dst="198.18.0.1", id=7, flags="DF") / TCP() / b"data")
V6 = bytes(Ether(**MACS) / IPv6(src="2001:db8::2", dst="2001:db8::1") / TCP() / b"data")


def test_checksum_is_that_of_the_example_in_rfc_1071() -> None:
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


@given(st.binary(max_size=100))
def test_checksum_is_scapys(content: bytes) -> None:
    assert internet_checksum(content) == checksum(content)


def test_header_of_ipv4_is_read() -> None:
    frame = bytes(
        Ether(**MACS) / IP(src="198.18.0.2", dst="198.18.0.1", tos=0xBB, ttl=3, id=9, options=b"\x94\x04\0\0")
    )
    header = header_of(frame)
    assert header == IpHeader(
        version=4,
        source="198.18.0.2",
        target="198.18.0.1",
        traffic_class=0xBB,
        ttl=3,
        identification=9,
        dont_fragment=False,
        options=b"\x94\x04\0\0",
    )
    assert (header.dscp, header.ecn) == (46, 3)
    assert header_of(V4).dont_fragment


def test_header_of_ipv6_is_read() -> None:
    frame = bytes(Ether(**MACS) / IPv6(src="2001:db8::2", dst="ff02::1", tc=0x2A, hlim=1, fl=0xABCDE))
    assert header_of(frame) == IpHeader(version=6, source="2001:db8::2", target="ff02::1", traffic_class=0x2A, ttl=1)


@pytest.mark.parametrize("frame", [b"", V4[:20], bytes(Ether(**MACS)), V6[:50]])
def test_frame_without_an_ip_header_is_refused(frame: bytes) -> None:
    with pytest.raises(FinwaitError, match="has no IP header"):
        header_of(frame)


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=40))
def test_ipv4_is_dressed_as_told_and_sums_up(traffic_class: int, ttl: int, options: bytes) -> None:
    frame = Envelope(traffic_class=traffic_class, ttl=ttl, options=options).dress(V4)
    padded = options + bytes(-len(options) % 4)
    header = header_of(frame)
    assert (header.traffic_class, header.ttl, header.options) == (traffic_class, ttl, padded)
    assert (header.identification, header.dont_fragment) == (7, True)
    assert internet_checksum(frame[14 : 34 + len(padded)]) == 0
    assert frame[34 + len(padded) :] == V4[34:]
    assert int.from_bytes(frame[16:18], "big") == len(frame) - 14


@given(st.integers(0, 255), st.integers(0, 255))
def test_ipv6_is_dressed_as_told(traffic_class: int, ttl: int) -> None:
    frame = Envelope(traffic_class=traffic_class, ttl=ttl).dress(V6)
    assert (header_of(frame).traffic_class, header_of(frame).ttl) == (traffic_class, ttl)
    assert frame[54:] == V6[54:]


@pytest.mark.parametrize(
    ("envelope", "frame", "complaint"),
    [
        (Envelope(ttl=256), V4, "ttl=256 does not fit"),
        (Envelope(traffic_class=-1), V6, "traffic_class=-1 does not fit"),
        (Envelope(options=bytes(41)), V4, "IP options of 44 bytes do not fit"),
        (Envelope(options=b"\x01"), V6, "IPv6 has no options in its header"),
    ],
)
def test_what_does_not_fit_is_told(envelope: Envelope, frame: bytes, complaint: str) -> None:
    with pytest.raises(FinwaitError, match=complaint):
        envelope.dress(frame)
