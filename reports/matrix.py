"""The same scenarios on several kernels: one outcome for each pair, for people and for programs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from harness.tcp.verdict import Outcome
from harness.trace.names import file_of, in_any_run, in_words, parameters
from harness.trace.records import Result
from harness.trace.runs import LoadedRun, titles
from reports.grid import Cell, Grid, Section, key, numbers
from reports.lines import OUTCOME_MARKS, OUTCOME_STYLES, WIDTH, Line, set_in

FORMAT = 1
"""Version of the JSON; it grows when a reader of the old one would misread the new one."""


class MatrixEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of one scenario on one kernel.

    Args:
        outcome: one of the four.
        answer: the declared alternative that was seen.
        answer_ns: how long after its cause it came; -1 where it was not timed.
        message: of a failure, a skip or a loss.
        digest: of the scenario's source.
    """

    outcome: str
    answer: str = ""
    answer_ns: int = -1
    message: str = ""
    digest: str = ""


class Kernel(msgspec.Struct, frozen=True):
    """One column: what it is called, what it is, and the run folder that the column comes from."""

    name: str
    kernel: str
    run: str
    machine: str
    torn: int


class MatrixRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The joined matrix as JSON: ``scenarios[id][kernel's name]``. A pair that was not run is left out."""

    format: int = FORMAT
    kernels: tuple[Kernel, ...]
    scenarios: dict[str, dict[str, MatrixEntry]]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Scenarios by kernels.

    Args:
        runs: one a column.
        names: of the columns, no two alike.
        scenarios: ids of all rows, in the order of the runs' plans.
    """

    runs: tuple[LoadedRun, ...]
    names: tuple[str, ...]
    scenarios: tuple[str, ...]

    def outcomes(self, scenario: str) -> tuple[Outcome | None, ...]:
        """One a kernel; None where the kernel was not asked."""
        found = (run.results.get(scenario) for run in self.runs)
        return tuple(Outcome(result.outcome) if result else None for result in found)

    def mixed_versions(self) -> tuple[str, ...]:
        """The scenarios whose source was not the same in all runs: their rows say nothing about kernels."""
        return tuple(scenario for scenario in self.scenarios if len(self._digests(scenario)) > 1)

    def _digests(self, scenario: str) -> set[str]:
        found = (run.results.get(scenario) for run in self.runs)
        return {result.digest for result in found if result and result.digest}

    def json(self) -> bytes:
        """The matrix for programs, see ``MatrixRecord``."""
        kernels = tuple(
            Kernel(name, run.record.kernel, run.record.id, run.record.machine, run.torn)
            for name, run in zip(self.names, self.runs, strict=True)
        )
        scenarios = {
            scenario: {
                name: _entry(run.results[scenario])
                for name, run in zip(self.names, self.runs, strict=True)
                if scenario in run.results
            }
            for scenario in self.scenarios
        }
        record = MatrixRecord(kernels=kernels, scenarios=scenarios)
        return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"

    def telling(self) -> tuple[str, ...]:
        """The scenarios that kernels do not agree on; of a single kernel those that it deviates in, or lost."""
        if len(self.runs) == 1:
            bad = (Outcome.DEVIATES, Outcome.LOST)
            return tuple(scenario for scenario in self.scenarios if self.outcomes(scenario)[0] in bad)
        return tuple(scenario for scenario in self.scenarios if len(set(self.outcomes(scenario))) > 1)

    def lines(self, width: int = WIDTH, *, every: bool = False) -> list[Line]:
        """The matrix as text with styles; outcomes shrink to one letter where the words do not fit ``width``.

        A scenario whose outcomes do not depend on its parameters, on any kernel, has a single row.

        Args:
            width: columns.
            every: a row for what all kernels agree on, too.
        """
        rows = self.scenarios if every else self.telling()
        words = self._grid(rows, short=False)
        fits = words.width <= width
        grid = words if fits else self._grid(rows, short=True)
        made = grid.lines(width)
        if len(rows) < len(self.scenarios):
            made += set_in(f"{self._left_out(rows)}; --all shows all", 0, "dim", width)
        if not fits:
            made += key(self.names, "not run", width)
        mixed = self.mixed_versions()
        if mixed:
            were = "scenario was" if len(mixed) == 1 else "scenarios were"
            rest = " and others" if len(mixed) > 1 else ""
            told = f"{len(mixed)} {were} not the same version in all runs: {mixed[0]}{rest}"
            made += set_in(told, 0, "yellow", width)
        for name, run in zip(self.names, self.runs, strict=True):
            if run.torn:
                cut_off = f"{name}: {run.torn} result(s) were cut off by a crash and could not be read"
                made += set_in(cut_off, 0, "yellow", width)
        return made

    def reasons(self, width: int = WIDTH) -> list[Line]:
        """Why there are scenarios without a verdict: each reason with how many on which kernels."""
        made: list[Line] = []
        for outcome in (Outcome.UNSUPPORTED, Outcome.LOST):
            said: dict[str, str] = {}
            counts: dict[str, Counter[str]] = {}
            for name, run in zip(self.names, self.runs, strict=True):
                for result in run.results.values():
                    if result.outcome == outcome:
                        first = next(iter(result.message.splitlines()), "no reason was recorded")
                        # numbers of processes, times and ports are another in each scenario
                        alike = re.sub(r"\d+", "0", in_any_run(first))
                        said.setdefault(alike, first)
                        counts.setdefault(alike, Counter())[name] += 1
            for alike, count in counts.items():
                where = ", ".join(f"{number} on {name}" for name, number in count.items())
                made += set_in(f"{outcome} {where}: {said[alike]}", 0, OUTCOME_STYLES[outcome], width)
        return made

    def _left_out(self, rows: Sequence[str]) -> str:
        counts = Counter(self.outcomes(scenario)[0] for scenario in {*self.scenarios}.difference(rows))
        count = counts.total()
        said = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
        if len(self.runs) > 1:
            return f"{count} {'comes' if count == 1 else 'come'} out alike on all kernels: {said}"
        return f"{count} {'does' if count == 1 else 'do'} not deviate: {said}"

    def _grid(self, rows: Sequence[str], *, short: bool) -> Grid:
        headings = numbers(self.names) if short else self.names
        by_title: dict[str, list[str]] = {}
        for scenario in rows:
            by_title.setdefault(_title(scenario), []).append(scenario)
        of = Counter(map(_title, self.scenarios))
        sections = [
            Section(title, tuple(self._rows(members, of[title], short=short))) for title, members in by_title.items()
        ]
        return Grid(("scenario", *headings), (*sections, Section("in all", tuple(self._totals()))))

    def _rows(self, members: list[str], of: int, *, short: bool) -> list[tuple[Cell, ...]]:
        """A row for each set of parameters, or one for all of them where each kernel did the same in all."""
        alike = len({self.outcomes(scenario) for scenario in members}) == 1
        named = (
            [(f"all {of}" if len(members) == of else f"{len(members)} of {of}", members[0])]
            if alike and len(members) > 1
            else [(parameters(scenario) or "-", scenario) for scenario in members]
        )
        return [
            (("  " + name, ""), *(_cell(outcome, short=short) for outcome in self.outcomes(scenario)))
            for name, scenario in named
        ]

    def _totals(self) -> list[tuple[Cell, ...]]:
        counts = [Counter(result.outcome for result in run.results.values()) for run in self.runs]
        return [
            (
                ("  " + outcome, ""),
                *((str(count[outcome]), OUTCOME_STYLES[outcome] if count[outcome] else "dim") for count in counts),
            )
            for outcome in Outcome
            if any(count[outcome] for count in counts)
        ]


def join(runs: Sequence[LoadedRun]) -> Matrix:
    """Put the runs of several kernels into one matrix.

    Args:
        runs: one a kernel, at least one, in the order of the columns.
    """
    scenarios = dict.fromkeys(scenario for run in runs for scenario in run.results)
    return Matrix(tuple(runs), tuple(titles(runs)), tuple(scenarios))


def _entry(result: Result) -> MatrixEntry:
    return MatrixEntry(result.outcome, result.answer, result.answer_ns, result.message, result.digest)


def _cell(outcome: Outcome | None, *, short: bool) -> Cell:
    if outcome is None:
        return "" if short else "not run", "dim"
    return OUTCOME_MARKS[outcome] if short else outcome.value, OUTCOME_STYLES[outcome]


def _title(scenario: str) -> str:
    return ": ".join(part for part in (file_of(scenario), in_words(scenario)) if part)
