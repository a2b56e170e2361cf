"""What changed from kernel to kernel: the behaviours that are not the same on all kernels of a report."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.tcp.verdict import Outcome
from harness.trace.names import in_words, theme_of
from harness.trace.result_kind import ResultKind
from reports.pages.case import Case

_BAD = (Outcome.DEVIATES, Outcome.LOST)


class KindAndAnswer(NamedTuple):
    """What a kernel did: the kind of its result, and the declared alternative that was seen."""

    kind: ResultKind
    answer: str


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The cases of one test that came out alike, kernel by kernel.

    Args:
        theme: of the test.
        test: its id, without parameters.
        seen: one a kernel, None where it was not run.
        cases: their ids.
    """

    theme: str
    test: str
    seen: tuple[KindAndAnswer | None, ...]
    cases: tuple[str, ...]

    @property
    def words(self) -> str:
        """What the test states."""
        return in_words(self.test)


def by_release(releases: Sequence[str]) -> list[int]:
    """The numbers of the kernels in the order of their releases: 5.10 stands before 6.1 and 6.12."""
    return sorted(range(len(releases)), key=lambda one: [int(part) for part in re.findall(r"\d+", releases[one])[:3]])


def changing(cases: Iterable[Case], order: Sequence[int]) -> list[Behaviour]:
    """The behaviours that are not the same on all kernels.

    Args:
        cases: of a report.
        order: of the kernels.
    """
    found: dict[tuple[str, str, tuple[KindAndAnswer | None, ...]], list[str]] = {}
    for case in cases:
        seen = tuple(_seen(case, number) for number in order)
        if len(set(seen)) > 1:
            found.setdefault((theme_of(case.scenario), case.scenario.partition("[")[0], seen), []).append(case.scenario)
    return [Behaviour(*key, tuple(members)) for key, members in found.items()]


def _seen(case: Case, number: int) -> KindAndAnswer | None:
    result, found = case.results[number], case.findings[number]
    return KindAndAnswer(found.kind, result.answer) if result and found else None


def steps(names: Sequence[str], behaviours: Iterable[Behaviour]) -> Iterator[tuple[str, str, Counter[str]]]:
    """From each kernel to the next, how many cases became ``better``, ``worse`` or ``other``."""
    counts = [Counter[str]() for _ in names[1:]]
    for one in behaviours:
        for counter, before, after in zip(counts, one.seen, one.seen[1:], strict=False):
            if before != after:
                counter[_direction(before, after)] += len(one.cases)
    yield from zip(names, names[1:], counts, strict=False)


def _direction(before: KindAndAnswer | None, after: KindAndAnswer | None) -> str:
    was, now = (one and one.kind.outcome for one in (before, after))
    if was in _BAD and now == Outcome.CONFORMS:
        return "better"
    return "worse" if was == Outcome.CONFORMS and now in _BAD else "other"
