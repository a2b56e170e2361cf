"""The peer's end of a real pair: packet sockets, their stamps, and the marker that ends a drain."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from scapy.layers.l2 import ARP, Ether

from harness.errors import FinwaitError
from harness.tcp.segment import ACK, SYN, WRONG_CHECKSUM, Segment
from harness.trace.events import Frame
from harness.wire.capture import Wire
from harness.wire.decode import decode
from harness.wire.frames import Encoder, Flow
from harness.wire.marker import Marker, neighbour_request
from netns.lab import Lab
from netns.plan import plan


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(ipv6=False) as made:  # with IPv6, the kernel reports the groups that it joins, when it likes
        yield made


@pytest.fixture
def wire(lab: Lab) -> Iterator[Wire]:
    opened = Wire(lab.peer)
    yield opened
    opened.close()


@pytest.fixture
def all_frames(lab: Lab, wire: Wire) -> list[Frame]:
    """A SYN and two markers behind it as they passed, with all that the kernel answered before the last answer."""
    encoder = Encoder(lab.plan, Flow(4, 1234, 80))
    marker = Marker.of(lab.plan)
    wire.send([encoder.encode(Segment(flags=SYN)), marker.request, marker.request])
    answers = 0
    while answers < 2:
        frame = wire.receive(5 * 10**9)
        assert frame is not None
        answers += marker.is_answer(frame.data)
    return wire.frames


def test_capture_sees_both_directions_in_the_order_of_the_wire(all_frames: list[Frame]) -> None:
    assert sum(frame.outgoing for frame in all_frames) == 3
    segments = [decoded.segment for frame in all_frames if (decoded := decode(frame.data))]
    assert [str(segment).partition(" ")[0] for segment in segments] == ["S", "R."]  # nobody listens there
    assert [frame.at for frame in all_frames] == sorted(frame.at for frame in all_frames)


def test_frames_that_waited_together_come_whole_and_in_order(lab: Lab, wire: Wire) -> None:
    lengths = range(60, 1500, 60)
    flow = Encoder(lab.plan, Flow(4, 1234, 80))
    sent = [flow.encode(Segment(flags=ACK, data=bytes(range(256)) * 6))[:length] for length in lengths]
    wire.send(sent)
    seen: list[Frame] = []
    while len(seen) < len(sent):
        frame = wire.receive(5 * 10**9)
        assert frame is not None
        seen += [frame] * frame.outgoing
    assert [frame.data for frame in seen] == sent
    assert [frame.at for frame in seen] == sorted(frame.at for frame in seen)


def test_marker_is_answered_once_and_told_from_all_else(lab: Lab, all_frames: list[Frame]) -> None:
    marker = Marker.of(lab.plan)
    assert [marker.is_answer(frame.data) for frame in all_frames].count(True) == 2
    other = Marker.of(plan(4, process=77))
    assert not any(other.is_answer(frame.data) for frame in all_frames)


def test_stamps_are_the_time_of_passing(profile: object, lab: Lab, wire: Wire) -> None:
    assert profile  # keeps the kernel stamping
    before = time.time_ns()
    wire.send([Marker.of(lab.plan).request])
    after = time.time_ns()
    frame = wire.receive(5 * 10**9)
    assert frame is not None
    assert before <= frame.at <= after


def test_where_nothing_comes_the_wait_ends(wire: Wire) -> None:
    assert wire.receive(1) is None


def test_frame_that_is_longer_than_the_wire_takes_is_told(lab: Lab, wire: Wire) -> None:
    frame = Encoder(lab.plan, Flow(4, 1234, 80)).encode(Segment(flags=ACK, data=bytes(1500)))
    with pytest.raises(FinwaitError, match=r"a frame of 1554 bytes cannot be sent; .*MTU"):
        wire.send([frame])


def test_explained_frame_keeps_the_rest(wire: Wire, all_frames: list[Frame]) -> None:
    first = all_frames[0]
    wire.explain(0, "1: send S")
    assert wire.frames[0].step == "1: send S"
    assert (wire.frames[0].at, wire.frames[0].data) == (first.at, first.data)


def test_kernel_takes_a_correct_checksum_and_drops_a_wrong_one(lab: Lab, wire: Wire) -> None:
    marker = Marker.of(lab.plan)
    encoder = Encoder(lab.plan, Flow(4, 1235, 80))
    with lab.kernel.entered():
        listener = socket.create_server((lab.plan.kernel.ipv4, 80))
    with listener:
        wire.send([encoder.encode(Segment(flags=SYN, checksum=WRONG_CHECKSUM)), marker.request])
        answers = _until_marker(wire, marker)
        assert answers == []
        wire.send([encoder.encode(Segment(flags=SYN)), marker.request])
        assert [segment.flags for segment in _until_marker(wire, marker)] == [SYN | ACK]


def _until_marker(wire: Wire, marker: Marker) -> list[Segment]:
    seen = []
    while (frame := wire.receive(5 * 10**9)) and not marker.is_answer(frame.data):
        decoded = decode(frame.data)
        if decoded and not frame.outgoing:
            seen.append(decoded.segment)
    assert frame is not None
    return seen


def test_neighbour_request_is_as_scapy_makes_it() -> None:
    made = plan(7, 7)
    own, other = made.peer, made.kernel
    arp = ARP(op="who-has", hwsrc=own.mac, psrc=own.ipv4, pdst=other.ipv4, hwdst="00:00:00:00:00:00")
    assert neighbour_request(other, own) == bytes(Ether(src=own.mac, dst=other.mac) / arp)
