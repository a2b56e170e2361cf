"""Which commit is found between two ends, how many kernels that takes, and what is said where none can be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.git import Clone
from harness.kernels.supply.make import NotBuilt
from harness.kernels.supply.sources import Sources
from harness.patch.bisecting import Bisection, Bisector, NothingLearnt
from harness.trace.records import Result
from harness.trace.runs import LoadedRun
from tests.conftest import run_record
from tests.patch.conftest import TCP, commit, git

SCENARIO, OTHER = "scenarios/x.py::test_x", "scenarios/x.py::test_y"
Outcomes = Callable[[int], str]


@pytest.fixture
def history(clone: Path) -> list[str]:
    """Nine commits, the first of which is the good end."""
    return [commit(clone, f"Change {number}", udp=f"int udp = {number};\n") for number in range(9)]


class Kernels:
    """What would be asked of the commits' kernels; ``outcome`` has it by the commit's number."""

    def __init__(self, clone: Path, cache: Cache, history: list[str], outcome: Outcomes) -> None:
        self.asked: list[int] = []
        self.notes: list[str] = []
        self._history, self._outcome = history, outcome
        sources = Sources.of_clone(Clone(clone), cache)
        self.bisector = Bisector(sources.candidates, self._ask, self._apart, self._note, self._trying)

    def search(self) -> Bisection:
        found, scenario = self.bisector.ends(self._history[0], self._history[-1])
        self.bisector.narrow(found, scenario)
        return found

    def _ask(self, commit: str) -> LoadedRun:
        number = self._history.index(commit)
        self.asked.append(number)
        outcome = self._outcome(number)
        if outcome == "not built":
            raise NotBuilt("make linux failed", "tcp.c:1: error: no", why="status 2")
        if outcome == "panics":
            raise NothingLearnt("it panicked")
        ends = (one.partition(" ") for one in outcome.split("; "))
        results = (
            Result(scenario=name, outcome=end, answer=answer)
            for name, (end, _, answer) in zip((SCENARIO, OTHER), ends, strict=False)
        )
        return LoadedRun(Path(), run_record(), {one.scenario: one for one in results})

    def _apart(self, before: LoadedRun, after: LoadedRun) -> set[str]:
        pairs = [(before.results[name], after.results[name]) for name in before.results]
        return {one.scenario for one, other in pairs if (one.outcome, one.answer) != (other.outcome, other.answer)}

    def _note(self, commit: str, became: str) -> None:
        self.notes.append(f"{self._history.index(commit)}: {became}")

    def _trying(self, found: Bisection, commit: str) -> None:
        self.notes.append(f"{len(found.left)} left, {found.steps} to try: {self._history.index(commit)}")


@pytest.mark.parametrize("first_bad", range(1, 9))
def test_the_commit_is_found_in_three_kernels_between_the_ends(
    clone: Path, cache: Cache, history: list[str], first_bad: int
) -> None:
    kernels = Kernels(clone, cache, history, lambda number: "deviates" if number >= first_bad else "conforms")
    found = kernels.search()
    assert found.left == [history[first_bad]] == [found.bad]
    assert kernels.asked[:2] == [0, 8]
    assert len(kernels.asked) <= 2 + 3


def test_how_far_it_is_and_what_became_of_each(clone: Path, cache: Cache, history: list[str]) -> None:
    kernels = Kernels(clone, cache, history, lambda number: "deviates" if number >= 6 else "conforms")
    kernels.search()
    assert kernels.notes == [
        "0: conforms",
        "8: deviates",
        "8 left, 3 to try: 4",
        "4: conforms, as the good end",
        "4 left, 2 to try: 6",
        "6: deviates, as the bad end",
        "2 left, 1 to try: 5",
        "5: conforms, as the good end",
    ]


def test_other_answer_with_the_same_verdict_is_a_change(clone: Path, cache: Cache, history: list[str]) -> None:
    kernels = Kernels(clone, cache, history, lambda number: f"conforms {'ab'[number >= 3]}")
    assert kernels.search().bad == history[3]


def test_scenario_whose_verdict_changed_is_searched_and_told(clone: Path, cache: Cache, history: list[str]) -> None:
    outcomes = ["conforms a; conforms c"] * 4 + ["conforms b; deviates d"] * 5
    kernels = Kernels(clone, cache, history, outcomes.__getitem__)
    assert kernels.bisector.ends(history[0], history[-1])[1] == OTHER
    assert kernels.notes == ["0: conforms (c)", "8: deviates (d)"]


def test_what_does_not_build_is_skipped(clone: Path, cache: Cache, history: list[str]) -> None:
    outcomes = ["conforms"] * 3 + ["panics", "not built", "deviates", "lost", "deviates", "deviates"]
    kernels = Kernels(clone, cache, history, outcomes.__getitem__)
    found = kernels.search()
    assert found.bad == history[5]
    assert set(found.left) == set(history[3:6])
    assert "4: skipped: tcp.c:1: error: no" in kernels.notes


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (lambda _: "deviates", "alike on both ends: it deviates"),
        (lambda number: "unsupported" if number else "conforms", "not judged on both ends"),
    ],
    ids=["alike", "unjudged"],
)
def test_ends_that_say_nothing(clone: Path, cache: Cache, history: list[str], outcome: Outcomes, said: str) -> None:
    kernels = Kernels(clone, cache, history, outcome)
    with pytest.raises(FinwaitError, match=said):
        kernels.search()
    assert kernels.asked == [0, 8]


def test_ends_in_the_wrong_order_are_not_built(clone: Path, cache: Cache, history: list[str]) -> None:
    kernels = Kernels(clone, cache, history[::-1], lambda _: "conforms")
    with pytest.raises(FinwaitError, match="the good end comes after the bad one"):
        kernels.search()
    assert kernels.asked == []


def test_users_checkout_stays_as_it_is(clone: Path, cache: Cache, history: list[str]) -> None:
    (clone / "net" / "ipv4" / "tcp.c").write_text(TCP + "/* not committed */\n")
    before = git(clone, "status"), git(clone, "branch", "-a"), git(clone, "worktree", "list")
    sources = Sources.of_clone(Clone(clone), cache)
    with sources.held():
        sources.check_out(history[3])
    assert (sources.tree / "net" / "ipv4" / "udp.c").read_text() == "int udp = 3;\n"
    assert (git(clone, "status"), git(clone, "branch", "-a"), git(clone, "worktree", "list")) == before


def test_no_such_commit(clone: Path) -> None:
    with pytest.raises(FinwaitError, match="there is no commit 'v9' in"):
        Clone(clone).commit("v9")
