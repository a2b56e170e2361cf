"""What is excused, and what a strict baseline objects to."""

from __future__ import annotations

from harness.baseline import parse
from harness.known import Knowledge
from harness.timeline import Result

DROPPED = Result(scenario="test_a.py::test_fin[shutdown_wr]", outcome="deviates", answer="challenged")
TAKEN = Result(scenario="test_a.py::test_fin[shutdown_wr]", outcome="conforms", answer="accepted")
LOST = Result(scenario="test_a.py::test_fin[shutdown_wr]", outcome="lost")
NAMES_IT = parse('[[known]]\nscenario = "test_a.py::test_fin[shutdown_*]"\nanswer = "challenged"\nreason = "old"\n')
OTHER_ANSWER = parse('[[known]]\nscenario = "test_a.py::*"\nanswer = "reset"\nreason = "old"\n')


def fixed(result: Result) -> Result:
    return Result(scenario=result.scenario, outcome=result.outcome, fixed_by="795a7dfbc3d9")


def test_nothing_is_known_unless_said() -> None:
    assert Knowledge().excuse(fixed(DROPPED)) == ""
    assert Knowledge().objection(TAKEN) == ""


def test_deviation_with_a_mending_commit_is_excused_where_the_harness_is_tested() -> None:
    assert "795a7dfbc3d9" in Knowledge(fixes=True).excuse(fixed(DROPPED))
    assert Knowledge(fixes=True).excuse(DROPPED) == ""


def test_only_a_deviation_is_ever_excused() -> None:
    known = Knowledge(fixes=True, tolerated=[NAMES_IT], strict=NAMES_IT)
    assert known.excuse(fixed(LOST)) == ""
    assert known.excuse(fixed(TAKEN)) == ""


def test_named_deviation_is_excused_with_its_reason_whether_tolerated_or_strict() -> None:
    assert Knowledge(tolerated=[NAMES_IT]).excuse(DROPPED) == "old"
    assert Knowledge(strict=NAMES_IT).excuse(DROPPED) == "old"


def test_named_deviation_with_another_answer_is_not_excused() -> None:
    assert Knowledge(tolerated=[OTHER_ANSWER]).excuse(DROPPED) == ""


def test_unexpected_pass_is_objected_to_by_the_strict_baseline_alone() -> None:
    assert "take it off the baseline" in Knowledge(strict=NAMES_IT).objection(TAKEN)
    assert Knowledge(tolerated=[NAMES_IT]).objection(TAKEN) == ""
    assert Knowledge(strict=NAMES_IT).objection(DROPPED) == ""
