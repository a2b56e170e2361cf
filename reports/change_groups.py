"""One change of a kernel's behaviour with all cases in which it shows, though each has numbers of its own. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from harness.tcp.verdict import Outcome
from harness.trace.events import Event
from harness.trace.records import Result
from reports.behaviour import answer_changes, counters, partings

_TESTS = 3  # that are named


Timelines = tuple[tuple[Event, ...], tuple[Event, ...]]
"""Of the first and the second run; empty where none was kept."""


@dataclass(frozen=True, slots=True)
class Change:
    """A scenario that the two runs judged differently, or in which the kernel did something else.

    Args:
        before: in the first run.
        after: in the second.
        what: what differs, one text each.
        timelines: of both runs; empty where none was kept.
    """

    before: Result
    after: Result
    what: tuple[str, ...]
    timelines: Timelines

    @property
    def scenario(self) -> str:
        """Its id."""
        return self.after.scenario


@dataclass(frozen=True, slots=True)
class ChangeGroup:
    """The cases that changed in the same way.

    Args:
        what: the change in a line, without numbers.
        changes: at least one; the one with the shortest timelines, which shows it best, stands first.
    """

    what: str
    changes: tuple[Change, ...]

    def others(self) -> list[str]:
        """How many more cases of which tests changed so, the tests with the most of them by name."""
        tests = Counter(one.scenario.partition("[")[0] for one in self.changes[1:])
        named = [f"and {count} more of {test}" for test, count in tests.most_common(_TESTS)]
        rest = sorted(tests.values())[:-_TESTS]
        return [*named, f"and {sum(rest)} more of {len(rest)} tests"] if rest else named


def grouped(changes: Iterable[Change]) -> list[ChangeGroup]:
    """The changes that are alike together, those with the most cases first."""
    found: dict[str, list[Change]] = {}
    for change in changes:
        found.setdefault(_essence(change), []).append(change)
    groups = [ChangeGroup(what, tuple(sorted(members, key=_length))) for what, members in found.items()]
    return sorted(groups, key=lambda group: -len(group.changes))


def _length(change: Change) -> int:
    return sum(map(len, change.timelines))


def _essence(change: Change) -> str:
    for result in (change.before, change.after):
        if result.fixed_by and result.outcome == Outcome.DEVIATES and change.before.outcome != change.after.outcome:
            return f"what {result.fixed_by} mends"
    # a timeline is empty where none was kept
    parted = partings(*change.timelines) if all(change.timelines) else []
    told = [*answer_changes(change.before, change.after), *(one.shape for one in parted)]
    if not told:
        told = [one.partition(":")[0] for one in change.what if one.startswith("answer")]
    if not told:
        first, second = counters(change.before), counters(change.after)
        told = [f"{name} counts otherwise" for name in sorted(first | second) if first.get(name) != second.get(name)]
    differences = change.after.evidence.differences if change.after.evidence else ()
    return "; ".join(told or [f"another {one.field}" for one in differences] or ["another verdict"])
