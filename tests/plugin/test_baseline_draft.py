"""A first baseline of a run holds for that run, and says what nobody explained yet."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.plugin import baseline
from harness.plugin.baseline_draft import draft
from harness.tcp.verdict import Due, Evidence
from harness.trace.records import Result

CLOSE, WR = "a.py::test_fin[close-IPv4]", "a.py::test_fin[shutdown_wr-IPv4]"
OK = Result(scenario=CLOSE, outcome="conforms", answer="accepted")
BAD = Result(scenario=WR, outcome="deviates", answer="challenged", fixed_by="795a7dfbc3d9")
KNOWN = f'[[known]]\nscenario = "{WR}"\nkind = "design"\nreason = "slow"\n'
NOTHING = baseline.Baseline(())


def test_a_draft_holds_as_it_is_and_marks_what_nobody_explained() -> None:
    text = draft([OK, BAD], kernel="5.10.46", known=NOTHING)
    loaded = baseline.parse(text)
    [entry] = loaded.entries
    assert (entry.scenario, entry.reason, entry.answer) == (WR, "to be explained", "challenged")
    assert (entry.kind, entry.fixed_by) == ("defect", "795a7dfbc3d9")
    assert baseline.hold(loaded, [OK, BAD]) == []
    assert "# Known deviations of 5.10.46." in text


def test_a_draft_takes_over_reasons_and_patterns_that_are_known() -> None:
    known = baseline.parse(KNOWN.replace(WR, "a.py::test_fin*"))
    text = draft([BAD, Result(scenario="b.py::test_fin", outcome="conforms")], kernel="5.10.46", known=known)
    [entry] = baseline.parse(text).entries
    assert (entry.scenario, entry.kind, entry.reason) == ("a.py::test_fin*", "design", "slow")


def test_a_pattern_that_conforms_elsewhere_is_taken_over_for_what_deviates_alone() -> None:
    known = baseline.parse(KNOWN.replace(WR, "a.py::*"))
    drafted = baseline.parse(draft([OK, BAD], kernel="5.10.46", known=known))
    assert [(one.scenario, one.reason) for one in drafted.entries] == [(WR, "slow")]
    assert baseline.hold(drafted, [OK, BAD]) == []


@pytest.mark.parametrize("known", [f'{KNOWN}answer = "reset"\n', KNOWN + 'kernels = ["6.1"]\n'])
def test_what_is_known_of_another_answer_or_kernel_explains_nothing(known: str) -> None:
    drafted = baseline.parse(draft([BAD], kernel="5.10.46", known=baseline.parse(known)))
    assert [one.reason for one in drafted.entries] == ["to be explained"]


def test_a_draft_groups_what_was_answered_alike() -> None:
    def bad(name: str, observed: str) -> Result:
        seen = Evidence(expected=(Due("> ."),), observed=observed)
        return Result(scenario=name, outcome="deviates", evidence=seen)

    found = [
        bad("a::1", "> R 1:1(0)"),
        bad("a::2", "nothing in 9 ms"),
        bad("a::3", "> R 7:7(0)"),
        bad("b::1", "> R 1:1(0)"),
    ]
    entries = tomllib.loads(draft(found, kernel="6.1", known=NOTHING))["known"]
    assert [entry.get("scenarios", entry.get("scenario")) for entry in entries] == [["a::1", "a::3"], "a::2", "b::1"]


def test_a_draft_of_a_run_without_deviations_says_so() -> None:
    text = draft([OK], kernel="6.18", known=NOTHING)
    assert "Nothing deviated" in text
    assert baseline.hold(baseline.parse(text), [OK]) == []


ids = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
results = st.lists(
    st.builds(
        Result,
        scenario=ids,
        outcome=st.sampled_from(["conforms", "deviates", "unsupported"]),
        answer=ids,
        fixed_by=st.text(st.characters(codec="utf-8"), max_size=5),
    ),
    unique_by=lambda result: result.scenario,
    max_size=5,
)


@given(results=results, kernel=st.text(st.characters(codec="utf-8"), max_size=20))
def test_a_draft_of_any_run_holds_for_that_run(results: list[Result], kernel: str) -> None:
    drafted = baseline.parse(draft(results, kernel=kernel, known=NOTHING))
    assert {one.scenario for one in drafted.entries} == {one.scenario for one in results if one.outcome == "deviates"}
    assert baseline.hold(drafted, results) == []
