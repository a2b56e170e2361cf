"""Frames of the usual form are taken apart in a way of their own, which gives what the way for all frames gives."""

from __future__ import annotations

import struct

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.capture.conversation import Conversations, Sighting
from harness.capture.files import CapturedFrame
from harness.capture.usual import usual
from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, PSH, SYN
from tests.capture.captures import HANDSHAKE, ethernet, packet, segment

STAMPS = parse_options("nop,nop,TS val 7 ecr 9")


def sighted(raw: list[bytes], *, link: int = 1) -> list[Sighting]:
    frames = [CapturedFrame(n, n * 10**7, link, one, len(one)) for n, one in enumerate(raw, 1)]
    return [
        msgspec.structs.replace(one, segment=msgspec.structs.replace(one.segment, data=bytes(len(one.segment.data))))
        for _, one in Conversations().sort(frames)
    ]


@settings(max_examples=60, deadline=None)
@given(
    flags=st.sampled_from([ACK, PSH | ACK]),
    size=st.integers(0, 9),
    stamped=st.booleans(),
    altered=st.lists(st.tuples(st.integers(12, 70), st.integers(0, 255)), max_size=2),
    cut=st.integers(0, 12),
)
def test_any_frame_is_the_same_segment_in_either_way(
    flags: int, size: int, stamped: bool, altered: list[tuple[int, int]], cut: int
) -> None:
    told = segment(ACK, 1, 1, bytes(range(size)), options=STAMPS if stamped else ())
    raw = bytearray(ethernet(packet(0, msgspec.structs.replace(told, flags=int(flags)))))
    for place, value in altered:
        if place < len(raw):
            raw[place] = value
    opening = [packet(side, one) for _, side, one in HANDSHAKE]
    taken = bytes(raw[: len(raw) - cut])
    # what is tagged is not of the usual form, and else the same
    tagged = [struct.pack("!12xHH", 0x8100, 7) + one[12:] for one in (*map(ethernet, opening), taken)]
    assert sighted([*map(ethernet, opening), taken]) == sighted(tagged)


@pytest.mark.parametrize("options", [(), STAMPS])
def test_data_and_acks_are_of_the_usual_form_and_a_syn_is_not(options: tuple) -> None:  # type: ignore[type-arg]
    told = segment(PSH | ACK, 1, 1, b"data", options=options)
    raw = ethernet(packet(0, told)) + bytes(6)
    found = usual(CapturedFrame(1, 0, 1, raw, len(raw)))
    assert found is not None
    assert (found.data, found.wrong_sum, found.cut) == (bytes(4), None, 0)
    first = ethernet(packet(0, segment(SYN)))
    assert usual(CapturedFrame(1, 0, 1, first, len(first))) is None
