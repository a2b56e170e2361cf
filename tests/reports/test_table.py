from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.tcp.verdict import Due, Evidence
from harness.trace import runs
from harness.trace.records import Result
from harness.trace.runs import LoadedRun
from reports.compare import compare, lines
from reports.lines import plain, short_ms
from reports.table import rows, summary, table

ORDER = "fin overtaken by its ack"


def _result(
    end: str,
    outcome: str = "conforms",
    answer: str = "accepted",
    ns: int = 140_000,
    *,
    family: str = "4",
    ts: str = "on",
) -> Result:
    return Result(
        scenario=f"a.py::test_fin_overtaken_by_its_ack[{end}-{family}-{ts}]",
        outcome=outcome,
        answer=answer,
        answer_ns=ns,
        params={"end": end, "family": family, "ts": ts},
    )


def _run(make_run: Callable[..., Path], *results: Result, name: str = "run", **fields: object) -> LoadedRun:
    return runs.load(make_run(*results, name=name, **fields))


def _texts(*loaded: LoadedRun, width: int = 100) -> list[str]:
    return [" ".join(line.split()) for line in plain(table(loaded, width=width)).splitlines()]


def test_a_row_says_answer_time_and_verdict(make_run: Callable[..., Path]) -> None:
    run = _run(make_run, _result("close"), _result("shutdown_wr", "deviates", "challenged", 207_000_000))
    assert _texts(run)[0] == "ending answer after verdict"
    assert _texts(run)[2:] == [
        ORDER,
        "close accepted 0.140 ms conforms",
        "shutdown_wr challenged 207 ms deviates",
    ]


def test_scenarios_in_which_the_kernel_did_the_same_share_a_row(make_run: Callable[..., Path]) -> None:
    run = _run(make_run, _result("close"), _result("close", ns=1_250_000, family="6"), _result("rdwr"))
    assert _texts(run)[3:] == ["close accepted 0.140-1.250 ms conforms 2", "rdwr accepted 0.140 ms conforms 1"]


def test_rows_say_by_which_parameter_the_kernel_did_otherwise(make_run: Callable[..., Path]) -> None:
    four = [_result("close", ts=ts) for ts in ("on", "off")]
    six = [_result("close", "deviates", "challenged", family="6", ts=ts) for ts in ("on", "off")]
    assert [row.variant for row in rows(_run(make_run, *four, *six))] == ["family 4", "family 6"]
    odd = _run(make_run, *four, six[0], _result("close", family="6", ts="off"), name="odd")
    assert [(row.variant, len(row.scenarios)) for row in rows(odd)] == [("otherwise", 3), ("family 6, ts on", 1)]


def test_an_order_parameter_is_taken_before_the_name(make_run: Callable[..., Path]) -> None:
    result = Result(scenario="a.py::test_x[p]", outcome="conforms", params={"end": "close", "order": "FIN then ACK"})
    [row] = rows(_run(make_run, result))
    assert row.keys == ("close", "FIN then ACK")
    assert rows(_run(make_run, result, name="b"), keys=("order",))[0].keys == ("FIN then ACK",)


def test_a_deviation_that_nobody_declared_shows_what_was_seen(make_run: Callable[..., Path]) -> None:
    evidence = Evidence(expected=(Due("> F. 1:1(0)"),), observed="> R 1:1(0) win 0", elapsed_ns=200_000)
    result = Result(scenario="a.py::test_x[p]", outcome="deviates", params={"end": "close"}, evidence=evidence)
    assert _texts(_run(make_run, result))[3] == "close R 1:1(0) win 0 deviates"


def test_what_was_lost_before_it_could_say_anything_has_a_row(make_run: Callable[..., Path]) -> None:
    lost = "a.py::test_fin_overtaken_by_its_ack[rdwr-4-on]"
    run = _run(make_run, _result("close"), planned=(_result("close").scenario, lost))
    assert "rdwr-4-on - lost" in _texts(run)
    other = _run(make_run, _result("close"), _result("rdwr"), name="other", kernel_name="other")
    assert "rdwr - lost accepted 0.140 ms conforms" in _texts(run, other)


def test_kernels_stand_side_by_side_or_below_each_other(make_run: Callable[..., Path]) -> None:
    old = _run(make_run, _result("close"), _result("wr", "deviates", "challenged"), name="old", kernel_name="uml:5.10")
    new = _run(make_run, _result("wr"), name="new")
    assert _texts(old, new)[0] == "ending uml:5.10 host"
    assert _texts(old, new)[3:] == [
        "close accepted 0.140 ms conforms not run",
        "wr challenged 0.140 ms deviates accepted 0.140 ms conforms",
    ]
    assert _texts(old, new, width=50)[3:] == [
        "close uml:5.10 accepted 0.140 ms conforms",
        "host not run",
        "wr uml:5.10 challenged 0.140 ms deviates",
        "host accepted 0.140 ms conforms",
    ]


def test_runs_of_one_kernel_are_told_apart(make_run: Callable[..., Path]) -> None:
    one, two = (_run(make_run, _result("close"), name=name) for name in ("one", "two"))
    assert runs.titles([one]) == ["host"]
    assert runs.titles([one, two]) == ["host one", "host two"]
    newer = _run(make_run, _result("close"), name="newer", kernel="7.2.1 #1 SMP")
    assert runs.titles([one, newer]) == ["host 6.18.0", "host 7.2.1"]


def test_scenarios_without_the_key_are_not_rows_but_counted(make_run: Callable[..., Path]) -> None:
    run = _run(make_run, Result(scenario="a.py::test_open", outcome="conforms"))
    assert _texts(run) == ["no scenario of the run has the parameter end"]
    assert plain([summary(run)]) == "1 scenarios on host (6.18.0): 1 conforms"


def test_torn_results_are_owned_up_to(make_run: Callable[..., Path]) -> None:
    folder = make_run(_result("close"))
    with (folder / "results.jsonl").open("a") as file:
        file.write('{"scenario":"a.py::te')
    run = runs.load(folder)
    assert plain([summary(run)]).endswith(": 1 conforms; 1 cut off by a crash and not readable")
    assert "1 result(s) cut off by a crash" in plain(lines(compare(run, run), 100))


def test_times_have_the_places_they_deserve() -> None:
    assert [short_ms(ns, ns) for ns in (0, 7_400, 1_240_000, 207_600_000)] == [
        "0.000 ms",
        "0.007 ms",
        "1.240 ms",
        "208 ms",
    ]
    assert short_ms(7_400, 8_600) == "0.007-0.009 ms"
