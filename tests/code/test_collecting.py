"""From the counts that scenarios left to the index, the summary and the pages of a run."""

from __future__ import annotations

import importlib.util
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.code.collecting import CodeCollector, CodeTotals, build_of, records
from harness.code.index import ChangedLines, CodeFunction, CodeLine
from harness.code.notes import counters
from harness.code.tables import write_tables
from harness.errors import FinwaitError
from harness.trace.folder import RunFolder
from harness.trace.records import CodeRecord, differing
from reports.pages.code_lines import add_scenarios
from tests.code.toy import NAME

FILE = f"{NAME}.c"
Count = Callable[..., bytes]


@pytest.fixture
def run(tmp_path: Path, count: Count) -> Path:
    """A run of four scenarios, in two processes one after the other."""
    for names in (("none", "one"), ("many", "none again")):
        folder = RunFolder(tmp_path)
        first = b""
        for name in names:
            data = count({"none": 0, "one": 1, "many": 9, "none again": 0}[name])
            objects = () if first else ((NAME, len(data)),)
            counts = zlib.compress(differing(data, first) if first else data)
            folder.append_code(CodeRecord(scenario=name, counts=counts, objects=objects))
            first = first or data
    return tmp_path


@pytest.fixture
def collector(run: Path, build: Path) -> CodeCollector:
    counted = list(records(run))
    found = CodeCollector(build_of(counted[0], [run, build]), counted[0])
    for record in counted:
        found.take(record)
    return found


def test_the_index_of_a_run(collector: CodeCollector) -> None:
    index = collector.index("toy 1.0")
    assert set(index.scenarios) == {"none", "one", "many", "none again"}
    assert index.files[FILE].functions == (
        CodeFunction("small", 4, 9),  # the compiler has it in loop() alone
        CodeFunction("loop", 11, 28),
        CodeFunction("main", 30, 40),
    )
    assert set(index.reaching(FILE, 34)) == {"none", "none again"}
    assert index.reaching(FILE, 26) == ("one",)
    assert len(index.reaching(FILE, 6)) == 4  # of small()
    assert (index.reaching(FILE, 38), index.reaching(FILE, 7)) == (("many",), ())
    assert (FILE, 26) not in index.reached("none")
    assert index.affected([ChangedLines(FILE, 26, 26)]).lines == (CodeLine(FILE, 26, "loop"),)


def test_the_sum_is_what_the_program_adds_up_itself(collector: CodeCollector, count: Count) -> None:
    ((name, data),) = collector.sums()
    together = count(0, 1, 9, 0)
    places = counters(together)
    assert name == NAME
    assert counters(data) == places
    assert all(data[start : start + 8 * n] == together[start : start + 8 * n] for start, n in places.values())


def test_totals_are_the_lines_that_all_reach_together(run: Path, build: Path, collector: CodeCollector) -> None:
    counted = list(records(run))
    totals = CodeTotals(build, counted[0])
    seen = []
    for record in counted:
        totals.add(record.data)
        seen.append(totals.reached())
    lines = collector.index("toy 1.0").files[FILE].lines
    index = collector.index("toy 1.0")
    assert seen == sorted(seen)
    assert seen[-1] == sum(bool(index.reaching(FILE, line)) for line in lines)
    assert totals.lines == len(lines)


def test_a_changed_line_has_the_counters_of_its_functions(run: Path, build: Path) -> None:
    totals = CodeTotals(build, next(records(run)))
    loop, main = (totals.counters_of([ChangedLines(FILE, line, line)]) for line in (26, 34))
    assert loop
    assert main
    assert not loop & main
    assert totals.counters_of([ChangedLines(FILE, 26, 34)]) == loop | main
    assert not totals.counters_of([ChangedLines("other.c", 26, 34)])


@pytest.mark.skipif(importlib.util.find_spec("gcovr") is None, reason="no gcovr; try: pip install gcovr")
def test_summary_and_pages(
    collector: CodeCollector, build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    summary, pages = Path("summary.json"), Path("pages")  # from the user's folder
    write_tables(collector.sums(), build, collector.in_tree, summary, pages)
    (file,) = json.loads(summary.read_text())["files"]
    assert (file["filename"], file["function_covered"], file["function_total"]) == (FILE, 2, 2)
    assert file["line_covered"] == file["line_total"] == 20
    add_scenarios(pages, collector.index("toy 1.0"))
    (page,) = (path.read_text() for path in pages.glob("*.html") if 'id="L1"' in path.read_text())
    assert "const LINES = {" in page
    assert '<script src="scenarios.js">' in page
    assert '"none again"' in (pages / "scenarios.js").read_text()


def test_a_run_that_counted_nothing(tmp_path: Path) -> None:
    with pytest.raises(FinwaitError, match=r"no code was counted in .*finwait kernels build"):
        next(records(tmp_path))


def test_a_line_that_a_dead_run_tore_is_left_out(run: Path) -> None:
    file = min((run / "code").iterdir())
    file.write_bytes(file.read_bytes()[:-20])
    assert len(list(records(run))) == 3


def test_a_build_that_is_gone(run: Path, tmp_path: Path) -> None:
    with pytest.raises(FinwaitError, match="the kernel that the run was made on is not here any more"):
        build_of(next(records(run)), [tmp_path])
