from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from harness.trace import runs
from harness.trace.records import Result
from reports.lines import plain
from reports.matrix import FORMAT, Matrix, MatrixRecord, join

ONE, TWO = "a.py::test_fin_is_acknowledged[close]", "a.py::test_fin_is_acknowledged[wr]"
THREE = "b.py::test_open"


def _matrix(make_run: Callable[..., Path]) -> Matrix:
    old = make_run(
        Result(scenario=ONE, outcome="conforms", digest="1"),
        Result(scenario=TWO, outcome="deviates", answer="challenged", answer_ns=140_000, digest="2"),
        name="old",
        kernel_name="uml:5.10",
        kernel="5.10.46",
        planned=(ONE, TWO, THREE),
    )
    new = make_run(
        Result(scenario=ONE, outcome="conforms", digest="1"),
        Result(scenario=TWO, outcome="conforms", digest="3"),
        name="new",
    )
    return join([runs.load(old), runs.load(new)])


def _rows(matrix: Matrix, width: int = 100, *, every: bool = True) -> list[str]:
    return [" ".join(line.split()) for line in plain(matrix.lines(width, every=every)).splitlines()]


def test_each_scenario_has_its_outcome_on_each_kernel(make_run: Callable[..., Path]) -> None:
    text = _rows(_matrix(make_run))
    assert text[0] == "scenario uml:5.10 host"
    assert text[2:8] == [
        "a.py: fin is acknowledged",
        "close conforms conforms",
        "wr deviates conforms",
        "b.py: open",
        "- lost not run",
        "in all",
    ]
    assert text[8:11] == ["conforms 1 2", "deviates 1 0", "lost 1 0"]


def test_rows_of_different_versions_of_a_scenario_are_pointed_out(make_run: Callable[..., Path]) -> None:
    matrix = _matrix(make_run)
    assert matrix.mixed_versions() == (TWO,)
    assert f"1 scenario was not the same version in all runs: {TWO}" in _rows(matrix)


def test_outcomes_shrink_to_letters_where_words_do_not_fit(make_run: Callable[..., Path]) -> None:
    text = _rows(_matrix(make_run), width=20)
    assert text[0] == "scenario 1 2"
    assert text[2:8] == ["a.py: fin is", "acknowledged", "close . .", "wr X .", "b.py: open", "- ?"]
    assert "1 uml:5.10" in text


def test_parameters_that_change_nothing_share_a_row(make_run: Callable[..., Path]) -> None:
    results = [Result(scenario=scenario, outcome="conforms") for scenario in (ONE, TWO)]
    assert _rows(join([runs.load(make_run(*results))]))[2:4] == ["a.py: fin is acknowledged", "all 2 conforms"]


def test_what_kernels_agree_on_is_counted_and_not_shown(make_run: Callable[..., Path]) -> None:
    matrix = _matrix(make_run)
    assert matrix.telling() == (TWO, THREE)
    text = _rows(matrix, every=False)
    assert text[2:6] == ["a.py: fin is acknowledged", "wr deviates conforms", "b.py: open", "- lost not run"]
    assert text[-2:] == [
        "1 comes out alike on all kernels: 1 conforms; --all shows all",
        f"1 scenario was not the same version in all runs: {TWO}",
    ]


def test_cases_that_share_a_row_say_of_how_many_they_are(make_run: Callable[..., Path]) -> None:
    names = [f"a.py::test_fin[{number}]" for number in range(3)]
    runs_ = [
        make_run(
            *(Result(scenario=one, outcome="conforms" if one in good else "deviates") for one in names), name=kernel
        )
        for kernel, good in (("a", names), ("b", names[:1]))
    ]
    rows = _rows(join([runs.load(path) for path in runs_]), every=False)
    assert rows[2:4] == ["a.py: fin", "2 of 3 conforms deviates"]


def test_of_one_kernel_the_failures_are_shown(make_run: Callable[..., Path]) -> None:
    bad = Result(scenario=TWO, outcome="deviates")
    text = _rows(join([runs.load(make_run(bad, Result(scenario=ONE, outcome="conforms")))]), every=False)
    assert text[2:4] == ["a.py: fin is acknowledged", "wr deviates"]
    assert text[-1] == "1 does not deviate: 1 conforms; --all shows all"


def test_reasons_for_no_verdict_are_added_up_over_scenarios_and_kernels(make_run: Callable[..., Path]) -> None:
    missing = Result(scenario=THREE, outcome="unsupported", message="there is no nginx; try: apt-get install nginx")
    refused = '[emerg] {}#1: chown("/tmp/{}/body", 0) failed\nsecond line'
    lost = [
        Result(scenario=name, outcome="lost", message=refused.format(number, "x" * number))
        for number, name in ((7, ONE), (12, TWO))
    ]
    old = make_run(*lost, missing, name="old", kernel_name="uml:5.10")
    new = make_run(missing, Result(scenario=ONE, outcome="deviates", message="expected"), name="new", planned=(TWO,))
    assert plain(join([runs.load(old), runs.load(new)]).reasons()).splitlines() == [
        "unsupported 1 on uml:5.10, 1 on host: there is no nginx; try: apt-get install nginx",
        'lost 2 on uml:5.10: [emerg] 7#1: chown("/tmp/xxxxxxx/body", 0) failed',
        f"lost 1 on host: {runs.UNSAID}",
    ]


def test_torn_results_are_owned_up_to(make_run: Callable[..., Path]) -> None:
    folder = make_run(planned=(ONE,))
    (folder / "results.jsonl").write_bytes(b'{"scenario":"x')
    assert "host: 1 result(s) were cut off by a crash and could not be read" in _rows(join([runs.load(folder)]))


def test_programs_get_the_same_as_json(make_run: Callable[..., Path]) -> None:
    record = msgspec.json.decode(_matrix(make_run).json(), type=MatrixRecord)
    assert record.format == FORMAT
    assert [(kernel.name, kernel.kernel, kernel.run) for kernel in record.kernels] == [
        ("uml:5.10", "5.10.46", "old"),
        ("host", "6.18.0", "new"),
    ]
    assert list(record.scenarios) == [ONE, TWO, THREE]
    assert record.scenarios[TWO]["uml:5.10"].answer == "challenged"
    assert record.scenarios[THREE] == {"uml:5.10": record.scenarios[THREE]["uml:5.10"]}
    assert record.scenarios[THREE]["uml:5.10"].message == runs.UNSAID
