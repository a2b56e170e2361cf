"""Hands each captured frame to the peer whose connection it belongs to, and holds what all peers of a lab share."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from harness.errors import FinwaitError
from harness.tcp.mutation import Mutation, Seen
from harness.tcp.segment import Segment
from harness.tcp.timing import MARKER_LIMIT, TimingProfile
from harness.trace.events import Frame, Received, Timeline
from harness.trace.stopwatch import Stopwatch
from harness.wire.decode import decode
from harness.wire.frames import Flow
from harness.wire.marker import Marker, unanswered
from netns.conditions import Condition
from netns.plan import Plan


class AnyWire(Protocol):
    """What a peer needs of a wire; ``harness.wire.capture.Wire`` is the one to a kernel, and says what each does."""

    @property
    def frames(self) -> Sequence[Frame]:
        """What was captured, in order."""

    def send(self, frames: Sequence[bytes]) -> None:
        """Put frames on the wire."""

    def receive(self, wait_ns: int) -> Frame | None:
        """The next captured frame; None when none came in time."""

    def explain(self, number: int, step: str) -> None:
        """Say which step of the scenario a frame belongs to."""

    def check(self) -> None:
        """Make sure that the capture is whole."""


class Clock(Protocol):
    """What a peer waits by: the module ``time``, or one that stands still."""

    def monotonic_ns(self) -> int:
        """For waits."""

    def time_ns(self) -> int:
        """That of the stamps."""

    def sleep(self, seconds: float, /) -> None:
        """Let a time pass."""


class FrameReceiver(Protocol):
    """What a dispatcher hands frames to."""

    def note_sent(self, at: int, segment: Segment, frame: int) -> None:
        """An own segment passed the capture."""

    def note_received(self, at: int, segment: Segment, frame: int) -> None:
        """A segment of the kernel's arrived."""


class Dispatcher:
    """A lab's wire with the connections on it.

    Args:
        plan: the lab's addresses.
        wire: its wire.
        timeline: where events are recorded.
        profile: the tolerances.
        mutation: how answers are mutated before they are judged, or None.
        clock: what is waited by.
    """

    def __init__(
        self,
        plan: Plan,
        wire: AnyWire,
        timeline: Timeline,
        profile: TimingProfile,
        mutation: Mutation | None = None,
        clock: Clock = time,
    ) -> None:
        self.plan = plan
        self.wire = wire
        self.timeline = timeline
        self.profile = profile
        self.mutation = mutation
        self.clock = clock
        self.stopwatch = Stopwatch()
        self.conditions: tuple[Condition, ...] = ()  # what the lab pins
        self.after_step: Callable[[], None] = lambda: None
        self.looked_at = 0  # ns since the epoch: the probes have seen what happened before
        self.strays: list[Received] = []
        self.answers = 0
        self.mutated = False
        self._connections: dict[Flow, FrameReceiver] = {}
        self.marker = Marker.of(plan)

    def register(self, flow: Flow, connection: FrameReceiver) -> None:
        """Frames of this flow go to this connection.

        Raises:
            FinwaitError: the flow has one already.
        """
        if flow in self._connections:
            raise FinwaitError(
                f"port {flow.peer_port} of the peer is in use",
                why=f"a connection to port {flow.kernel_port} was made from it",
                hint="another port, or none for the next free one",
            )
        self._connections[flow] = connection

    def mutate(self, at: int, segment: Segment) -> list[Seen]:
        """Count a segment of the kernel's, over all connections of the lab, and say what is seen in its place."""
        self.answers += 1
        if self.mutation is None or self.mutation.number != self.answers:
            return [(at, segment)]
        self.mutated = True
        # patience only tells a late segment from a missing one, and which of the two a mutation makes is known
        self.profile = msgspec.structs.replace(self.profile, patience_ns=0)
        return self.mutation.apply(self.answers, at, segment)

    def pump(self, wait_ns: int) -> bool:
        """Take one frame from the wire; False when none came within ``wait_ns``."""
        return self._take(wait_ns) is not None

    def _take(self, wait_ns: int) -> bool | None:
        """Hand on one frame: whether it was the marker's answer; None when nothing came."""
        frame = self.wire.receive(wait_ns)
        if frame is None:
            return None
        decoded = decode(frame.data)
        if decoded is None:
            return not frame.outgoing and self.marker.is_answer(frame.data)
        version, source, target, segment = decoded
        number = len(self.wire.frames) - 1
        connection = self._connections.get(Flow(version, *((source, target) if frame.outgoing else (target, source))))
        if connection is None:
            if not frame.outgoing:
                self.strays.append(Received(frame.at, segment, "of no connection", 0))
                self.timeline.add(self.strays[-1])
        elif frame.outgoing:
            connection.note_sent(frame.at, segment, number)
        else:
            connection.note_received(frame.at, segment, number)
        return False

    def flush(self) -> int:
        """Take all that the kernel sent up to now: ask a marker and wait for its answer; ns it took, as stamped.

        Raises:
            FinwaitError: the kernel does not answer, or the capture overflowed.
        """
        self.wire.send([self.marker.request])
        return self.await_marker()

    def await_marker(self) -> int:
        """Take all up to the answer of a marker that was sent; see ``flush``."""
        first = len(self.wire.frames)
        while not (taken := self._take(MARKER_LIMIT.ns)):
            if taken is None:
                raise unanswered()
        self.wire.check()
        asked = next(f for f in self.wire.frames[first:] if f.outgoing and f.data == self.marker.request)
        return self.wire.frames[-1].at - asked.at
