"""What is excused, and what a strict baseline objects to."""

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
    assert KnownDeviations().excuse(fixed(DROPPED)) == ""
    assert KnownDeviations().objection(TAKEN) == ""


def test_deviation_with_a_mending_commit_is_excused_where_the_harness_is_tested() -> None:
    assert "795a7dfbc3d9" in KnownDeviations(fixes=True).excuse(fixed(DROPPED))
    assert KnownDeviations(fixes=True).excuse(DROPPED) == ""


def test_only_a_deviation_is_ever_excused() -> None:
    known = KnownDeviations(fixes=True, tolerated=[NAMES_IT], strict=NAMES_IT)
    assert known.excuse(fixed(LOST)) == ""
    assert known.excuse(fixed(TAKEN)) == ""


def test_named_deviation_is_excused_with_its_reason_whether_tolerated_or_strict() -> None:
    assert KnownDeviations(tolerated=[NAMES_IT]).excuse(DROPPED) == "old"
    assert KnownDeviations(strict=NAMES_IT).excuse(DROPPED) == "old"


def test_named_deviation_with_another_answer_is_not_excused() -> None:
    assert KnownDeviations(tolerated=[OTHER_ANSWER]).excuse(DROPPED) == ""


def test_unexpected_pass_is_objected_to_by_the_strict_baseline_alone() -> None:
    assert "take it off the baseline" in KnownDeviations(strict=NAMES_IT).objection(TAKEN)
    assert KnownDeviations(tolerated=[NAMES_IT]).objection(TAKEN) == ""
    assert KnownDeviations(strict=NAMES_IT).objection(DROPPED) == ""
