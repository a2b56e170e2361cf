"""Writes the pages of a report: sorts what several runs found, draws every case, and puts all below one folder."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from markupsafe import Markup

from harness.errors import FinwaitError
from harness.model.requirements import STATES
from harness.trace.folder import write_whole
from harness.trace.names import theme_of
from harness.trace.owner import hand_back
from harness.trace.result_kind import ResultKind
from harness.trace.runs import LoadedRun, titles
from reports.compare import Comparison
from reports.findings import Reason, explain, unexplained
from reports.pages import beside
from reports.pages.case import Case, CasePrinter
from reports.pages.changes import changes_page
from reports.pages.packing import packed

PER_PACK = 24
"""Cases in a file that is loaded at once."""

_WORTH_A_PROCESS = 8  # packs; fewer are written sooner than a process starts
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Report:
    """What was found on several kernels.

    Args:
        runs: one a kernel.
        names: what each is called, no two alike.
        cases: every scenario, in the order in which they were planned.
    """

    runs: tuple[LoadedRun, ...]
    names: tuple[str, ...]
    cases: tuple[Case, ...]

    def counts(self) -> list[tuple[str, list[Counter[ResultKind]]]]:
        """For each theme and kernel, how many cases are of each kind."""
        found: dict[str, list[Counter[ResultKind]]] = {}
        for case in self.cases:
            row = found.setdefault(theme_of(case.scenario), [Counter() for _ in self.runs])
            for counter, one in zip(row, case.findings, strict=True):
                if one:
                    counter[one.kind] += 1
        return sorted(found.items())


def gather(runs: Sequence[LoadedRun], reason: Reason = unexplained) -> Report:
    """Sort what the runs found.

    Args:
        runs: one a kernel, at least one.
        reason: why a deviation is known, where the run does not know.
    """
    cases = []
    for scenario in dict.fromkeys(scenario for run in runs for scenario in run.results):
        results = tuple(run.results.get(scenario) for run in runs)
        found = tuple(explain(run, one, reason) if one else None for run, one in zip(runs, results, strict=True))
        cases.append(Case(scenario, results, found))
    return Report(tuple(runs), tuple(titles(runs)), tuple(cases))


def write(
    report: Report,
    folder: Path,
    why_not: Mapping[str, str] = MappingProxyType({}),
    comparison: Comparison | None = None,
    *,
    processes: int | None = None,
) -> Path:
    """Write a report; the page to open.

    Args:
        report: see ``gather``.
        folder: a new or empty one, or that of an older report, which is replaced.
        why_not: why requirements are not tested, by their ids.
        comparison: of the report's two runs, which gets a page of its own.
        processes: to draw in; as many as there are processors when left out.

    Raises:
        FinwaitError: the folder holds something else, or cannot be written.
    """
    page = folder / "index.html"
    make_room(folder)
    bare = [replace(run, results={}) for run in report.runs]  # what a process needs of a run is small without
    draw = partial(_write_pack, CasePrinter(bare, report.names), folder / "cases")
    packs = [report.cases[start : start + PER_PACK] for start in range(0, len(report.cases), PER_PACK)]
    pages = {name: title for name, title in beside.PAGES.items() if comparison or name != "changes.html"}
    with _drawing(draw, packs, processes or os.cpu_count() or 1):
        made = {
            "coverage.html": beside.coverage_page(report.runs, why_not, pages),
            "timeline.html": beside.timeline_page(report.runs, report.names, report.cases, pages),
            "index.html": _index(report, pages),
        }
    if comparison:
        made["changes.html"] = changes_page(comparison, report.names, pages)
    for name, text in made.items():
        write_whole(folder / name, text.encode())
    return page


@contextmanager
def _drawing(
    draw: Callable[[int, Sequence[Case]], None], packs: Sequence[Sequence[Case]], processes: int
) -> Iterator[None]:
    """Have the packs drawn by the end, by processes beside the caller where that is worth it."""
    numbers = range(len(packs))
    if len(packs) < _WORTH_A_PROCESS or processes == 1:
        list(map(draw, numbers, packs))
        yield
    else:
        # not by fork: whoever calls this may have threads
        with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
            drawn = pool.map(draw, numbers, packs, chunksize=4)
            yield
            list(drawn)


def make_room(folder: Path) -> None:
    """Make a report's folder, or empty that of an older report.

    Raises:
        FinwaitError: it holds something else, or cannot be made.
    """
    try:
        there = {path.name for path in folder.iterdir()} if folder.exists() else set()
        if there and not {"cases"} <= there <= {"cases", *beside.PAGES}:  # one that was interrupted has no page yet
            raise FinwaitError(
                f"{folder} holds something other than a report",
                why="a report replaces what is there",
                hint="a new folder",
            )
        missing = [path for path in (folder / "cases", *(folder / "cases").parents) if not path.exists()]
        (folder / "cases").mkdir(parents=True, exist_ok=True)
        for made in missing:
            hand_back(made)
        for old in (*(folder / "cases").glob("*.js"), *(folder / name for name in beside.PAGES)):
            old.unlink(missing_ok=True)
    except OSError as error:
        raise FinwaitError(
            f"the report's folder {folder} cannot be made ({error.strerror})",
            why="the folder above it is read-only, full or another user's; or it is a file",
            hint="a folder of your own",
        ) from error


def _write_pack(printer: CasePrinter, folder: Path, number: int, cases: Sequence[Case]) -> None:
    content = packed([printer.pieces(case) for case in cases])
    write_whole(folder / f"{number}.js", f'finwait.pack({number},"{content}")\n'.encode())


def _index(report: Report, pages: Mapping[str, str]) -> str:
    count = len(report.cases)
    return beside.render(
        "index.html",
        f"{count} {'case' if count == 1 else 'cases'} on {', '.join(report.names)}",
        pages,
        runs=list(zip(report.names, report.runs, strict=True)),
        kinds=list(ResultKind),
        totals=_totals(report),
        states=STATES,
        counts=report.counts(),
        count=count,
        data=packed(_listing(report)),
        script=Markup((_HERE / "report.js").read_text(encoding="utf-8")),
    )


def _totals(report: Report) -> list[Counter[ResultKind]]:
    return [
        Counter(found.kind for case in report.cases if (found := case.findings[number]))
        for number in range(len(report.runs))
    ]


def _listing(report: Report) -> dict[str, object]:
    """What the script needs to list, filter and open cases: texts that many share stand once and are told by number."""
    themes, clauses, whys = _Numbers(), _Numbers(), _Numbers()
    kinds = list(ResultKind)

    def row(case: Case) -> list[object]:
        cited = dict.fromkeys(one for result in case.results if result for one in result.requirements)
        found = [[kinds.index(one.kind), whys.number(one.why)] if one else None for one in case.findings]
        return [case.scenario, themes.number(theme_of(case.scenario)), [clauses.number(one) for one in cited], found]

    cases = [row(case) for case in report.cases]
    return {
        "runs": report.names,
        "kinds": kinds,
        "perPack": PER_PACK,
        "cases": cases,
        "themes": list(themes),
        "clauses": list(clauses),
        "whys": list(whys),
    }


class _Numbers:
    """Texts by number, in the order in which they were first asked for."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def number(self, text: str) -> int:
        return self._known.setdefault(text, len(self._known))

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)
