"""Which deviations are known, and which pass a strict baseline does not expect."""

from __future__ import annotations

from harness.plugin.baseline import parse
from harness.plugin.known_deviations import KnownDeviations
from harness.trace.records import Result

DROPPED = Result(scenario="test_a.py::test_fin[shutdown_wr]", outcome="deviates", answer="challenged")
TAKEN = Result(scenario="test_a.py::test_fin[shutdown_wr]", outcome="conforms", answer="accepted")
LOST = Result(scenario="test_a.py::test_fin[shutdown_wr]", outcome="lost")
NAMES_IT = parse('[[known]]\nscenario = "test_a.py::test_fin[shutdown_*]"\nanswer = "challenged"\nreason = "old"\n')
OTHER_ANSWER = parse('[[known]]\nscenario = "test_a.py::*"\nanswer = "reset"\nreason = "old"\n')


def fixed(result: Result) -> Result:
    return Result(scenario=result.scenario, outcome=result.outcome, fixed_by="795a7dfbc3d9")


def test_nothing_is_known_unless_said() -> None:
    assert KnownDeviations().known_reason(fixed(DROPPED)) == ""
    assert KnownDeviations().unexpected_pass(TAKEN) == ""


def test_deviation_with_a_mending_commit_is_known_where_the_harness_is_tested() -> None:
    assert "795a7dfbc3d9" in KnownDeviations(fixes=True).known_reason(fixed(DROPPED))
    assert KnownDeviations(fixes=True).known_reason(DROPPED) == ""


def test_only_a_deviation_is_ever_known() -> None:
    known = KnownDeviations(fixes=True, tolerated=[NAMES_IT], strict=NAMES_IT)
    assert known.known_reason(fixed(LOST)) == ""
    assert known.known_reason(fixed(TAKEN)) == ""


def test_named_deviation_is_known_with_its_reason_whether_tolerated_or_strict() -> None:
    assert KnownDeviations(tolerated=[NAMES_IT]).known_reason(DROPPED) == "old"
    assert KnownDeviations(strict=NAMES_IT).known_reason(DROPPED) == "old"


def test_named_deviation_with_another_answer_is_not_known() -> None:
    assert KnownDeviations(tolerated=[OTHER_ANSWER]).known_reason(DROPPED) == ""


def test_unexpected_pass_is_told_by_the_strict_baseline_alone() -> None:
    assert "remove it from the baseline" in KnownDeviations(strict=NAMES_IT).unexpected_pass(TAKEN)
    assert KnownDeviations(tolerated=[NAMES_IT]).unexpected_pass(TAKEN) == ""
    assert KnownDeviations(strict=NAMES_IT).unexpected_pass(DROPPED) == ""
