"""What the kernel answered, as a table: an ending and an order of arrival to a row, for one kernel or several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from harness.tcp.verdict import Outcome
from harness.trace.names import in_words, parameters
from harness.trace.records import Result
from harness.trace.runs import LoadedRun, titles
from reports.grid import Cell, Grid, Section
from reports.lines import OUTCOME_STYLES, WIDTH, Line, short_ms

KEYS = ("end", "order")
"""The parameters that tell rows apart; where a scenario has no ``order`` its name is one."""

Scenarios = dict[str, Mapping[str, str]]
"""Scenarios by id, each with those of its parameters that are no key."""

_LONGEST = 40  # columns of an answer that has no name
_HEADINGS = {"end": "ending"}


@dataclass(frozen=True, slots=True)
class TableAnswer:
    """What one kernel did in the scenarios of a row.

    Args:
        answer: the declared alternative that was seen, or the segment that was none; empty where the scenario
            declares but one, and it was seen.
        low_ns: the quickest answer, in ns after its cause; -1 where none was timed.
        high_ns: the slowest.
        outcome: the verdict that all of them share.
    """

    answer: str
    low_ns: int
    high_ns: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class TableRow:
    """Scenarios alike in their keys, and in what every kernel did.

    Args:
        keys: the values of the keys.
        variant: what tells the row from others with the same keys; empty where nothing has to.
        answers: one a run; None where the run has none of the scenarios.
        scenarios: their ids.
    """

    keys: tuple[str, ...]
    variant: str
    answers: tuple[TableAnswer | None, ...]
    scenarios: tuple[str, ...]


def rows(*runs: LoadedRun, keys: Sequence[str] = KEYS) -> list[TableRow]:
    """The rows for the scenarios that have the first of the keys among their parameters.

    Scenarios with the same keys share a row as long as every kernel did the same in all of them. What was lost before
    it could tell its parameters has a row of its own: nothing that was planned is left out of sight.

    Args:
        runs: one a kernel, in the order of the columns.
        keys: names of parameters; the second and later ones stand over sections.
    """
    found: dict[tuple[str, ...], Scenarios] = {}
    for scenario in dict.fromkeys(scenario for run in runs for scenario in run.results):
        results = [run.results[scenario] for run in runs if scenario in run.results]
        params = next((result.params for result in results if result.params), {})
        values = _key(scenario, params, keys, lost=not params and any(r.outcome == Outcome.LOST for r in results))
        if values:
            rest = {name: value for name, value in params.items() if name not in keys}
            found.setdefault(values, {})[scenario] = rest
    return [row for values, scenarios in _in_order(found) for row in _split(values, scenarios, runs)]


def _key(scenario: str, params: Mapping[str, str], keys: Sequence[str], *, lost: bool) -> tuple[str, ...]:
    name = in_words(scenario)
    if keys[0] in params:
        return tuple(params.get(key, name) for key in keys)
    return (parameters(scenario) or "?", *(name for _ in keys[1:])) if lost else ()


def _in_order(found: Mapping[tuple[str, ...], Scenarios]) -> list[tuple[tuple[str, ...], Scenarios]]:
    """The rows of a section together, in the order in which each first appeared."""
    places = list(dict.fromkeys(values[1:] for values in found))
    return sorted(found.items(), key=lambda item: places.index(item[0][1:]))


def _split(values: tuple[str, ...], scenarios: Scenarios, runs: Sequence[LoadedRun]) -> list[TableRow]:
    """One row where every kernel did the same in all; otherwise rows that say by which parameter they differ."""
    alike: dict[tuple[tuple[str, str] | None, ...], list[str]] = {}
    for scenario in scenarios:
        alike.setdefault(tuple(_did(run.results.get(scenario)) for run in runs), []).append(scenario)
    if len(alike) == 1:
        return [_row(values, "", list(scenarios), runs)]
    names = {name for params in scenarios.values() for name in params}
    varying = sorted(name for name in names if len({params.get(name) for params in scenarios.values()}) > 1)
    made = []
    most = max(alike.values(), key=len)
    for members in alike.values():
        shared = [name for name in varying if len({scenarios[member].get(name) for member in members}) == 1]
        variant = _variant(scenarios[members[0]], shared)
        same = [scenario for scenario, params in scenarios.items() if _variant(params, shared) == variant]
        if same == members:
            made.append(_row(values, variant, members, runs))
        elif members is most and len(members) > 1:
            made.append(_row(values, "otherwise", members, runs))
        else:  # no parameter tells these from the others: each stands for itself
            made += [_row(values, _variant(scenarios[one], varying), [one], runs) for one in members]
    return made


def _variant(params: Mapping[str, str], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {params.get(name, '-')}" for name in names)


def _did(result: Result | None) -> tuple[str, str] | None:
    return (result.answer, result.outcome) if result else None


def _row(values: tuple[str, ...], variant: str, members: list[str], runs: Sequence[LoadedRun]) -> TableRow:
    answers = [_answer([run.results[member] for member in members if member in run.results]) for run in runs]
    return TableRow(values, variant, tuple(answers), tuple(members))


def _answer(results: Sequence[Result]) -> TableAnswer | None:
    if not results:
        return None
    first = results[0]
    times = [result.answer_ns for result in results if result.answer_ns >= 0] or [-1]
    return TableAnswer(first.answer or _observed(first), min(times), max(times), Outcome(first.outcome))


def _observed(result: Result) -> str:
    """What was seen instead of what the scenario declares."""
    seen = result.evidence.observed.strip().removeprefix("> ") if result.evidence else ""
    return seen if len(seen) <= _LONGEST else seen[: _LONGEST - 3] + "..."


def table(runs: Sequence[LoadedRun], *, keys: Sequence[str] = KEYS, width: int = WIDTH) -> list[Line]:
    """The rows as text: what was answered, after how many ms, and the verdict; one column group a kernel.

    Side by side a row shows the slowest of its answers; where the kernels do not fit so, each has a line of its own.
    """
    found = rows(*runs, keys=keys)
    if not found:
        return [[(f"no scenario of the run has the parameter {keys[0]}", "dim")]]
    if len(runs) == 1:
        return _of_one(found, keys).lines()
    beside = _side_by_side(found, runs, keys)
    return (beside if beside.width <= width else _below_each_other(found, runs, keys)).lines()


def summary(run: LoadedRun) -> Line:
    """How many scenarios ended how, on which kernel."""
    counts = Counter(result.outcome for result in run.results.values())
    line: Line = [(f"{len(run.results)} scenarios on {run.name} ({run.release}): ", "")]
    parts = [(f"{counts[outcome]} {outcome}", OUTCOME_STYLES[outcome]) for outcome in Outcome if counts[outcome]]
    for number, part in enumerate(parts):
        line += [(", " if number else "", ""), part]
    return [*line, (f"; {run.torn} cut off by a crash and not readable", "yellow")] if run.torn else line


def _of_one(found: list[TableRow], keys: Sequence[str]) -> Grid:
    headings = [_heading(keys), "answer", "after", "verdict"]
    several = any(len(row.scenarios) > 1 for row in found)
    if several:
        headings.append("scenarios")

    def cells(row: TableRow) -> list[tuple[Cell, ...]]:
        count = ((str(len(row.scenarios)), "dim"),) if several else ()
        return [(_name(row), *_cells(row.answers[0]), *count)]

    return Grid(tuple(headings), _sections(found, cells), frozenset((2, 4)))


def _side_by_side(found: list[TableRow], runs: Sequence[LoadedRun], keys: Sequence[str]) -> Grid:
    headings = [_heading(keys)]
    for title in titles(runs):
        headings += [title, "", ""]

    def cells(row: TableRow) -> list[tuple[Cell, ...]]:
        return [(_name(row), *(cell for answer in row.answers for cell in _cells(answer, slowest=True)))]

    return Grid(tuple(headings), _sections(found, cells), frozenset(range(2, len(headings), 3)))


def _below_each_other(found: list[TableRow], runs: Sequence[LoadedRun], keys: Sequence[str]) -> Grid:
    def cells(row: TableRow) -> list[tuple[Cell, ...]]:
        return [
            (_name(row) if number == 0 else ("", ""), (title, ""), *_cells(answer))
            for number, (title, answer) in enumerate(zip(titles(runs), row.answers, strict=True))
        ]

    return Grid((_heading(keys), "kernel", "answer", "after", "verdict"), _sections(found, cells), frozenset((3,)))


def _sections(found: list[TableRow], cells: Callable[[TableRow], list[tuple[Cell, ...]]]) -> tuple[Section, ...]:
    grouped = groupby(found, key=lambda row: ", ".join(row.keys[1:]))
    return tuple(Section(title, tuple(line for row in members for line in cells(row))) for title, members in grouped)


def _heading(keys: Sequence[str]) -> str:
    return _HEADINGS.get(keys[0], keys[0])


def _name(row: TableRow) -> Cell:
    variant = f" ({row.variant})" if row.variant else ""
    return f"  {row.keys[0]}{variant}", ""


def _cells(answer: TableAnswer | None, *, slowest: bool = False) -> tuple[Cell, Cell, Cell]:
    if answer is None:
        return ("not run", "dim"), ("", ""), ("", "")
    # A scenario that declares one answer alone names it not: that it conforms says what was seen.
    said = answer.answer or ("as expected" if answer.outcome == Outcome.CONFORMS else "-")
    style = OUTCOME_STYLES[answer.outcome]
    after = short_ms(answer.high_ns if slowest else answer.low_ns, answer.high_ns) if answer.low_ns >= 0 else ""
    return (said, style if answer.answer else "dim"), (after, ""), (answer.outcome.value, style)
