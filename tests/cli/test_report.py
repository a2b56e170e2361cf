"""``finwait report``: what the command says, and that baselines tell which deviations are known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.main import CHECKOUT, main
from harness.cli.report import known_by_baselines
from harness.trace.folder import RunFolder
from harness.trace.records import Result
from harness.trace.result_kind import ResultKind
from harness.trace.runs import load
from reports.findings import explain
from tests.conftest import run_record

SCENARIO = "scenarios/closing/test_x.py::test_fin"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = RunFolder.create(tmp_path, name="run")
    folder.write_run(run_record(kernel="5.10.262 #1", kernel_name="uml:5.10"))
    folder.append_result(Result(scenario=SCENARIO, outcome="deviates"))
    return folder.path


def test_the_page_is_written_and_named(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(run), "--output", str(tmp_path / "out")]) == 0
    page = tmp_path / "out" / "index.html"
    assert capsys.readouterr().out == f"the report is in {page}\n"
    assert "uml:5.10" in page.read_text()


def test_a_folder_without_a_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path), "--output", str(tmp_path / "out")]) == 2
    assert "is not a run folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("kernel", "meant", "kind"),
    [
        ("5.10", 'kind = "design"', ResultKind.KNOWN),
        ("5.10", 'kind = "defect"', ResultKind.KNOWN),
        ("5.10", 'kind = "defect"\nfixed_by = "6.1"', ResultKind.DEFECT),
        ("6.1", 'kind = "design"', ResultKind.UNEXPECTED),
    ],
)
def test_baselines_tell_what_is_known_of_a_kernel(
    run: Path, tmp_path: Path, kernel: str, meant: str, kind: ResultKind
) -> None:
    entry = f'[[known]]\nscenario = "{SCENARIO}"\nkernels = ["{kernel}"]\n{meant}\nreason = "so it is"\n'
    (tmp_path / "linux.toml").write_text(entry)
    loaded = load(run)
    assert explain(loaded, loaded.results[SCENARIO], known_by_baselines(tmp_path)).kind == kind


@pytest.mark.parametrize("verb", [["run"], ["matrix", "--kernel", "host"], ["reproduce"]])
def test_a_folder_of_something_else_is_refused_before_anything_runs(
    verb: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").touch()
    assert main([*verb, "--run-dir", str(tmp_path / "runs"), "--report", str(tmp_path)]) == 2
    assert "holds something other than a report" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis.txt"]


def test_a_run_writes_its_report(tmp_path: Path) -> None:
    scenario = tmp_path / "test_mine.py"
    scenario.write_text("import pytest\n\n@pytest.mark.scenario\ndef test_nothing_is_sent():\n    assert 1 + 1 == 2\n")
    arguments = ("run", str(scenario), "--run-dir", str(tmp_path / "runs"), "--report", str(tmp_path / "out"))
    ran = subprocess.run(
        [sys.executable, "-m", "harness", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.splitlines()[-1] == f"the report is in {tmp_path / 'out' / 'index.html'}"
    assert "1 case on 1 kernel" in (tmp_path / "out" / "index.html").read_text()
