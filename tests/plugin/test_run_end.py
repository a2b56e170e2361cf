"""What makes a run fail, its exit status, and the lines that it closes with."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.plugin.conftest import RunScenarios, RunSeveral

# no lab is needed to know how a run is judged
EACH = """
import pathlib

@pytest.mark.scenario
def test_conforms():
    assert 1 == 1

@pytest.mark.scenario
def test_design():
    assert 1 == 2

@pytest.mark.scenario
def test_endless():
    assert 1 == 2

@pytest.mark.scenario
@requirement("RFC9293-3.6", fixed_by="0123456789ab")
def test_named():
    assert 1 == 2

@pytest.mark.scenario
def test_mended():
    assert 1 == 2

@pytest.mark.scenario
def test_new():
    assert 1 == 2

@pytest.mark.scenario
def test_unsupported():
    raise Unsupported("this kernel has no such thing")

@pytest.mark.scenario
def test_lost():
    pathlib.Path("nowhere").read_text()  # what is neither the kernel's nor the scenario's

def test_other():
    assert 1 == 2
"""
BASELINE = """
[[known]]
scenario = "test_s.py::test_design"
kind = "design"
reason = "Linux means it so, for a reason that is too long to be told in full at the end of a run, as most of them are"

[[known]]
scenario = "test_s.py::test_endless"
kind = "defect"
reason = "nobody has mended it"

[[known]]
scenario = "test_s.py::test_mended"
kind = "defect"
fixed_by = "99.9"
reason = "it was wrong"
"""
GREEN, RED = (f"finwait: {one}, judged by Linux's design: " for one in ("green", "red"))
ALONE = "finwait: red, judged by the RFCs alone: "
LET = "finwait: green, judged by Linux's design, defects let pass: "


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A baseline where those of a checkout are."""
    file = tmp_path / "scenarios" / "baselines" / "linux.toml"
    file.parent.mkdir(parents=True)
    file.write_text(BASELINE)
    return file


ENDS = [
    ("conforms or design or endless or unsupported", "", 0, f"{GREEN}all 2 deviations are known"),
    ("not named", "", 1, f"{RED}1 unexpected, 1 by a known defect, 1 lost, 1 other test"),
    ("design or named", "--rfc", 1, f"{ALONE}1 unexpected, 1 by a known defect"),
    ("design or named", "--known-deviations", 0, f"{LET}all 2 deviations are known"),
    ("new or lost", "--fail-on=lost", 1, f"{RED}1 unexpected, 1 lost (1 let pass by --fail-on)"),
    ("new or lost", "--exit-zero", 0, f"{GREEN}1 unexpected, 1 lost (2 let pass by --exit-zero)"),
    ("new or other", "--exit-zero", 1, f"{RED}1 unexpected, 1 other test (1 let pass by --exit-zero)"),
    ("conforms or unsupported", "--fail-on=unsupported", 1, f"{RED}1 unsupported"),
]


@pytest.mark.usefixtures("listed")
def test_last_line_says_what_the_kernel_is_and_by_what(run_several: RunSeveral) -> None:
    ended = run_several(EACH, *(["-k", chosen, *options.split()] for chosen, options, _, _ in ENDS))
    assert [(ran.output.splitlines()[-1], ran.status) for ran in ended] == [(last, status) for *_, status, last in ENDS]


def test_what_conforms_unexpectedly_fails_where_that_is_asked_for(run_several: RunSeveral, listed: Path) -> None:
    listed.write_text(BASELINE.replace("test_design", "test_conforms"))
    ways: tuple[list[str], ...] = ([], ["--strict", "-n1"], [f"--baseline={listed}"])
    ended = run_several(EACH, *(["-k", "conforms", *options] for options in ways))
    assert [(ran.output.splitlines()[-1], ran.status) for ran in ended] == [
        (f"{GREEN}nothing deviates", 0),
        ("finwait: red, judged by Linux's design, strictly: 1 conforming unexpectedly", 1),
        ("finwait: red, judged by exactly linux.toml: 1 conforming unexpectedly", 1),
    ]


@pytest.mark.usefixtures("listed")
def test_why_a_result_is_known_is_kept_with_it(run: RunScenarios) -> None:
    ran = run(EACH)
    told = {name: (result["known"], result["reason"].partition(",")[0]) for name, result in ran.results.items()}
    assert told["test_design"] == (True, "Linux means it so")
    assert told["test_endless"] == (True, "nobody has mended it")
    assert ran.results["test_mended"]["reason"] == "a defect, fixed by 99.9: it was wrong"
    assert ran.results["test_named"]["reason"] == "a defect, fixed by 0123456789ab"
    assert told["test_new"] == told["test_conforms"] == told["test_lost"] == (False, "")
    assert "\nknown     a defect, fixed by 99.9: it was wrong\n" in ran.output


@pytest.mark.usefixtures("listed")
def test_known_deviations_are_told_by_reason_unless_each_is_asked_for(run_several: RunSeveral) -> None:
    chosen = ("-k", "design or endless")
    ran, each = run_several(EACH, chosen, (*chosen, "-rA"))
    assert "known deviations by reason (-rA lists each)" in ran.output
    lines = ran.output.splitlines()
    assert "    1  nobody has mended it" in lines
    assert not [line for line in lines if line.startswith("XFAIL")]
    assert len([line for line in each.output.splitlines() if line.startswith("XFAIL")]) == 2
    assert "by reason" not in each.output


def test_a_mistake_is_no_verdict(run: RunScenarios) -> None:
    ran = run("def test_it(session):\n    session.listen(port='x')\n")
    assert (ran.output.splitlines()[-1], ran.status) == ("finwait: no verdict, for the run ended with status 2", 2)


@pytest.mark.usefixtures("listed")
def test_ci_systems_are_told_of_a_run_by_the_run_itself(
    run_several: RunSeveral, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    files = ["--junitxml=out/junit.xml", "--ktap=out/a.ktap", "--kcidb=out/kcidb.json", "--gitlab=out/quality.json"]
    ran, full = run_several(
        EACH, ["-k", "design or new", "-n1", *files], ["-k", "design", "--ktap=/proc/finwait/a.ktap"]
    )
    assert ran.output.count("\n::error file=") == 1
    assert ran.output.splitlines()[-1] == f"{RED}1 unexpected"
    assert (tmp_path / "summary.md").read_text().startswith("## finwait on host\n\nred, judged by Linux's design")
    cases = ElementTree.parse(tmp_path / "out" / "junit.xml").getroot().iter("testcase")
    told = {case.get("name"): {one.get("name"): one.get("value") for one in case.iter("property")} for case in cases}
    assert told["test_new"] == {"outcome": "deviates"}
    assert str(told["test_design"]["known"]).startswith("Linux means it so")
    assert "not ok 2 test_s.test_new" in (tmp_path / "out" / "a.ktap").read_text()
    assert '"FAIL"' in (tmp_path / "out" / "kcidb.json").read_text()
    assert '"major"' in (tmp_path / "out" / "quality.json").read_text()
    assert (full.output.splitlines()[-1], full.status) == ("finwait: no verdict, for the run ended with status 2", 2)
