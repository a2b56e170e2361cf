"""What came back from the kernel and no expectation has taken yet, and what an answer is counted from. Pure."""

from __future__ import annotations

from typing import NamedTuple

from harness.trace.events import Received


class Arrival(NamedTuple):
    """A segment of the kernel's that no expectation has taken yet, and its frame's number in the capture.

    ``number`` counts what the kernel sent on all connections of the lab, from 1 in the order of the wire.
    """

    event: Received
    frame: int
    at: int
    number: int


class Cause(NamedTuple):
    """What an answer's time is counted from: upper bounds from ``end``, lower bounds from ``start``, both in ns."""

    start: int
    end: int
