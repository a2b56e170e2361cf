"""What of a kernel's code was reached, from the summary that gcovr makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.trace.records import Result
from harness.trace.runs import LoadedRun, load
from reports.code_coverage import FILE, CodeRow, code_rows
from reports.pages.beside import PAGES, coverage_page

# as gcovr 8.8 writes it of a program of five lines, and of an empty file beside it
SUMMARY = """{"root": ".", "gcovr/summary_format_version": "0.6", "files": [
  {"filename": "net/ipv4/NAME.c", "line_total": 3, "line_covered": 2, "line_percent": 66.7, "function_total": 3,
   "function_covered": 2, "function_percent": 66.7, "branch_total": 2, "branch_covered": 1, "branch_percent": 50.0},
  {"filename": "net/ipv4/empty.c", "line_total": 1, "line_covered": 0, "line_percent": 0.0, "function_total": 0,
   "function_covered": 0, "function_percent": null, "branch_total": 0, "branch_covered": 0, "branch_percent": null}],
 "line_total": 4, "line_covered": 2, "line_percent": 50.0, "function_total": 3, "function_covered": 2,
 "function_percent": 66.7, "branch_total": 2, "branch_covered": 1, "branch_percent": 50.0}"""


@pytest.fixture
def runs(make_run: Callable[..., Path]) -> list[LoadedRun]:
    """Of three kernels; of the second nobody counted anything."""
    made = [make_run(Result(scenario="t.py::test", outcome="conforms"), name=name) for name in ("a", "b", "c")]
    for path, name in ((made[0], "tcp"), (made[2], "<b>")):
        (path / FILE).write_text(SUMMARY.replace("NAME", name))
    return [load(path) for path in made]


def test_each_file_stands_with_what_each_run_reached(runs: list[LoadedRun]) -> None:
    assert code_rows(runs) == [
        CodeRow("net/ipv4/<b>.c", ("", "", "66.7 % / 50.0 %")),
        CodeRow("net/ipv4/empty.c", ("0.0 % / none", "", "0.0 % / none")),
        CodeRow("net/ipv4/tcp.c", ("66.7 % / 50.0 %", "", "")),
        CodeRow("all", ("50.0 % / 50.0 %", "", "50.0 % / 50.0 %")),
    ]


def test_the_page_shows_it_only_where_it_was_counted(runs: list[LoadedRun]) -> None:
    page = coverage_page(runs, {}, PAGES)
    assert '<th scope="row">net/ipv4/&lt;b&gt;.c</th><td></td><td></td><td>66.7 % / 50.0 %</td>' in page
    assert 'id="code"' not in coverage_page(runs[1:2], {}, PAGES)


@pytest.mark.parametrize("text", ["", "[]", '{"files": [{"filename": "a.c"}]}'])
def test_a_summary_that_is_none_is_told(runs: list[LoadedRun], text: str) -> None:
    (runs[1].path / FILE).write_text(text)
    with pytest.raises(FinwaitError, match=r"code-coverage\.json cannot be read .* gcovr --json-summary"):
        code_rows(runs)
