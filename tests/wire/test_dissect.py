"""The quick dissector against the general one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrHopByHop
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet

from harness.trace.events import Frame
from harness.wire import frames
from harness.wire.dissect import plain

LINK = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
ENDS = {"src": "198.18.0.1", "dst": "198.18.0.2"}
FOUR = IP(**ENDS)
SIX = IPv6(src="2001:db8::1", dst="2001:db8::2")
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
        "chksum": st.none() | halves,
        "options": st.lists(st.sampled_from(OPTIONS), max_size=3),
    }
)


@given(
    network=st.sampled_from([FOUR, SIX]),
    header=headers,
    data=st.binary(max_size=9),
    trailer=st.binary(max_size=3),
)
def test_both_dissectors_say_the_same(network: Packet, header: dict[str, Any], data: bytes, trailer: bytes) -> None:
    frame = Frame(0, True, bytes(LINK / network / TCP(**header) / data) + trailer)
    quick = frames.decode(frame)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(frames, "plain", lambda _: None)
        assert frames.decode(frame) == quick
    assert plain(frame.data) is not None


@pytest.mark.parametrize(
    "packet",
    [
        LINK / ARP(op=2, pdst="198.18.0.1", psrc="198.18.0.2", hwsrc="02:00:00:00:00:02"),
        LINK / FOUR / UDP(),
        LINK / IP(**ENDS, flags="MF") / TCP(),
        LINK / IP(**ENDS, frag=1) / TCP(),
        LINK / IP(**ENDS, options=b"\1\1\1\0") / TCP(),
        LINK / SIX / IPv6ExtHdrHopByHop() / TCP(),
        LINK / SIX / UDP(),
    ],
    ids=["arp", "udp", "first-fragment", "last-fragment", "ip-options", "ipv6-extension", "ipv6-udp"],
)
def test_what_is_not_plain_is_left_to_the_general_one(packet: Packet) -> None:
    assert plain(bytes(packet)) is None


@pytest.mark.parametrize("cut", [10, 20, 40, 53])
def test_a_torn_frame_is_left_to_the_general_one(cut: int) -> None:
    assert plain(bytes(LINK / FOUR / TCP())[:cut]) is None
