"""The pages beside the index: coverage with the state machine, and what changed from kernel to kernel."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.trace.events import Event
from harness.trace.records import Result
from harness.trace.result_kind import ResultKind
from harness.trace.runs import LoadedRun, load
from reports.compare import compare
from reports.pages.beside import PAGES, coverage_page, timeline_page
from reports.pages.changes import changes_page
from reports.pages.timeline import Behaviour, KindAndAnswer, by_release, changing, steps
from reports.pages.write import gather, write

MakeRun = Callable[..., Path]
Disorder = Callable[..., tuple[Event, ...]]
TEST = "scenarios/closing/test_x.py::test_fin_is_taken"
LEFT_OUT = "closing/test_x.py::test_alike[IPv4]"
GOOD = KindAndAnswer(ResultKind.CONFORMS, "taken")
BAD = KindAndAnswer(ResultKind.UNEXPECTED, "challenged")


@pytest.fixture
def runs(make_run: MakeRun) -> list[LoadedRun]:
    """Three kernels, not in the order of their releases: 5.10 challenges all, 6.9 nothing, 6.12 one in two."""

    def run(release: str, *answers: str) -> LoadedRun:
        made = [
            Result(
                scenario=f"{TEST}[{number}]",
                outcome="conforms" if answer == "taken" else "deviates",
                answer=answer,
                requirements=("RFC9293-E-17", "FSM-014"),
            )
            for number, answer in enumerate(answers)
        ]
        alike = Result(scenario=LEFT_OUT, outcome="conforms")
        return load(make_run(*made, alike, name=release, kernel=f"{release}.3 #1", kernel_name=release))

    return [
        run("6.12", "taken", "challenged", "taken"),
        run("5.10", *["challenged"] * 3),
        run("6.9", *["taken"] * 3),
    ]


def test_kernels_stand_in_the_order_of_their_releases() -> None:
    assert by_release(["6.12.3", "5.10.262-x", "6.9", "6.12"]) == [1, 2, 3, 0]


def test_a_behaviour_stands_once_with_its_cases_and_where_it_changed(runs: list[LoadedRun]) -> None:
    found = gather(runs)
    behaviours = changing(found.cases, [1, 2, 0])
    assert behaviours == [
        Behaviour("closing", TEST, (BAD, GOOD, GOOD), (f"{TEST}[0]", f"{TEST}[2]")),
        Behaviour("closing", TEST, (BAD, GOOD, BAD), (f"{TEST}[1]",)),
    ]
    assert list(steps(["a", "b", "c"], behaviours)) == [("a", "b", {"better": 3}), ("b", "c", {"worse": 1})]


def test_the_timeline_marks_the_kernel_that_changed_and_leads_to_a_case(runs: list[LoadedRun]) -> None:
    found = gather(runs)
    page = timeline_page(found.runs, found.names, found.cases, PAGES)
    assert page.index("5.10</th>") < page.index("6.9</th>") < page.index("6.12</th>")
    assert "test_fin_is_taken%5B1%5D" in page
    assert "test_alike" not in page
    turns = re.findall(r'class="k-([a-z-]+) turn"', page)
    assert turns == ["conforms", "conforms", "deviates-unexpectedly"]


def test_a_clause_has_its_verdict_on_each_kernel_and_leads_to_its_cases(runs: list[LoadedRun]) -> None:
    page = coverage_page(runs, {"RFC9293-MUST-1": "nobody tried"}, PAGES)
    row = page[page.index("index.html#clause=RFC9293-E-17") :].partition("</tr>")[0]
    assert re.findall(r'<td class="k-(\w+)">', row) == ["deviates", "deviates", "conforms"]
    assert "<small>1 of 3</small>" in row
    assert "nobody tried" in page


def test_the_state_machine_says_what_was_reached(runs: list[LoadedRun]) -> None:
    drawn = re.findall(r'<g class="k-(\w+)"><title>(FSM-\d+)', coverage_page(runs, {}, PAGES))
    assert ("deviates", "FSM-014") in drawn
    assert {kind for kind, one in drawn if one != "FSM-014"} == {"untested"}


def test_a_change_is_drawn_once_with_the_segment_marked_where_the_kernels_part(
    make_run: MakeRun, disorder: Disorder
) -> None:
    scenarios = [f"{TEST}[{number}]" for number in range(3)]

    def run(name: str, events: tuple[Event, ...], outcome: str, answer: str) -> LoadedRun:
        results = [Result(scenario=one, outcome=outcome, answer=answer) for one in scenarios]
        return load(make_run(*results, timelines=dict.fromkeys(scenarios, events), name=name, kernel_name=name))

    first = run("<old>", disorder(accepted=False), "deviates", "challenged")
    second = run("new", disorder(), "conforms", "accepted")
    page = changes_page(compare(first, second), ("<old>", "new"), PAGES)
    assert "answer accepted, was challenged; the kernel&#39;s ACK has another ack <small>3 cases</small>" in page
    assert page.count("<svg") == 2
    assert page.count('class="odd"') == 2
    assert [one for one in scenarios if f">{one}</a>" in page] == scenarios[1:]
    assert "<old>" not in page


def test_a_comparison_has_its_page_in_the_report_of_both_runs(runs: list[LoadedRun], tmp_path: Path) -> None:
    pair = runs[:2]
    write(gather(pair), tmp_path / "report", comparison=compare(*pair))
    assert "fixed, 0 behaved otherwise" in (tmp_path / "report" / "changes.html").read_text()
    assert 'href="changes.html"' in (tmp_path / "report" / "index.html").read_text()
