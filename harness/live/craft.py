"""Makes segments as the peer would send them at this moment: window and timestamps come by themselves."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypedDict

from harness.tcp.options import Option, parse_options
from harness.tcp.segment import ACK, Flags, Segment, check_range


class HeaderFields(TypedDict, total=False):
    """What else a segment to be sent may be given; see ``Segment``. Options in packetdrill's notation."""

    data: bytes
    window: int
    options: str
    urgent: int
    checksum: int
    data_offset: int
    reserved: int
    raw_options: bytes


class Craft:
    """What a peer puts into every segment.

    Args:
        clock: nanoseconds that only grow.
    """

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self.timestamps = False
        self.window = 65535
        self.echo = 0
        self._clock = clock
        self._began = clock()

    def timestamp(self) -> int:
        """The peer's timestamp clock: milliseconds, from 1 on (RFC 7323 5.4 allows 1 ms to 1 s a tick)."""
        return 1 + (self._clock() - self._began) // 1_000_000

    def usual_options(self) -> tuple[Option, ...]:
        """What a segment carries unless told otherwise: timestamps, once they were negotiated (RFC 7323 3.2)."""
        if not self.timestamps:
            return ()
        return (Option("nop"), Option("nop"), Option("TS", (self.timestamp(), self.echo)))

    def make(self, flags: Flags, seq: int, ack: int | None, fields: HeaderFields) -> Segment:
        """A segment; see ``Peer.make``."""
        given = dict(fields)
        options = given.pop("options", None)
        given.setdefault("window", self.window)
        return Segment(
            flags=flags | ACK if ack is not None else flags,
            seq=check_range("seq", seq, 32),
            ack=check_range("ack", ack or 0, 32),
            options=self.usual_options() if options is None else parse_options(str(options)),
            **given,  # type: ignore[arg-type]  # the fields of HeaderFields, less the one that is text here
        )
