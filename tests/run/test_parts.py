"""A run in parts: each scenario is in one of them, and what they left behind reads like one run."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse
from harness.plugin.options import share_of
from harness.run import costs as run_costs
from harness.run.jobs import backend_of
from harness.run.matrix import run_on, run_with
from harness.run.parts import join
from harness.run.request import KernelReply
from harness.run.resume import ASKED
from harness.run.selection import select
from harness.run.workers import Workers, on_this_machine
from harness.tcp.verdict import Outcome
from harness.trace.folder import RESULTS, RunFolder, make_folder
from harness.trace.records import Result, TimelineRecord
from harness.trace.runs import load
from tests.conftest import run_record

CHECKOUT = Path(__file__).parents[2]
AFFECTED = "uml:5.10"
PLANNED = ("a", "b", "c", "d")

SCENARIOS = """
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", range(16))
def test_those_of_the_other_part(established, number):
    established.peer.expect_silence()


def test_one_that_is_judged(established):
    established.peer.expect_silence()


def test_one_that_the_kernel_does_not_survive(established):
    Path("/proc/sysrq-trigger").write_text("c")


def test_one_that_comes_after(established):
    established.peer.expect_silence()
"""


@given(count=st.integers(0, 500), parts=st.integers(1, 9))
def test_each_scenario_is_in_one_part(count: int, parts: int) -> None:
    every = list(range(count))
    shares = [share_of(every, (number, parts)) for number in range(1, parts + 1)]
    assert sorted(one for share in shares for one in share) == every
    assert all(share == sorted(share) for share in shares)
    assert max(map(len, shares)) - min(map(len, shares)) <= 16


@pytest.mark.parametrize("text", ["3/2", "0/2", "1", "a/b", "1/"])
def test_part_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(FinwaitError, match="is not a part"):
        select([f"--part={text}"], CHECKOUT)


def test_part_that_the_user_asks_for_is_all_that_is_planned(tmp_path: Path) -> None:
    scenarios = tmp_path / "test_many.py"
    scenarios.write_text(SCENARIOS.replace("/proc/sysrq-trigger", "/dev/null"))
    quiet = Console(file=io.StringIO())
    arguments = ["--part=2/2", str(scenarios)]
    found = run_on([parse("host")], tmp_path / "out", arguments, on_this_machine(CHECKOUT, quiet), split=True)
    (run,) = found.runs
    assert [name.partition("::")[2] for name in run.results] == [
        "test_one_that_is_judged",
        "test_one_that_the_kernel_does_not_survive",
        "test_one_that_comes_after",
    ]
    assert Outcome.LOST not in {result.outcome for result in run.results.values()}


def left_by_a_part(
    place: Path, number: int, scenarios: tuple[str, ...], *, started: str, lab: bool = True, name: str = "kernel"
) -> Path:
    """A run folder as a part leaves it."""
    parent = place / str(number)
    parent.mkdir(parents=True, exist_ok=True)
    folder = RunFolder.create(parent, name=name)
    for one in scenarios:
        timeline = folder.write_timeline(TimelineRecord(scenario=one, events=()))
        folder.append_result(Result(scenario=one, outcome=Outcome.CONFORMS, timeline=timeline))
    own = str(folder.path.parent)
    folder.write_run(
        run_record(
            id=name,
            started=started,
            preconditions={"HZ": "250"} if lab else {},
            planned=PLANNED,
            arguments=(
                "-q",
                "--run-dir",
                own,
                "--run-name",
                name,
                f"--share={number}/2",
                "--done=done.json",
                "scenarios",
            ),
        )
    )
    (folder.path / "console.txt").write_text(f"of {number}\n")
    return folder.path


def test_parts_are_joined_into_what_one_run_would_have_left(tmp_path: Path) -> None:
    place = tmp_path / ".kernel"
    dead = left_by_a_part(place, 1, ("c",), started="2026-11-27T02:00:01Z", lab=False)
    with (dead / RESULTS).open("a") as results:
        results.write('{"scenario":"d","outc')  # died in mid-write
    left_by_a_part(place, 2, ("a", "b"), started="2026-11-27T02:00:02Z")
    make_folder(place / "3")  # its kernel could not be booted
    join(place, tmp_path / "kernel")
    run = load(tmp_path / "kernel")
    outcomes = [Outcome.CONFORMS] * 3 + [Outcome.LOST]
    assert [(name, result.outcome) for name, result in run.results.items()] == list(zip(PLANNED, outcomes, strict=True))
    assert run.torn == 1
    assert all(
        run.timeline(result) == () and (run.path / result.timeline.partition(":")[0]).exists()
        for result in run.results.values()
    )
    assert run.record.arguments == ("-q", "--run-dir", str(tmp_path), "--run-name", "kernel", "scenarios")
    assert (run.record.started, run.record.preconditions) == ("2026-11-27T02:00:01Z", {"HZ": "250"})
    assert (run.path / "console.txt").read_text() == "of 1\nof 2\n"
    assert not place.exists()


def test_parts_that_were_interrupted_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = parse(AFFECTED)
    place = tmp_path / ".uml-5.10"

    def interrupted(*_: object, **__: object) -> list[KernelReply]:
        left_by_a_part(place, 1, ("a",), started="2026-11-27T02:00:01Z", name="uml-5.10")
        raise KeyboardInterrupt

    workers = Workers(tmp_path, CHECKOUT, Cache.of_user(), Console(file=io.StringIO()), at_once=2)
    monkeypatch.setattr(workers, "ask", interrupted)
    with pytest.raises(KeyboardInterrupt, match="what was recorded is in "):
        run_with(workers, [spec], tmp_path, [str(CHECKOUT / "scenarios" / "lectures")], split=True)
    outcomes = [Outcome.CONFORMS] + [Outcome.LOST] * 3
    assert [result.outcome for result in load(tmp_path / "uml-5.10").results.values()] == outcomes
    assert not place.exists()


def test_parts_that_left_nothing_leave_no_run(tmp_path: Path) -> None:
    make_folder(tmp_path / ".kernel" / "1")
    join(tmp_path / ".kernel", tmp_path / "kernel")
    assert list(tmp_path.iterdir()) == []


def test_panic_loses_what_its_part_did_not_finish(tmp_path: Path) -> None:
    spec = parse(AFFECTED)
    if missing := backend_of(spec, Cache.of_user()).available():
        pytest.skip(missing)
    scenarios = tmp_path / "test_panic.py"
    scenarios.write_text(SCENARIOS)
    quiet = Console(file=io.StringIO())
    found = run_on([spec], tmp_path / "out", [str(scenarios)], on_this_machine(CHECKOUT, quiet, at_once=2), split=True)
    (run,) = found.runs
    assert [result.outcome for result in run.results.values()] == [Outcome.CONFORMS] * 17 + [Outcome.LOST] * 2
    (failure,) = found.failures
    assert failure.startswith(f"{AFFECTED}: kernel panic")
    console = (run.path / "console.txt").read_text()
    assert "16 passed" in console
    assert "sysrq" in console.lower()
    assert sorted(path.name for path in found.folder.iterdir()) == [ASKED, run.path.name]


costs = st.lists(st.floats(0.001, 1000.0), max_size=500)


@given(costs=costs, parts=st.integers(1, 9))
def test_parts_cost_alike_but_for_one_block(costs: list[float], parts: int) -> None:
    every = list(enumerate(costs))
    shares = [share_of(every, (number, parts), lambda one: one[1]) for number in range(1, parts + 1)]
    assert sorted(one for share in shares for one in share) == every
    spent = [sum(cost for _, cost in share) for share in shares]
    dearest = max((sum(costs[at : at + 16]) for at in range(0, len(costs), 16)), default=0.0)
    assert max(spent) - min(spent) <= dearest * 1.001
    assert dearest <= spent[0] * 1.001  # what takes longest is with the part that is begun first


def test_what_scenarios_cost_is_told_by_the_newest_runs_of_kernels_of_a_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_costs, "default_parent", lambda: tmp_path)
    names = [f"usual-{number}" for number in range(8)]
    for kernel, dear in (("uml-virtual-6.1", 2.0), ("debian-6.1", 0.1)):
        folder = RunFolder.create(tmp_path / "matrix-1", name=kernel)
        folder.write_run(run_record())
        for name, seconds in [*((name, 0.1) for name in names), ("dear", dear), ("unknown", 0.0)]:
            folder.append_result(Result(scenario=name, outcome=Outcome.CONFORMS, host_seconds=seconds))
        with (folder.path / RESULTS).open("a") as results:
            results.write('{"scenario":"d","outc')
    assert run_costs.costs_of(parse("uml-virtual:7.2")) == {"dear": pytest.approx(2.0 * 9 / 2.8)}
    assert run_costs.costs_of(parse("debian:6.1")) == run_costs.costs_of(parse("uml:5.10")) == {}
