"""Segments as frames: held against scapy's own idea of them, byte by byte where a header lies on purpose."""

from __future__ import annotations

import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from harness.errors import FinwaitError
from harness.tcp.ip import Envelope
from harness.tcp.options import Option, parse_options
from harness.tcp.segment import ACK, FIN, SYN, URG, WRONG_CHECKSUM, Segment
from harness.wire.decode import decode
from harness.wire.frames import Encoder, Flow
from harness.wire.marker import Marker
from netns.plan import plan

PLAN = plan(3, process=77)
ETHERNET = 14
NETWORK = {4: 20, 6: 40}

versions = st.sampled_from([4, 6])
numbers = st.integers(0, 2**32 - 1)
whole_words = st.lists(
    st.one_of(
        st.builds(lambda size: Option("mss", (size,)), st.integers(0, 65535)),
        st.builds(lambda raw: Option("opt 253", raw=raw), st.binary(min_size=2, max_size=2)),
        st.just(Option("nop")),
    ),
    max_size=5,
).filter(lambda options: sum(1 if option.name == "nop" else 4 for option in options) % 4 == 0)
segments = st.builds(
    Segment,
    flags=st.integers(0, 0x1FF),
    seq=numbers,
    ack=numbers,
    window=st.integers(0, 65535),
    urgent=st.integers(0, 65535),
    reserved=st.integers(0, 7),
    data=st.binary(max_size=40),
    options=whole_words.map(tuple),
)


def encode(segment: Segment, version: int = 4) -> bytes:
    return Encoder(PLAN, Flow(version, 1234, 80)).encode(segment)


def tcp_of(frame: bytes, version: int) -> bytes:
    return frame[ETHERNET + NETWORK[version] :]


@given(segments, versions)
def test_frame_says_all_of_a_segment(segment: Segment, version: int) -> None:
    decoded = decode(encode(segment, version))
    assert decoded is not None
    assert decoded.segment == segment
    assert decoded[:3] == (version, 1234, 80)


@given(segments, st.integers(0, 0xFFFFF))
def test_flow_label_stands_in_the_header_of_ipv6(segment: Segment, label: int) -> None:
    labelled = msgspec.structs.replace(segment, flow_label=label)
    frame = encode(labelled, 6)
    assert Ether(frame)[IPv6].fl == label
    assert Envelope(ttl=3).dress(frame)[ETHERNET + 1 : ETHERNET + 4] == label.to_bytes(3, "big")
    decoded = decode(frame)
    assert decoded is not None
    assert decoded.segment == labelled


def test_flow_label_with_ipv4_is_told() -> None:
    with pytest.raises(FinwaitError, match="IPv4 has no flow label in its header; try: ip_version 6"):
        encode(Segment(flags=0, flow_label=1), 4)


@given(segments, versions)
def test_checksums_and_lengths_are_those_that_scapy_computes(segment: Segment, version: int) -> None:
    frame = encode(segment, version)
    packet = Ether(frame)
    network = packet[IP] if version == 4 else packet[IPv6]
    for layer, computed in ((network, ("len", "ihl", "chksum", "plen")), (packet[TCP], ("chksum", "dataofs"))):
        for name in computed:
            layer.fields.pop(name, None)
    assert bytes(packet) == frame


@given(versions)
def test_frame_goes_from_the_peer_to_the_kernel(version: int) -> None:
    packet = Ether(encode(Segment(flags=SYN), version))
    network = packet[IP] if version == 4 else packet[IPv6]
    assert (packet.src, packet.dst) == (PLAN.peer.mac, PLAN.kernel.mac)
    assert (network.src, network.dst) == (PLAN.peer.address(version), PLAN.kernel.address(version))
    assert (packet[TCP].sport, packet[TCP].dport) == (1234, 80)


@pytest.mark.parametrize("version", [4, 6])
class TestDeliberateFaults:
    def test_wrong_checksum_is_wrong_and_nothing_else_is(self, version: int) -> None:
        right = tcp_of(encode(Segment(flags=ACK, data=b"x"), version), version)
        wrong = tcp_of(encode(Segment(flags=ACK, data=b"x", checksum=WRONG_CHECKSUM), version), version)
        assert wrong[16:18] != right[16:18]
        assert wrong[:16] + wrong[18:] == right[:16] + right[18:]

    def test_checksum_that_wraps_is_wrong_too(self, version: int) -> None:
        # the window is chosen so that the right checksum is 0xffff or 0, the two that count as one (RFC 1071)
        base = Segment(flags=ACK, window=0)
        (sum_,) = struct.unpack_from("!H", tcp_of(encode(base, version), version), 16)
        for window in (sum_, (sum_ + 1) % 65536):
            segment = Segment(flags=ACK, window=window, checksum=WRONG_CHECKSUM)
            decoded = decode(encode(segment, version))
            assert decoded is not None
            assert decoded.segment.checksum is not None, f"window {window}"

    def test_checksum_of_ones_own_stands_in_the_field(self, version: int) -> None:
        frame = encode(Segment(flags=ACK, checksum=0xABCD), version)
        assert tcp_of(frame, version)[16:18] == b"\xab\xcd"
        decoded = decode(frame)
        assert decoded is not None
        assert decoded.segment.checksum == 0xABCD

    @pytest.mark.parametrize("offset", [0, 4, 6, 15])
    def test_data_offset_stands_in_the_field(self, version: int, offset: int) -> None:
        header = tcp_of(encode(Segment(flags=ACK, data_offset=offset), version), version)
        assert header[12] == offset << 4
        assert len(header) == 20

    def test_reserved_bits_stand_beside_the_flags(self, version: int) -> None:
        header = tcp_of(encode(Segment(flags=FIN | ACK, reserved=5), version), version)
        assert header[12:14] == bytes([0x50 | 5 << 1, 0x11])

    def test_urgent_pointer_stands_with_and_without_its_flag(self, version: int) -> None:
        for flags in (ACK, ACK | URG):
            header = tcp_of(encode(Segment(flags=flags, urgent=0x1234), version), version)
            assert header[18:20] == b"\x12\x34"

    @pytest.mark.parametrize(("raw", "words"), [(b"\x02\x00\xff", 6), (b"\xff" * 40, 15), (b"", 5)])
    def test_raw_options_stand_as_they_are(self, version: int, raw: bytes, words: int) -> None:
        header = tcp_of(encode(Segment(flags=SYN, raw_options=raw, options=parse_options("nop")), version), version)
        assert header[12] == words << 4
        assert header[20 : 20 + len(raw)] == raw
        assert header[20 + len(raw) :] == bytes(4 * words - 20 - len(raw))

    def test_raw_options_are_not_padded_beside_a_data_offset_of_ones_own(self, version: int) -> None:
        header = tcp_of(encode(Segment(flags=SYN, raw_options=b"\x02\x04\x05", data_offset=6), version), version)
        assert header[20:] == b"\x02\x04\x05"

    def test_checksum_covers_the_faults(self, version: int) -> None:
        segment = Segment(flags=ACK, reserved=7, urgent=9, data_offset=5, raw_options=b"\x01" * 8, data=b"odd")
        frame = encode(segment, version)
        packet = Ether(frame)
        told = packet[TCP].chksum
        del packet[TCP].chksum
        assert Ether(bytes(packet))[TCP].chksum == told


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"seq": 2**32}, "seq=4294967296 does not fit"),
        ({"ack": -1 - 2**31}, "ack=-2147483649 does not fit"),
        ({"window": 65536}, "window=65536 does not fit"),
        ({"urgent": -1}, "urgent=-1 does not fit"),
        ({"reserved": 8}, "reserved=8 does not fit"),
        ({"flags": 512}, "flags=512 does not fit"),
        ({"data_offset": 16}, "data_offset=16 does not fit"),
        ({"checksum": 65536}, "checksum=65536 does not fit"),
        ({"checksum": -2}, "checksum=-2 does not fit"),
        ({"data": bytes(65536)}, "length of data=65536 does not fit"),
        ({"data": bytes(65500)}, "length of the segment=65540 does not fit"),
        ({"raw_options": bytes(41)}, "raw_options of 41 bytes do not fit"),
    ],
)
def test_number_that_does_not_fit_the_header_is_told_by_name(fields: dict[str, object], says: str) -> None:
    with pytest.raises(FinwaitError) as raised:
        encode(Segment(**{"flags": ACK, **fields}))  # type: ignore[arg-type]
    assert str(raised.value).startswith(says)


@given(st.binary(max_size=120))
def test_no_frame_is_too_odd_to_read(data: bytes) -> None:
    decode(data)


@given(segments, versions, st.integers(0, 120), st.lists(st.tuples(st.integers(12, 110), st.integers(0, 255))))
def test_no_broken_frame_is_too_odd_to_read(
    segment: Segment, version: int, size: int, changes: list[tuple[int, int]]
) -> None:
    frame = bytearray(encode(segment, version))
    for place, byte in changes:
        if place < len(frame):
            frame[place] = byte
    decode(bytes(frame[:size]))
    decode(bytes(frame))


@given(st.integers(0, 4))
def test_header_that_claims_to_be_shorter_than_it_can_be_gives_no_header_as_data(offset: int) -> None:
    decoded = decode(encode(Segment(flags=ACK, data_offset=offset, data=b"data")))
    assert decoded is not None
    assert (decoded.segment.data, decoded.segment.data_offset) == (b"data", offset)


def test_padding_of_a_short_frame_is_no_data() -> None:
    decoded = decode(encode(Segment(flags=ACK)) + b"padding")
    assert decoded is not None
    assert decoded.segment == Segment(flags=ACK)


@pytest.mark.parametrize(("place", "byte"), [(14, 0x44), (20, 0x20), (21, 1), (23, 17), (12, 9), (16, 0)])
def test_network_header_that_is_none_or_that_of_a_fragment_holds_no_segment(place: int, byte: int) -> None:
    frame = bytearray(encode(Segment(flags=ACK, data=bytes(60))))
    frame[place] = byte
    if place == 16:
        frame[17] = 39  # a packet too short for both headers
    assert decode(bytes(frame)) is None


def test_what_is_no_tcp_is_no_segment() -> None:
    assert decode(Marker.of(PLAN).request) is None
