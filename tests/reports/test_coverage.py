"""What a run covers of the catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.model.requirements import load as load_catalogue
from harness.trace.records import Result
from harness.trace.runs import LoadedRun
from reports.coverage import UNTESTED, Coverage, coverage, markdown, reasons, summary, table
from reports.lines import plain
from tests.conftest import run_record

CHECKOUT = Path(__file__).parents[2]
CATALOGUE = load_catalogue()
ONE, OTHER = "RFC9293-MUST-13", "FSM-014"


def run(name: str, *results: tuple[str, str, tuple[str, ...]]) -> LoadedRun:
    made = {
        scenario: Result(scenario=scenario, outcome=outcome, requirements=ids) for scenario, outcome, ids in results
    }
    return LoadedRun(Path(name), run_record(id=name, kernel=name, kernel_name=name), made)


def row(found: Coverage, one: str) -> tuple[str, ...]:
    return next(row.outcomes for row in found.rows if row.id == one)


def test_every_entry_of_the_catalogue_has_a_row() -> None:
    found = coverage([run("a")], CATALOGUE, {})
    assert [row.id for row in found.rows] == list(CATALOGUE.ids)
    assert summary(found) == [("a", {UNTESTED: len(CATALOGUE.ids)})]


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        (["conforms", "conforms"], "conforms"),
        (["conforms", "deviates"], "deviates"),
        (["lost", "deviates"], "deviates"),
        (["conforms", "lost"], "lost"),
        (["unsupported", "conforms"], "conforms"),
        (["unsupported"], "unsupported"),
        ([], UNTESTED),
    ],
)
def test_one_scenario_that_deviates_decides(outcomes: list[str], told: str) -> None:
    results = [(f"x.py::test_{number}", outcome, (ONE,)) for number, outcome in enumerate(outcomes)]
    assert row(coverage([run("a", *results)], CATALOGUE, {}), ONE) == (told,)


def test_kernels_stand_side_by_side_with_the_scenarios_of_all() -> None:
    runs = [
        run("a", ("x.py::test_it[1]", "conforms", (ONE,)), ("x.py::test_it[2]", "conforms", (ONE,))),
        run("b", ("x.py::test_it[1]", "deviates", (ONE, OTHER))),
    ]
    found = coverage(runs, CATALOGUE, {})
    assert (row(found, ONE), row(found, OTHER)) == (("conforms", "deviates"), (UNTESTED, "deviates"))
    assert next(row.scenarios for row in found.rows if row.id == ONE) == {"x.py::test_it": "2, deviates on b"}
    assert f"| {ONE} | MUST |" in markdown(found)
    assert "| conforms | deviates | `x.py::test_it` (2, deviates on b) |" in markdown(found)
    assert "RFC9293-MUST-13" in plain(table(found))


def test_what_deviates_tells_in_how_many_cases_and_in_which_test() -> None:
    cases = {"x.py::test_it[1]": "deviates", "x.py::test_it[2]": "conforms", "x.py::test_that": "conforms"}
    document = markdown(coverage([run("a", *((name, told, (ONE,)) for name, told in cases.items()))], CATALOGUE, {}))
    assert "| deviates (1 of 3) | `x.py::test_it` (2, deviates)<br>`x.py::test_that` |" in document


def test_what_was_not_tried_says_why_or_that_nobody_knows() -> None:
    found = coverage([run("a")], CATALOGUE, {OTHER: "no such call"})
    told = {row.id: row.reason for row in found.rows}
    assert told[OTHER] == "no such call"
    assert told[ONE] == "no scenario in these runs"
    assert OTHER not in {row.id for row in found.without_reason}


def test_what_shows_on_no_wire_has_the_catalogues_own_reason(tmp_path: Path) -> None:
    (tmp_path / "untested.toml").write_text('[[untested]]\nids = ["FSM-005"]\nreason = "no such call"\n')
    found = reasons(tmp_path / "untested.toml", CATALOGUE)
    assert found["FSM-005"] == "no such call"
    assert found["RFC9293-SHLD-10"] == "internal effect only"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[[untested]]\nids = ["FSM-999"]\nreason = "x"', "no requirement 'FSM-999'"),
        ('[[untested]]\nids = ["RFC9293-3.1"]\nreason = "x"', "is a section and no requirement"),
        ('[[untested]]\nids = ["FSM-005", "FSM-005"]\nreason = "x"', "names FSM-005 a second time"),
        ('[[untested]]\nids = ["FSM-005"]\nreason = " "', "an entry is ids and a reason"),
        ('[[untested]]\nid = "FSM-005"\nreason = "x"', "an entry is ids and a reason, not id, reason"),
        ("[[untested]", "cannot be read"),
    ],
)
def test_a_faulty_list_of_reasons_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "untested.toml"
    path.write_text(text)
    with pytest.raises(FinwaitError, match=complaint):
        reasons(path, CATALOGUE)


def test_the_projects_own_list_is_whole() -> None:
    assert reasons(CHECKOUT / "scenarios" / "untested.toml", CATALOGUE)


def test_the_document_has_a_row_for_each_entry_in_its_order() -> None:
    """Its outcomes are a machine's; which entries there are is not, nor that each has a scenario or a reason."""
    lines = (CHECKOUT / "docs" / "coverage.md").read_text().splitlines()
    assert [line for line in lines if "no scenario in these runs" in line] == []
    ids = [line.split("|")[1].strip() for line in lines if line.startswith(("| RFC", "| FSM"))]
    assert ids == list(CATALOGUE.ids), "finwait coverage --write makes it anew"
