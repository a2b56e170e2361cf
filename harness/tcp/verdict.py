"""How a scenario can end, and what a failure says. Pure.

Order and numbers are judged first; time is an expectation of its own.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypedDict, Unpack

import msgspec

from harness.errors import FinwaitError
from harness.tcp.kernel_view import KernelView
from harness.tcp.pattern import Difference, Pattern
from harness.tcp.segment import Segment
from harness.tcp.timing import Span, TimingProfile, format_ms


class Outcome(enum.StrEnum):
    """The four ends of a scenario; it starts as ``LOST``, for silence is never success."""

    CONFORMS = "conforms"
    DEVIATES = "deviates"
    UNSUPPORTED = "unsupported"
    LOST = "lost"


JUDGED = (Outcome.CONFORMS, Outcome.DEVIATES)
"""The ends of a scenario that say something of the kernel."""


class Due(msgspec.Struct, frozen=True):
    """One thing that would have been right: ``> `` and a pattern, or a few words; and the alternative's name."""

    what: str
    name: str = ""


class LabCondition(msgspec.Struct, frozen=True):
    """One thing that a lab sets otherwise than a kernel as it is released; see ``netns.conditions.Condition``."""

    name: str
    value: str
    default: str
    effect: str = ""
    freed: bool = False

    def __str__(self) -> str:
        text = f"{self.name} = {self.value}, by default {self.default}" + (f": {self.effect}" if self.effect else "")
        return f"{text}; @waits leaves it to the kernel" if self.freed else text


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a failure rests on; its text is made from this, and so is what reports tell of it.

    Args:
        expected: the alternatives.
        within: the latest moment after the cause; None where time did not matter.
        at_least: the earliest moment after the cause.
        observed: ``> `` and the segment that came, or what was there in its place.
        elapsed_ns: how long after the end of its cause that came, -1 where that says nothing.
        chosen: the alternative that it is, where another was required.
        differences: the fields that differ from the nearest alternative.
        step: of the scenario, as on the timeline; empty where none is known.
        cause_ns: when what the time counts from was over, ns since the epoch; 0 where there is none.
        since: what that was, where the time is what differs, or where nothing was to come.
        kernel: what each kernel knew.
        notes: what else explains it, a line each: the rules of a path that matched nothing.
        lab: what the lab sets that may have brought this about.
        so_far: what went before, a line each.
        where: file and line of the scenario's step; empty where none is known.
        connection: its number where there are several; 0 where it goes without saying.
        requirements: what the scenario checks, a line each: an id, and what it says where that is known.
        reports: the public reports that the scenario rests on.
        capture: file of the capture, from the run folder on; empty where none is kept.
    """

    expected: tuple[Due, ...]
    within: Span | None = None
    at_least: Span | None = None
    observed: str
    elapsed_ns: int = -1
    chosen: str = ""
    differences: tuple[Difference, ...] = ()
    step: str = ""
    cause_ns: int = 0
    since: str = ""
    kernel: tuple[KernelView, ...] = ()
    notes: tuple[str, ...] = ()
    lab: tuple[LabCondition, ...] = ()
    so_far: tuple[str, ...] = ()
    where: str = ""
    connection: int = 0
    requirements: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
    capture: str = ""

    @property
    def times_from(self) -> int:
        """When the cause was over, where the time is at issue; else 0."""
        return self.cause_ns if self.mistimed or not self.differences else 0

    @property
    def mistimed(self) -> bool:
        """Whether all is right but the time."""
        return [one.field for one in self.differences] == ["time"]

    @property
    def late(self) -> bool:
        """Whether all is right but that it came too late."""
        return self.mistimed and self.within is not None and self.elapsed_ns > self.within.ns

    def is_owed_to(self, delay_ns: int, profile: TimingProfile) -> bool:
        """Whether only the time is wrong, and by no more than a delay that was the lab's and not the kernel's."""
        soon = self.within is None or self.elapsed_ns - delay_ns <= profile.upper(self.within)
        return self.mistimed and soon and (self.at_least is None or self.elapsed_ns + delay_ns >= self.at_least.ns)

    def __str__(self) -> str:
        sections = (
            ("expected", self._expected()),
            ("observed", (self._observed(),)),
            ("since", (self.since,) if self.since else ()),
            ("kernel", (*(line for view in self.kernel for line in view.lines()), *self.notes)),
            ("lab", tuple(map(str, self.lab))),
            ("so far", self.so_far),
            ("requires", self.requirements),
            ("reported", self.reports),
            ("where", (self.where,) if self.where else ()),
            ("capture", (self.capture,) if self.capture else ()),
        )
        return "\n".join(
            f"{title if number == 0 else '':<9} {line}"
            for title, lines in sections
            for number, line in enumerate(lines)
        )

    def _expected(self) -> tuple[str, ...]:
        when = f"   within {self.within}" if self.within else ""
        when += f"   not before {self.at_least}" if self.at_least else ""
        when += f"   on {shown(self.connection)}" if self.connection else ""
        width = max((len(due.name) for due in self.expected), default=0)
        return tuple(due.what + when + (f"   ({due.name:<{width}})" if due.name else "") for due in self.expected)

    def _observed(self) -> str:
        when = f"   at +{format_ms(self.elapsed_ns)}" if self.elapsed_ns >= 0 else ""
        chosen = f"   ({self.chosen})" if self.chosen else ""
        because = f"   ({'; '.join(map(str, self.differences))})" if self.differences else ""
        return f"{self.observed}{when}{chosen}{because}"


def shown(connection: int) -> str:
    """A connection of several by its number; 0 for none."""
    return f"connection #{connection}" if connection else "no connection"


class Mismatch(AssertionError):
    """The kernel did something that the scenario does not expect; ``evidence`` says what."""

    def __init__(self, evidence: Evidence, differing: Mapping[str, tuple[Difference, ...]] | None = None) -> None:
        self.evidence = evidence
        self._differing = differing or {}  # by alternative; empty where it is not the fields that differ
        super().__init__(evidence.observed)

    def add(self, **fields: object) -> None:
        """Put more into the evidence, as it becomes known on the way up: fields of ``Evidence``."""
        self.evidence = msgspec.structs.replace(self.evidence, **fields)

    def only(self, names: Collection[str]) -> None:
        """Tell of no other alternatives than these: the scenario turns the others down."""
        if kept := tuple(due for due in self.evidence.expected if due.name in names):
            self.add(expected=kept)
            if self._differing:
                self.add(differences=min((self._differing[due.name] for due in kept), key=len))

    def __str__(self) -> str:
        return str(self.evidence)


class _Seen(TypedDict, total=False):
    elapsed_ns: int
    chosen: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Expectation:
    """One segment that is due: declared alternatives, and when it may come.

    Args:
        alternatives: by name; a single expectation has one alternative with an empty name.
        within: the latest moment after the cause; None where time does not matter.
        at_least: the earliest moment after the cause, exact.
        arrow: which way it goes: ``<`` for what the client of two kernels sends.
    """

    alternatives: Mapping[str, Pattern]
    within: Span | None
    at_least: Span | None = None
    arrow: str = ">"

    def mismatch(self, observed: str, **fields: Unpack[_Seen]) -> Mismatch:
        """What to raise for ``observed``, with further fields of ``Evidence``."""
        expected = tuple(Due(f"{self.arrow} {pattern}", name) for name, pattern in self.alternatives.items())
        return Mismatch(
            Evidence(expected=expected, observed=observed, within=self.within, at_least=self.at_least, **fields)
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
        differing: Mapping[str, tuple[Difference, ...]] = {}
        if match is None:
            differing, differences = by_name, min(by_name.values(), key=len)
        elif self.within and since_end > profile.upper(self.within):
            latest = format_ms(profile.upper(self.within))
            differences = (Difference("time", f"by {latest}", format_ms(since_end)),)
        elif self.at_least and since_start < self.at_least.ns:
            differences = (Difference("time", f"from {format_ms(self.at_least.ns)} on", format_ms(since_start)),)
        else:
            return match
        told = self.mismatch(f"{self.arrow} {segment}", elapsed_ns=max(0, since_end), differences=differences)
        raise Mismatch(told.evidence, differing)

    def missing(self, waited_ns: int, patience_ns: int = 0) -> Mismatch:
        """What to raise when nothing came; ``patience_ns`` of the wait lay behind the latest moment."""
        why = " (waited on after the limit, to tell late from missing)" if patience_ns else ""
        return self.mismatch(f"nothing in {format_ms(waited_ns)}{why}")


@dataclass(frozen=True, slots=True)
class Reply:
    """Which of the declared alternatives the kernel chose, and how many ns after its cause.

    ``note`` is told what is required.
    """

    name: str
    segment: Segment
    elapsed_ns: int
    expectation: Expectation
    note: Callable[[Reply, str], None] | None = field(default=None, compare=False, repr=False)

    def is_(self, name: str) -> bool:
        """Whether the kernel chose this alternative.

        Raises:
            FinwaitError: none of that name was declared.
        """
        self._declared(name)
        return self.name == name

    def require(self, name: str) -> None:
        """Fail unless the kernel chose this alternative.

        Raises:
            Mismatch: it was another.
            FinwaitError: none of that name was declared.
        """
        pattern = self._declared(name)
        if self.note:
            self.note(self, name)
        if self.name == name:
            return
        wanted = Expectation({"": pattern}, self.expectation.within, arrow=self.expectation.arrow)
        differences = pattern.differences(self.segment)
        raise wanted.mismatch(
            f"{wanted.arrow} {self.segment}", elapsed_ns=self.elapsed_ns, chosen=self.name, differences=differences
        )

    def _declared(self, name: str) -> Pattern:
        if name not in self.expectation.alternatives:
            raise FinwaitError(
                f"no alternative is named {name!r}",
                why="a reply is one of those that expect_one_of() declared",
                hint=" or ".join(self.expectation.alternatives),
            )
        return self.expectation.alternatives[name]
