"""Which deviations are known and pass, which are known and fail, and what must deviate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.plugin.baseline import load, parse
from harness.plugin.known_deviations import KnownDeviations
from harness.trace.records import Result

CHECKOUT = Path(__file__).parents[2]
DROPPED = Result(scenario="test_a.py::test_fin[shutdown_wr]", outcome="deviates", answer="challenged")
TAKEN = Result(scenario="test_a.py::test_fin[shutdown_wr]", outcome="conforms", answer="accepted")
LOST = Result(scenario="test_a.py::test_fin[shutdown_wr]", outcome="lost")
ENTRY = (
    '[[known]]\nscenario = "test_a.py::test_fin[shutdown_*]"\nanswer = "challenged"\nkind = "defect"\nreason = "old"\n'
)
NAMES_IT = parse(ENTRY)
MENDED = parse(f'{ENTRY}fixed_by = "6.1"\n')
OTHER_ANSWER = parse(ENTRY.replace("challenged", "reset"))


def fixed(result: Result) -> Result:
    return Result(scenario=result.scenario, outcome=result.outcome, fixed_by="795a7dfbc3d9")


@pytest.mark.parametrize("result", [DROPPED, TAKEN, LOST])
def test_nothing_is_known_unless_said(result: Result) -> None:
    assert KnownDeviations().known_reason(result) == ""
    assert KnownDeviations().why_it_fails(result) == ""


def test_deviation_with_a_mending_commit_is_known_where_the_harness_is_tested() -> None:
    assert "795a7dfbc3d9" in KnownDeviations(fixes=True).known_reason(fixed(DROPPED))
    assert KnownDeviations(fixes=True).known_reason(DROPPED) == ""
    assert KnownDeviations().known_reason(fixed(DROPPED)) == ""


def test_defect_that_is_mended_is_known_and_fails() -> None:
    known = KnownDeviations(defects=[MENDED])
    assert known.known_reason(DROPPED) == ""
    assert known.why_it_fails(DROPPED) == "a defect, fixed by 6.1: old"
    assert KnownDeviations().why_it_fails(fixed(DROPPED)) == "a defect, fixed by 795a7dfbc3d9"
    assert known.why_it_fails(TAKEN) == ""


def test_only_a_deviation_is_ever_known() -> None:
    known = KnownDeviations(fixes=True, tolerated=[NAMES_IT], defects=[MENDED], strict=[NAMES_IT])
    assert known.known_reason(fixed(LOST)) == ""
    assert known.known_reason(fixed(TAKEN)) == ""
    assert known.why_it_fails(fixed(LOST)) == ""


def test_named_deviation_is_known_with_its_reason() -> None:
    assert KnownDeviations(tolerated=[NAMES_IT]).known_reason(DROPPED) == "old"
    several = parse(ENTRY.replace("challenged", "reset").replace("shutdown_", "").replace("old", "another") + ENTRY)
    assert KnownDeviations(tolerated=[several]).known_reason(DROPPED) == "old"


def test_named_deviation_with_another_answer_is_not_known() -> None:
    assert KnownDeviations(tolerated=[OTHER_ANSWER]).known_reason(DROPPED) == ""
    assert KnownDeviations(defects=[OTHER_ANSWER]).why_it_fails(DROPPED) == ""


def test_unexpected_pass_is_told_where_the_baseline_is_strict_alone() -> None:
    assert "remove it from the baseline" in KnownDeviations(strict=[NAMES_IT]).why_it_fails(TAKEN)
    assert KnownDeviations(tolerated=[NAMES_IT]).why_it_fails(TAKEN) == ""
    assert KnownDeviations(strict=[NAMES_IT]).why_it_fails(DROPPED) == ""


@pytest.mark.parametrize(("release", "mended"), [("7.2.13", []), ("5.10.46", ["795a7dfbc3d9"])])
def test_newest_kernel_may_do_all_that_is_known_of_it_and_an_old_one_may_not(
    release: str, mended: Sequence[str]
) -> None:
    _, defects = load(CHECKOUT / "scenarios/baselines/linux.toml").on(release).parted()
    assert {one.fixed_by for one in defects.entries}.issuperset(mended)
    assert bool(defects.entries) is bool(mended)
