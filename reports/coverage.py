"""Which requirements and transitions of TCP were tested, and the result on each kernel."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import FinwaitError
from harness.model.requirements import Catalogue
from harness.tcp.verdict import Outcome
from harness.trace.names import in_words
from harness.trace.runs import LoadedRun, titles
from reports.grid import Cell, Grid, Section, key, numbers
from reports.lines import OUTCOME_MARKS, OUTCOME_STYLES, WIDTH, Line, set_in

UNTESTED = "untested"
_LEAST_ROOM = 24  # for the scenarios' names
_NOT_HERE = "no scenario in these runs"
# What one scenario found wrong no other makes right; what was not seen says less than what was.
_WORST_FIRST = (Outcome.DEVIATES, Outcome.LOST, Outcome.CONFORMS, Outcome.UNSUPPORTED)
_STYLES: Mapping[str, str] = {**{str(one): style for one, style in OUTCOME_STYLES.items()}, UNTESTED: "dim"}
_MARKS: Mapping[str, str] = {**{str(one): mark for one, mark in OUTCOME_MARKS.items()}, UNTESTED: ""}


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """One requirement or transition.

    Args:
        id: of the catalogue.
        group: the RFC it is of, or the state machine.
        text: what it asks for.
        level: MUST, SHOULD and so on; empty for a transition.
        outcomes: one a kernel: one of the four, or ``UNTESTED``.
        cases: how many of all its cases came out so, a text a kernel; empty where all did.
        scenarios: the tests that cite it, and what is to be said of each: how many cases were run, and on which
            kernels one of them deviates where not all tests do.
        reason: why nothing was tried; empty where something was.
    """

    id: str
    group: str
    text: str
    level: str
    outcomes: tuple[str, ...]
    cases: tuple[str, ...]
    scenarios: Mapping[str, str]
    reason: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """The whole catalogue, on the kernels of some runs."""

    kernels: tuple[str, ...]
    rows: tuple[CoverageRow, ...]

    @property
    def without_reason(self) -> tuple[CoverageRow, ...]:
        """What was not tested, with no reason given."""
        return tuple(row for row in self.rows if row.reason == _NOT_HERE)


def reasons(path: Path, catalogue: Catalogue) -> dict[str, str]:
    """Why things are not tested, by id.

    The file is TOML: ``[[untested]]`` with ``ids`` and ``reason``. What the catalogue itself says not to show on the
    wire needs no entry.

    Raises:
        FinwaitError: the file cannot be read, an entry is not whole, or an id is unknown or comes twice.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("untested", [])
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise FinwaitError(f"{path} cannot be read ({error})") from error
    found = {one.id: one.how for one in catalogue.requirements.values() if one.testable == "no"}
    named: set[str] = set()
    for entry in entries:
        ids, reason = entry.get("ids"), entry.get("reason", "")
        if set(entry) != {"ids", "reason"} or not isinstance(ids, list) or not str(reason).strip():
            raise FinwaitError(f"{path}: an entry is ids and a reason, not {', '.join(entry) or 'nothing'}")
        for one in ids:
            if one not in catalogue.ids:
                raise FinwaitError(f"{path}: {catalogue.objection(one) or f'{one!r} is a section and no requirement'}")
            if one in named:
                raise FinwaitError(f"{path} names {one} a second time")
            named.add(one)
            found[one] = str(reason).strip()
    return found


def coverage(runs: Sequence[LoadedRun], catalogue: Catalogue, why_not: Mapping[str, str]) -> Coverage:
    """What the runs say about each entry of the catalogue.

    Args:
        runs: one a kernel.
        catalogue: the requirements and transitions.
        why_not: see ``reasons``.
    """
    cited, names = [_cited(run) for run in runs], titles(runs)
    rows = []
    for one in catalogue.requirements.values():
        rows.append(_row(one.id, f"RFC {one.rfc}", one.summary, one.level, cited, names, why_not))
    for arrow in catalogue.transitions.values():
        text = f"{arrow.from_state}: {arrow.event} -> {arrow.action}, {arrow.to_state}"
        rows.append(_row(arrow.id, "State machine", text, "", cited, names, why_not))
    return Coverage(tuple(names), tuple(rows))


def _cited(run: LoadedRun) -> dict[str, dict[str, list[Outcome]]]:
    """Outcomes by id and test."""
    found: dict[str, dict[str, list[Outcome]]] = {}
    for scenario, result in run.results.items():
        test, outcome = scenario.partition("[")[0], Outcome(result.outcome)
        for one in result.requirements:
            found.setdefault(one, {}).setdefault(test, []).append(outcome)
    return found


Tests = Mapping[str, Sequence[Outcome]]
"""The outcomes of a test's cases, by test."""


def _row(
    one: str,
    group: str,
    text: str,
    level: str,
    cited: Sequence[Mapping[str, Tests]],
    names: Sequence[str],
    why_not: Mapping[str, str],
) -> CoverageRow:
    of_runs = [of_run.get(one, {}) for of_run in cited]
    outcomes, cases = zip(*map(_judged, of_runs), strict=True) if of_runs else ((), ())
    scenarios = {
        test: _said(test, of_runs, names) for test in dict.fromkeys(test for tests in of_runs for test in tests)
    }
    reason = "" if scenarios else why_not.get(one, _NOT_HERE)
    return CoverageRow(one, group, text, level, outcomes, cases, scenarios, reason)


def _judged(tests: Tests) -> tuple[str, str]:
    """What one kernel makes of an entry, and of how many of its cases that is true."""
    every = [outcome for several in tests.values() for outcome in several]
    worst = next((outcome for outcome in _WORST_FIRST if outcome in every), None)
    if worst is None:
        return UNTESTED, ""
    count = every.count(worst)
    return str(worst), "" if count == len(every) else f"{count} of {len(every)}"


def _said(test: str, of_runs: Sequence[Tests], names: Sequence[str]) -> str:
    count = max(len(tests.get(test, ())) for tests in of_runs)
    where = [name for name, tests in zip(names, of_runs, strict=True) if Outcome.DEVIATES in tests.get(test, ())]
    deviates = (f"deviates on {', '.join(where)}" if len(where) < len(names) else "deviates") if where else ""
    return ", ".join(filter(None, [str(count) if count > 1 else "", deviates]))


# -- to be read


def summary(found: Coverage) -> list[tuple[str, dict[str, int]]]:
    """By kernel, how many entries came out how."""
    return [
        (kernel, dict(Counter(row.outcomes[number] for row in found.rows)))
        for number, kernel in enumerate(found.kernels)
    ]


def table(found: Coverage, width: int = WIDTH) -> list[Line]:
    """For a terminal: one line an entry, and the sums."""
    widest = max(len(row.id) for row in found.rows)
    left = width - widest - 2
    words = sum(max(len(name), len(Outcome.UNSUPPORTED)) + 2 for name in found.kernels)
    fits = left - words >= _LEAST_ROOM
    names = found.kernels if fits else numbers(found.kernels)
    room = left - (words if fits else sum(len(name) + 2 for name in names))
    sections = []
    for group in dict.fromkeys(row.group for row in found.rows):
        rows = tuple(_cells(row, room, short=not fits) for row in found.rows if row.group == group)
        sections.append(Section(group, rows))
    lines = Grid(("requirement", *names, "scenarios, or why none"), tuple(sections)).lines(width)
    lines += [] if fits else key(found.kernels, UNTESTED, width)
    for kernel, counts in summary(found):
        said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        lines += set_in(f"{kernel}: {said}", 0, "", width)
    untold = f"{len(found.without_reason)} of {len(found.rows)} have no scenario in these runs and no reason given"
    return [*lines, *set_in(untold, 0, "", width)]


def _cells(row: CoverageRow, room: int, *, short: bool) -> tuple[Cell, ...]:
    said = ", ".join(_short(test) for test in row.scenarios) or row.reason
    if len(said) > room:
        said = f"{said[: room - 1]}…"
    shown = ((_MARKS[outcome] if short else outcome, _STYLES[outcome]) for outcome in row.outcomes)
    return ((row.id, ""), *shown, (said, "dim"))


def _short(test: str) -> str:
    return in_words(test.rpartition("::")[2])


def markdown(found: Coverage) -> str:
    """The same as a document, with what each entry asks for and every scenario."""
    parts = [
        "# Coverage",
        "`finwait coverage RUN... --write` generates this page. An entry deviates where any case of a scenario that "
        "cites it deviates; the numbers say how many cases of how many, and `scenarios/baselines/linux.toml` gives "
        "the reasons. It conforms where at least one case conforms and none deviates; the kernel does not support the "
        "others.",
    ]
    for kernel, counts in summary(found):
        parts.append(f"{kernel}: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) + ".")
    for group in dict.fromkeys(row.group for row in found.rows):
        rows = [row for row in found.rows if row.group == group]
        parts.append(f"## {group}")
        head = ["id", "level", "what", *found.kernels, "scenarios, or why there are none"]
        lines = [_joined(head), _joined(["---"] * len(head))]
        lines += [_joined([row.id, row.level, row.text, *_counted(row), _told(row)]) for row in rows]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _counted(row: CoverageRow) -> Iterator[str]:
    for outcome, cases in zip(row.outcomes, row.cases, strict=True):
        yield f"{outcome} ({cases})" if cases and outcome != Outcome.CONFORMS else outcome


def _told(row: CoverageRow) -> str:
    tests = (f"`{test}`" + (f" ({said})" if said else "") for test, said in row.scenarios.items())
    return "<br>".join(tests) or row.reason


def _joined(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
