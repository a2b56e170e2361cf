"""The same scenarios on several kernels, and what becomes of the others when one of them dies."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli import main as cli
from harness.cli import reproduce
from harness.cli.matrix import present
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelSpec, parse
from harness.live.command import installed
from harness.run import jobs, matrix, selection
from harness.run.resume import ASKED
from harness.run.workers import on_this_machine
from harness.tcp.verdict import Outcome
from harness.trace.records import Result
from harness.trace.runs import LoadedRun, load

CHECKOUT = Path(__file__).parents[2]
AFFECTED = "uml:5.10"
VIRTUAL = "uml-virtual:7.2"

# Measured before by other means on these kernels (and on 5.10.218 to 5.10.262): which endings lose the FIN.
LOSING = {"shutdown_wr", "shutdown_rdwr", "close_with_long_linger2", "close_with_long_fin_timeout"}
EVERY_KERNEL = {
    "uml:5.10": LOSING,
    "debian:5.10": LOSING,
    "debian:6.1": set(),
    "debian:6.12": set(),
    "debian:7.2": set(),
    "uml-virtual:7.2": set(),
}

SCENARIOS = """
from pathlib import Path


def test_one_that_is_judged(established):
    established.peer.expect_silence()


def test_one_that_the_kernel_does_not_survive(established):
    if "User Mode Linux" in Path("/proc/cpuinfo").read_text():
        Path("/proc/sysrq-trigger").write_text("c")


def test_one_that_comes_after(established):
    established.peer.expect_silence()
"""


def needed(name: str) -> KernelSpec:
    spec = parse(name)
    missing = jobs.backend_of(spec, Cache.of_user()).available()
    if missing:
        pytest.skip(missing)
    return spec


def console() -> Console:
    return Console(file=io.StringIO(), width=120)


def by_ending(run: LoadedRun, test: str) -> dict[str, Result]:
    return {result.params["end"]: result for name, result in run.results.items() if name.startswith(test)}


def test_reproduce_sets_the_dropped_fin_of_5_10_beside_the_running_kernel(tmp_path: Path) -> None:
    specs = [needed("host"), needed(AFFECTED)]
    found = reproduce.reproduce(specs, CHECKOUT, tmp_path / "out", console())
    assert found.complete, found.failures
    affected = next(run for run in found.runs if run.name == AFFECTED)
    disorder = by_ending(affected, reproduce.DISORDER)
    assert {ending for ending, result in disorder.items() if result.answer == "challenged"} == LOSING
    assert {ending for ending, result in disorder.items() if result.outcome == Outcome.DEVIATES} == LOSING
    in_order = by_ending(affected, reproduce.ORDER)
    assert {result.outcome for result in in_order.values()} == {Outcome.CONFORMS}
    out = console()
    assert reproduce.present(found, out) == 0
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert "challenged" in text
    assert "FIN-WAIT-2" in text
    assert "TS val" not in text
    assert reproduce.QUESTION in text


def test_every_kernel_at_hand_drops_the_fin_or_takes_it_as_it_is_known_to(tmp_path: Path) -> None:
    specs = [parse(name) for name in EVERY_KERNEL]
    specs = [spec for spec in specs if jobs.backend_of(spec, Cache.of_user()).available() is None]
    if not specs:
        pytest.skip(f"none of {', '.join(EVERY_KERNEL)} is in the cache; finwait kernels fetch NAME")
    arguments = ["-k", "IPv4 and TS and not noTS", reproduce.DISORDER]
    found = matrix.run_on(specs, tmp_path / "out", arguments, on_this_machine(CHECKOUT, console()))
    assert found.complete, found.failures
    dropped = {
        run.name: {end for end, one in by_ending(run, reproduce.DISORDER).items() if one.outcome == Outcome.DEVIATES}
        for run in found.runs
    }
    assert dropped == {spec.name: EVERY_KERNEL[spec.name] for spec in specs}


def test_kernel_that_panics_loses_what_it_did_not_finish_and_the_matrix_goes_on(tmp_path: Path) -> None:
    specs = [needed(AFFECTED), needed("host")]
    scenarios = tmp_path / "test_panic.py"
    scenarios.write_text(SCENARIOS)
    found = matrix.run_on(specs, tmp_path / "out", [str(scenarios)], on_this_machine(CHECKOUT, console()))
    dead, alive = found.runs
    outcomes = [result.outcome for result in dead.results.values()]
    assert outcomes == [Outcome.CONFORMS, Outcome.LOST, Outcome.LOST]
    assert [result.outcome for result in alive.results.values()] == [Outcome.CONFORMS] * 3
    (failure,) = found.failures
    assert failure.startswith(f"{AFFECTED}: kernel panic")
    assert "sysrq" in (dead.path / "console.txt").read_text().lower()
    out = console()
    assert present(found, out) == 1
    cells = json.loads((found.folder / "matrix.json").read_text())["scenarios"].values()
    assert [cell[AFFECTED]["outcome"] for cell in cells] == outcomes


def test_file_that_pytest_writes_is_one_for_each_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test_one.py").write_text("def test_that_is_judged(established):\n    pass\n")
    monkeypatch.chdir(tmp_path)
    specs = [needed("host"), needed(VIRTUAL)]
    arguments = ["--junitxml", "told/junit.xml", "--log-file=log.txt", "--ktap=ktap.txt", "test_one.py"]
    found = matrix.run_on(specs, tmp_path / "out", arguments, on_this_machine(CHECKOUT, console()), split=True)
    assert found.failures == ()
    written = [path.relative_to(tmp_path) for path in (*tmp_path.glob("told/*"), *tmp_path.glob("*.txt"))]
    assert sorted(map(str, written)) == [
        *("ktap-host.txt", "ktap-uml-virtual-7.2.txt", "log-host.txt", "log-uml-virtual-7.2.txt"),
        *("told/junit-host.xml", "told/junit-uml-virtual-7.2.xml"),
    ]
    assert all('tests="1"' in path.read_text() for path in tmp_path.glob("told/*"))
    assert sorted(path.name for path in found.folder.iterdir()) == [ASKED, "host", "uml-virtual-7.2"]


def test_kernel_is_red_where_the_user_says_by_what_to_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_one.py").write_text("import pytest\n@pytest.mark.scenario\ndef test_it():\n    assert 1 == 2\n")
    for options, status in (["--strict-markers"], 0), (["--fail-on", "deviates"], 1):
        arguments = ["--kernel=host", f"--run-dir={tmp_path}", f"--run-name={status}", str(tmp_path / "test_one.py")]
        assert cli.main(["matrix", *arguments, *options]) == status
        assert ("host is red: " in capsys.readouterr().out) == bool(status)


def test_run_name_is_that_of_the_folder_with_a_run_of_each_kernel(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("def test_that_is_judged(established):\n    pass\n")
    arguments = ["--kernel=host", f"--run-dir={tmp_path}", "--run-name=mine", str(tmp_path / "test_one.py")]
    assert cli.main(["matrix", *arguments]) in (0, 1)
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [ASKED, "host", "matrix.json"]


def test_full_disk_is_one_line_and_status_2(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("def test_that_is_judged(established):\n    pass\n")
    (tmp_path / "full").mkdir()
    unshare = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    shell = 'mount -t tmpfs -o size=8k none "$1" || exit 77; shift; exec "$@"'
    command = [sys.executable, "-m", "harness", "matrix", f"--kernel={needed(VIRTUAL).name}", "--at-once=1"]
    command += [f"--run-dir={tmp_path / 'full'}", str(tmp_path / "test_one.py")]
    ended = subprocess.run(
        [*unshare, "sh", "-c", shell, "sh", str(tmp_path / "full"), *command],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode == 77 or "unshare: " in ended.stderr:
        pytest.skip("this user may not mount a file system")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert "cannot be written (No space left on device)" in ended.stderr


def test_paths_of_the_user_count_from_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "test_mine.py").write_text("")
    monkeypatch.chdir(tmp_path)
    chosen = selection.select(["mine/test_mine.py::test_one[a-b]", "-k", "one"], CHECKOUT)
    assert f"{tmp_path}/mine/test_mine.py::test_one[a-b]" in chosen.arguments
    assert f"--rootdir={tmp_path}/mine" in chosen.arguments
    assert chosen.outside == (tmp_path / "mine",)


@pytest.mark.parametrize("given", [["--baseline", "known.toml"], ["--baseline=known.toml"]])
def test_files_of_options_count_from_the_users_folder_and_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str]
) -> None:
    (tmp_path / "known.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    chosen = selection.select(given, CHECKOUT)
    assert f"--baseline={tmp_path}/known.toml" in chosen.arguments
    assert f"--rootdir={CHECKOUT}" in chosen.arguments
    assert chosen.outside == (tmp_path / "known.toml",)


def test_all_scenarios_are_the_default() -> None:
    chosen = selection.select(["-x"], CHECKOUT)
    assert chosen.arguments[-2:] == (str(CHECKOUT / "scenarios"), "-x")
    assert f"--rootdir={CHECKOUT}" in chosen.arguments
    assert chosen.outside == ()


def test_what_belongs_to_an_option_is_no_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    given = ["-k", "disorder", "--run-dir", "runs", "-n", "2"]
    chosen = selection.select(given, CHECKOUT)
    assert chosen.arguments[-7:] == (str(CHECKOUT / "scenarios"), *given)
    assert f"--rootdir={CHECKOUT}" in chosen.arguments
    assert chosen.outside == ()


def test_unknown_kernel_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["matrix", "--kernel", "uml:5.11"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "uml:5.10" in error


def test_kernel_named_twice_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["matrix", "--kernel", "host", "--kernel", "host", "--run-dir", str(tmp_path / "runs")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "the kernel host is named twice" in error
    assert not (tmp_path / "runs").exists()


def test_kernel_without_virtual_time_is_not_built(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["kernels", "build", "debian:6.1"]) == 2
    assert "uml-virtual:6.1" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["compare", "nowhere", "nowhere"], ["baseline", "nowhere"]])
def test_run_that_is_not_there_is_one_line_and_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("finwait: ")
    assert error.count("\n") == 1


def test_nginx_starts_in_a_guest_whoever_owns_its_files_on_the_host(tmp_path: Path) -> None:
    """This user under another number is one whom the guest's root is not, as an ordinary user is."""
    as_ordinary = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    if subprocess.run([*as_ordinary, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no user namespaces")
    for program in ("nginx", "strace"):
        installed(program) or pytest.skip(f"{program} is not installed; try: apt-get install {program}")
    scenario = "scenarios/incident/test_nginx.py::test_nginx_and_a_client_close_at_the_same_moment[GET-on-IPv4]"
    command = [*as_ordinary, sys.executable, "-m", "harness", "matrix", f"--kernel={needed(VIRTUAL).name}"]
    command += ["--run-dir", str(tmp_path), "--all", scenario]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "GET-on-IPv4  conforms\n" in ended.stdout


ENDLESS = """
import signal
from pathlib import Path


def test_one_that_ended_before(established):
    established.peer.expect_silence()


def test_one_that_never_ends(established):
    Path({began!r}).write_text("began")
    signal.pause()
"""


def test_ctrl_c_ends_all_kernels_and_begins_no_more(tmp_path: Path) -> None:
    (tmp_path / "test_waiting.py").write_text(ENDLESS.format(began=str(tmp_path / "began")))
    os.mkfifo(tmp_path / "began")
    kernels = ("--kernel=host", f"--kernel={needed(AFFECTED).name}")
    # a shell starts what is to run in the background with SIGINT ignored
    command = ["env", "--default-signal=INT", sys.executable, "-m", "harness", "matrix", *kernels, "--at-once=1"]
    command += ["--run-dir", str(tmp_path / "runs"), "--run-name", "cut", str(tmp_path)]
    with subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.PIPE, text=True) as finwait:
        assert (tmp_path / "began").read_text() == "began"
        finwait.send_signal(signal.SIGINT)
        try:
            _, said = finwait.communicate(timeout=30)
        finally:
            finwait.kill()
    kept = tmp_path / "runs" / "cut"
    assert (finwait.returncode, said) == (130, f"finwait: interrupted; what was recorded is in {kept}\n")
    assert [result.outcome for result in load(kept / "host").results.values()] == [Outcome.CONFORMS, Outcome.LOST]
