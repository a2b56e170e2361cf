"""What counts as noticed, of a kernel that was changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.patch.judging import noticed
from harness.tcp.verdict import Outcome
from harness.trace.records import Result
from harness.trace.runs import LoadedRun
from tests.conftest import run_record


def run_of(**ends: str) -> LoadedRun:
    """A run of scenarios that ended so, each with its answer behind a colon."""
    results = [
        Result(scenario=name, outcome=Outcome(end.partition(":")[0]), answer=end.partition(":")[2])
        for name, end in ends.items()
    ]
    return LoadedRun(Path(), run_record(), {one.scenario: one for one in results})


BEFORE = run_of(a="conforms:accepted", b="deviates", c="lost", d="unsupported")


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({"a": "conforms:accepted", "b": "deviates"}, False),
        ({"a": "conforms:challenged", "b": "deviates"}, True),
        ({"a": "conforms:accepted", "b": "conforms"}, True),
        ({"a": "conforms:accepted", "b": "lost"}, True),
        ({"a": "conforms:accepted"}, True),
        ({"a": "conforms:accepted", "b": "deviates", "c": "conforms", "d": "lost"}, False),
    ],
    ids=["same", "answer", "verdict", "lost", "gone", "not judged before"],
)
def test_what_is_noticed_is_what_was_judged_and_ends_otherwise(after: dict[str, str], expected: bool) -> None:
    assert noticed(BEFORE, [run_of(**after)], "abcd") is expected


def test_kernel_that_dies_is_noticed_by_what_was_judged() -> None:
    assert noticed(BEFORE, [], "ab")
    assert not noticed(BEFORE, [], "cd")
