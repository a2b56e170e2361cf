"""How a scenario can end, and what a failure says. Pure.

Order and numbers are judged first; time is an expectation of its own.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.errors import FinwaitError
from harness.tcp.pattern import Difference, Pattern
from harness.tcp.segment import Segment
from harness.tcp.timing import Span, TimingProfile, format_ms


class Outcome(enum.StrEnum):
    """The four ends of a scenario; it starts as ``LOST``, for silence is never success."""

    CONFORMS = "conforms"
    DEVIATES = "deviates"
    UNSUPPORTED = "unsupported"
    LOST = "lost"


class Mismatch(AssertionError):
    """The kernel did something else than the scenario expects.

    Args:
        expected: what was expected, one line an alternative.
        observed: what was seen instead.
        differences: the fields that differ from the nearest alternative.
    """

    def __init__(self, expected: Iterable[str], observed: str, differences: Iterable[Difference] = ()) -> None:
        self.expected = tuple(expected)
        self.observed = observed
        self.differences = tuple(differences)
        self.kernel: tuple[str, ...] = ()
        self.so_far: tuple[str, ...] = ()
        super().__init__(self.observed)

    def __str__(self) -> str:
        because = f"   ({'; '.join(map(str, self.differences))})" if self.differences else ""
        sections = (
            ("expected", self.expected),
            ("observed", (self.observed + because,)),
            ("kernel", self.kernel),
            ("so far", self.so_far),
        )
        return "\n".join(
            f"{title if number == 0 else '':<9} {line}"
            for title, lines in sections
            for number, line in enumerate(lines)
        )


@dataclass(frozen=True, slots=True)
class Expectation:
    """One segment that is due: declared alternatives, and when it may come.

    Args:
        alternatives: by name; a single expectation has one alternative with an empty name.
        within: the latest moment after the cause; None where time does not matter.
        at_least: the earliest moment after the cause, exact.
    """

    alternatives: Mapping[str, Pattern]
    within: Span | None
    at_least: Span | None = None

    def describe(self) -> tuple[str, ...]:
        """The expectation as the failure text shows it."""
        when = f"   within {self.within}" if self.within else ""
        when += f"   not before {self.at_least}" if self.at_least else ""
        width = max(len(name) for name in self.alternatives)
        return tuple(
            f"> {pattern}{when}" + (f"   ({name:<{width}})" if name else "")
            for name, pattern in self.alternatives.items()
        )

    def judge(self, segment: Segment, since_start: int, since_end: int, profile: TimingProfile) -> str:
        """The name of the alternative that the segment matches.

        Args:
            segment: what came.
            since_start: ns since its cause began, which lower bounds count from.
            since_end: ns since its cause was over, which upper bounds count from; negative for an answer that a
                system call gave before it was back.
            profile: the tolerances.

        Raises:
            Mismatch: it matches none, or came at the wrong time.
        """
        by_name = {name: pattern.differences(segment) for name, pattern in self.alternatives.items()}
        match = next((name for name, found in by_name.items() if not found), None)
        observed = f"> {segment}   at +{format_ms(max(0, since_end))}"
        if match is None:
            nearest = min(by_name.values(), key=len)
            raise Mismatch(self.describe(), observed, nearest)
        if self.within and since_end > profile.upper(self.within):
            late = Difference("time", f"by {format_ms(profile.upper(self.within))}", format_ms(since_end))
            raise Mismatch(self.describe(), observed, [late])
        if self.at_least and since_start < self.at_least.ns:
            early = Difference("time", f"from {format_ms(self.at_least.ns)} on", format_ms(since_start))
            raise Mismatch(self.describe(), observed, [early])
        return match

    def missing(self, waited_ns: int) -> Mismatch:
        """What to raise when nothing came."""
        return Mismatch(self.describe(), f"nothing in {format_ms(waited_ns)}")


@dataclass(frozen=True, slots=True)
class Reply:
    """Which of the declared alternatives the kernel chose, and how many ns after its cause."""

    name: str
    segment: Segment
    elapsed_ns: int
    expectation: Expectation

    def is_(self, name: str) -> bool:
        """Whether it was this one.

        Raises:
            FinwaitError: none of that name was declared.
        """
        self._declared(name)
        return self.name == name

    def require(self, name: str) -> None:
        """Judge: conform only if it was this one.

        Raises:
            Mismatch: it was another.
            FinwaitError: none of that name was declared.
        """
        pattern = self._declared(name)
        if self.name == name:
            return
        wanted = Expectation({"": pattern}, self.expectation.within)
        observed = f"> {self.segment}   at +{format_ms(self.elapsed_ns)}   ({self.name})"
        raise Mismatch(wanted.describe(), observed, pattern.differences(self.segment))

    def _declared(self, name: str) -> Pattern:
        if name not in self.expectation.alternatives:
            raise FinwaitError(
                f"no alternative is named {name!r}",
                why="a reply is one of those that expect_one_of() declared",
                hint=" or ".join(self.expectation.alternatives),
            )
        return self.expectation.alternatives[name]
