"""What a run leaves behind, whoever dies in it, in whatever order, and in how many processes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from harness.trace.events import Received, Sent
from harness.trace.runs import load
from tests.plugin.conftest import FOUR, Ran, RunScenarios


def test_deviation_keeps_its_timeline_and_its_capture_and_the_rest_its_timeline(run: RunScenarios) -> None:
    ran = run(FOUR, "-k", "deviates or conforms")
    results = ran.results
    assert (ran.folder / results["test_deviates"]["capture"]).stat().st_size > 500
    assert "capture" not in results["test_conforms"] or results["test_conforms"]["capture"] == ""
    loaded = load(ran.folder)
    events = loaded.timeline(loaded.results["test_s.py::test_conforms"])
    assert [type(event) for event in events if isinstance(event, Sent | Received)] == [Sent, Received, Sent, Received]


def test_captures_of_all_are_kept_on_request(run: RunScenarios) -> None:
    ran = run(FOUR, "-k", "conforms", "--captures=all")
    assert (ran.folder / ran.results["test_conforms"]["capture"]).stat().st_size > 500


def test_the_first_worker_that_opens_a_lab_describes_the_run(run: RunScenarios) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is missing")
    # of two tests each worker gets one, so that gw0 opens no lab
    ran = run("def test_plain():\n    pass\n\ndef test_it(session):\n    session.listen()\n", "-n2")
    assert ran.outcomes == {"test_it": "conforms"}
    assert ran.record["preconditions"]
    assert ran.record["timing"]["rounds"]


DEATHS = {"exit": "os._exit(3)", "killed": "os.kill(os.getpid(), 9)"}


@pytest.mark.parametrize("death", DEATHS)
def test_worker_that_dies_takes_only_its_scenario_with_it(run: RunScenarios, death: str) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is missing")
    ran = run(
        f"{FOUR}\ndef test_dies(established):\n    {DEATHS[death]}\n", "-n2", "-k", "dies or conforms or deviates"
    )
    assert ran.status == 1
    assert {name: outcome for name, outcome in ran.outcomes.items() if name != "test_dies"} == {
        "test_conforms": "conforms",
        "test_deviates": "deviates",
    }
    assert load(ran.folder).results["test_s.py::test_dies"].outcome == "lost"
    assert "test_dies" in ran.output


def test_run_that_is_killed_leaves_what_was_recorded(run: RunScenarios) -> None:
    ran = run(f"{FOUR}\ndef test_dies(established):\n    {DEATHS['killed']}\ndef test_never(session):\n    pass\n")
    assert ran.status == -9
    outcomes = {name.partition("::")[2]: result.outcome for name, result in load(ran.folder).results.items()}
    assert outcomes["test_conforms"] == "conforms"
    assert outcomes["test_deviates"] == "deviates"
    assert outcomes["test_dies"] == outcomes["test_never"] == "lost"


REVERSED = """
def pytest_collection_modifyitems(items):
    items.reverse()
"""


def test_neither_order_nor_workers_change_a_result(run: RunScenarios, tmp_path: Path) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is missing")
    scenarios = f"""
@both_families
@with_and_without_timestamps
@pytest.mark.parametrize("end", ENDINGS)
def test_end(established, end):
    server, peer = established
    end(server)
    peer.expect(FIN, seq=1, ack=1)
{FOUR}"""

    def told(ran: Ran) -> dict[str, tuple[object, ...]]:
        return {
            name: (result["outcome"], result.get("received"), result.get("params"), result.get("digest"))
            for name, result in ran.results.items()
        }

    plain = told(run(scenarios, name="plain"))
    assert len(plain) == 6 * 4 + 4
    assert told(run(scenarios, "-n4", name="many")) == plain
    (tmp_path / "conftest.py").write_text(REVERSED)
    backwards = run(scenarios, name="backwards")
    assert told(backwards) == plain
    assert list(backwards.results) == list(reversed(plain))


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["one process", "two workers"])
def test_run_folder_holds_the_record_with_the_labs_sysctls_and_nothing_odd(
    run: RunScenarios, options: tuple[str, ...]
) -> None:
    if options:
        pytest.importorskip("xdist", reason="pytest-xdist is missing")
    ran = run(FOUR, "-k", "conforms or deviates", *options)
    assert ran.record["preconditions"]["congestion control"]
    assert ran.record["planned"] == ["test_s.py::test_conforms", "test_s.py::test_deviates"]
    assert {path.name for path in ran.folder.iterdir()} == {"run.json", "results.jsonl", "timelines", "captures"}


def test_run_folder_is_told_from_where_the_user_stands(run: RunScenarios, tmp_path: Path) -> None:
    ran = run(FOUR, "-k", "conforms", f"--rootdir={tmp_path.parent}")
    assert "; run folder a run/run\n" in ran.output


def test_folder_with_a_space_and_one_that_is_not_there_yet(run: RunScenarios, tmp_path: Path) -> None:
    deep = tmp_path / "not there" / "yet é"
    ran = run(FOUR, "-k", "conforms", f"--run-dir={deep}")
    assert ran.status == 0
    assert (deep / "run" / "results.jsonl").exists()
    shutil.rmtree(deep)


ROOM_FOR_A_FEW = """
mount -t tmpfs -o size=200k none "$1" || exit 77
shift; "$@"; status=$?
cp -a full copied; exit $status
"""


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["one process", "two workers"])
def test_full_disk_ends_the_run_with_a_line_and_what_was_recorded_can_be_read(
    run: RunScenarios, tmp_path: Path, options: tuple[str, ...]
) -> None:
    if options:
        pytest.importorskip("xdist", reason="pytest-xdist is missing")
    (tmp_path / "full").mkdir()
    unshare = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    ran = run(
        FOUR.replace("def test_conforms(", "@pytest.mark.parametrize('n', range(60))\ndef test_conforms(n, "),
        "--run-dir=full",
        "--captures=all",
        *options,
        within=(*unshare, "sh", "-c", ROOM_FOR_A_FEW, "sh", str(tmp_path / "full")),
    )
    if ran.status == 77 or "unshare: " in ran.output:
        pytest.skip("this user may not mount a file system")
    assert ran.status == 2, ran.output
    (line,) = [line for line in ran.output.splitlines() if "No space left on device" in line]
    assert "what was recorded before is whole and can be read; try: --run-dir" in line
    assert "INTERNALERROR" not in ran.output
    found = load(tmp_path / "copied" / "run")
    conforming = [result for result in found.results.values() if result.outcome == "conforms"]
    assert conforming
    assert all(found.timeline(result) for result in conforming)
    assert not list((tmp_path / "copied").rglob(".*"))
    assert f"{len(conforming)} conforms" in ran.output


@pytest.mark.parametrize("options", [(), ("-n", "1")])
def test_what_was_not_begun_after_the_last_failure_allowed_is_not_lost(
    run: RunScenarios, options: tuple[str, ...]
) -> None:
    ran = run(FOUR, "-x", "-k", "not lost", *options)
    assert ran.outcomes["test_deviates"] == "deviates"
    assert ran.record["planned"] == [f"test_s.py::{name}" for name in ran.outcomes]
    assert all(result.outcome != "lost" for result in load(ran.folder).results.values())
