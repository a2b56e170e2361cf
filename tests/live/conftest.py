"""A wire in memory, and a peer on it: no kernel, no time, and no chance."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest

from harness.live.dispatcher import Dispatcher
from harness.live.peer import Peer
from harness.live.session import Session
from harness.tcp.mutation import Mutation
from harness.tcp.segment import ACK, SYN, Segment
from harness.tcp.timing import MS, VIRTUAL
from harness.trace.events import Called, Frame, Timeline
from harness.wire.frames import Encoder, Flow
from harness.wire.marker import Marker
from netns.plan import plan

KERNEL_ISN = 5_000
EPOCH = 1_000_000 * MS
PLAN = plan(0)


class Clock:
    """Both clocks of a machine, which stand still unless somebody waits."""

    def __init__(self) -> None:
        self.now = 0

    def monotonic_ns(self) -> int:
        return self.now

    def time_ns(self) -> int:
        return EPOCH + self.now

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 10**9)


class MemoryWire:
    """What is sent is captured at once; what the kernel answers, and when, the test says."""

    def __init__(self, clock: Clock) -> None:
        self.frames: list[Frame] = []
        self._clock = clock
        self._coming: list[Frame] = []

    def come(self, data: bytes, *, at: int, outgoing: bool = False) -> None:
        self._coming.append(Frame(EPOCH + at, outgoing, data))
        self._coming.sort(key=lambda frame: frame.at)

    def send(self, frames: Sequence[bytes]) -> None:
        marker = Marker.of(PLAN).request
        for data in frames:
            self.come(data, at=self._clock.now, outgoing=True)
            if data == marker:
                self.come(_neighbour_answer(), at=self._clock.now)

    def receive(self, wait_ns: int) -> Frame | None:
        end = self._clock.time_ns() + max(0, wait_ns)
        if not self._coming or self._coming[0].at > end:
            self._clock.now = end - EPOCH
            return None
        frame = self._coming.pop(0)
        self._clock.now = max(self._clock.now, frame.at - EPOCH)
        self.frames.append(frame)
        return frame

    def explain(self, number: int, step: str) -> None:
        self.frames[number] = msgspec.structs.replace(self.frames[number], step=step)

    def check(self) -> None:
        """Nothing is lost in memory."""


def _neighbour_answer() -> bytes:
    its = bytes.fromhex(PLAN.kernel.mac.replace(":", ""))
    own = bytes.fromhex(PLAN.peer.mac.replace(":", ""))
    answer = struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 2) + its + socket.inet_aton(PLAN.kernel.ipv4)
    return own + its + answer + own + socket.inet_aton(PLAN.peer.ipv4)


class Bench:
    """A peer that has been answered with a SYN,ACK, and what the kernel says next."""

    def __init__(self, mutation: Mutation | None = None, version: int = 4) -> None:
        self.clock = Clock()
        self.wire = MemoryWire(self.clock)
        self.timeline = Timeline()
        self.hub = Dispatcher(PLAN, self.wire, self.timeline, VIRTUAL, mutation, self.clock)
        flow = Flow(version, 40_000, 8_080)
        self.peer = Peer(self.hub, flow)
        swapped = replace(PLAN, kernel=PLAN.peer, peer=PLAN.kernel)
        self._kernel = Encoder(swapped, Flow(version, flow.kernel_port, flow.peer_port))
        self.peer.send(SYN)
        self.say(SYN | ACK, seq=0)
        self.peer.expect(SYN, seq=0, ack=1)

    def say(
        self, flags: int, *, seq: int = 1, ack: int = 1, data: bytes = b"", after_ms: int = 0, flow_label: int = 0
    ) -> None:
        """Have a segment of the kernel's come so many ms from now."""
        first = self.peer.own.isn
        assert first is not None
        seq, ack = KERNEL_ISN + seq, first + ack
        segment = Segment(flags=flags, seq=seq, ack=ack, data=data, window=100, flow_label=flow_label)
        self.wire.come(self._kernel.encode(segment), at=self.clock.now + after_ms * MS)

    def call(self, ports: tuple[int, int], *, lasts_ms: int = 0) -> None:
        """Have a process make a call now."""
        at = self.clock.time_ns()
        self.clock.now += lasts_ms * MS
        self.timeline.add(Called(at, self.clock.time_ns(), "send", (1,), 1, ports=ports))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def calls(session: Session) -> list[tuple[str, int | str]]:
    """The system calls on the timeline, each with its result or its errno by name."""
    return [(event.call, event.error or event.result) for event in session.timeline if isinstance(event, Called)]
