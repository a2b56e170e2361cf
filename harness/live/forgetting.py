"""The segments by which two kernels forget their connections, so that no orphan outlives the lab."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.path.passages import Passage
from harness.path.rules import Side
from harness.tcp.segment import RST, Segment
from harness.wire.decode import decode
from harness.wire.frames import Encoder, Flow
from netns.plan import Plan


def resets(acknowledging: list[Passage], plan: Plan) -> Iterator[tuple[Side, bytes]]:
    """A RST for each side where it waits, given the last segments that acknowledge something, and the lab's plan."""
    swapped = replace(plan, kernel=plan.peer, peer=plan.kernel)
    for passage in acknowledging:
        decoded = decode(passage.data)
        if decoded:
            flow = Flow(decoded.version, decoded.target, decoded.source)
            encoder = Encoder(plan if passage.side is Side.SERVER else swapped, flow)
            yield passage.side, encoder.encode(Segment(flags=RST, seq=decoded.segment.ack))
