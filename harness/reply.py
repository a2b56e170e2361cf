"""What came back, and which of the declared alternatives it was. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from harness.segment import Segment
from harness.timeline import Received
from harness.timing import format_ms
from harness.verdict import Expectation, Mismatch


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


@dataclass(frozen=True, slots=True)
class Reply:
    """Which of the declared alternatives the kernel chose."""

    name: str
    segment: Segment
    elapsed_ns: int
    expectation: Expectation

    def is_(self, name: str) -> bool:
        """Whether it was this one."""
        return self.name == name

    def require(self, name: str) -> None:
        """Judge: conform only if it was this one.

        Raises:
            Mismatch: it was another.
        """
        if self.name == name:
            return
        wanted = Expectation({"": self.expectation.alternatives[name]}, self.expectation.within)
        observed = f"> {self.segment}   at +{format_ms(self.elapsed_ns)}   ({self.name})"
        differences = self.expectation.alternatives[name].differences(self.segment)
        raise Mismatch(wanted.describe(), observed, differences)
