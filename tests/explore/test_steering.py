"""Steering: what reaches something new is kept, varied, and gone on from by the next search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec
import pytest

from harness.code.index import ChangedLines
from harness.errors import FinwaitError
from harness.explore.attempt import Act, Attempt, Noted, Put
from harness.explore.corpus import FILE, VERSION, Corpus, read_corpus, write_corpus
from harness.explore.explorer import Explorer
from harness.explore.generate import MOST_STEPS, attempt
from harness.explore.reached import ReachedCode
from harness.explore.steering import Steering, observed
from harness.explore.themes import Theme
from harness.explore.vary import varied
from harness.tcp.segment import ACK, FIN

_CALLS = {
    "send": 2,
    "recv": 2,
    "close": 3,
    "shutdown_rd": 1,
    "shutdown_wr": 3,
    "shutdown_rdwr": 2,
    "linger_0": 1,
    "abort": 1,
}
CLOSING = Theme({"LISTEN": 1}, {int(ACK): 1}, _CALLS, {"put": 7, "act": 3}, {1: 1}, settings=0, ipv6=0)
"""Made here: what is reached by chance is not to depend on what the themes of a search become."""
DEEP = tuple(Act(name) for name in ("send", "recv", "shutdown_rd", "shutdown_wr"))
"""Calls in an order that no program of 1,500 has by chance."""


class CountedKernel:
    """Runs programs in memory; each further call of ``DEEP``, in its order, moves a counter more. The last is a bug."""

    def __init__(self, *, buggy: bool = False, counts: bool = True) -> None:
        self._buggy = buggy
        self.why_lost: dict[Attempt, str] = {}
        self.code: ReachedCode | None = ReachedCode(()) if counts else None
        self.asked: list[Attempt] = []

    def ask(self, attempts: Sequence[Attempt], ignored: tuple[str, ...] = ()) -> list[bytes | None]:  # noqa: ARG002
        self.asked += attempts
        return [self._answer(one) for one in attempts]

    def _answer(self, program: Attempt) -> bytes:
        deep, noted = 0, []
        for step in program.steps:
            deep += deep < len(DEEP) and isinstance(step, Act) and step.name == DEEP[deep].name
            noted.append(Noted(7 if self._buggy and deep == len(DEEP) else 1, result=f"{deep}"))
        if self.code:
            self.code.moved[program] = tuple(range(deep))
        return msgspec.json.encode(noted)

    def reboot(self) -> None:
        pass

    def stop(self) -> None:
        pass


def search(corpus: Corpus, *kernels: CountedKernel, seen: bool = False) -> Explorer:
    made = Explorer(kernels, CLOSING, 1, steering=Steering(corpus), first=corpus.ran.get("closing 1", 0))
    if seen:
        made.seen = corpus.signatures(("a", "b"))
    return made


def test_what_reaches_more_is_varied_until_it_has_reached_all() -> None:
    corpus = Corpus()
    search(corpus, CountedKernel(), CountedKernel(counts=False)).explore(1500, None)
    assert [_deep(one) for one in corpus.kept] == sorted({_deep(one) for one in corpus.kept})
    assert _deep(corpus.kept[-1]) == len(DEEP)
    assert max(_deep(attempt(1, number, CLOSING)) for number in range(1500)) < len(DEEP)


def test_without_counts_a_new_answer_is_what_is_new() -> None:
    corpus = Corpus()
    steering = Steering(corpus)
    programs = [Attempt((Act("send", size), Put(ACK))) for size in (1, 2, 3)]
    for program, result in zip(programs, ("1", "1", "EPIPE"), strict=True):
        steering.learn(program, observed(program, (Noted(1, result), Noted(1))))
    assert corpus.kept == [programs[0], programs[2]]


def _deep(program: Attempt) -> int:
    deep = 0
    for step in program.steps:
        deep += deep < len(DEEP) and isinstance(step, Act) and step.name == DEEP[deep].name
    return deep


def test_progress_tells_how_many_answers_were_seen_in_how_many_states() -> None:
    told: list[str] = []
    made = search(Corpus(), CountedKernel(), CountedKernel(counts=False))
    made.tell = told.append
    made.explore(300, None)
    states = {state for state, *_ in made.answers}
    assert states == {"CLOSED", "ESTABLISHED"}
    assert f"; {len(made.answers)} answers seen in 2 states; " in told[-1]


def test_same_seed_and_same_kernel_are_the_same_programs() -> None:
    first, again = CountedKernel(), CountedKernel()
    for kernel in (first, again):
        search(Corpus(), kernel, CountedKernel(counts=False)).explore(900, None)
    assert first.asked == again.asked


class AimedCode(ReachedCode):
    """Of which a change is about the last two counters."""

    def aim(self, changed: Sequence[ChangedLines]) -> frozenset[int]:
        return frozenset((2, 3)) if changed else frozenset()


def aimed(*changed: ChangedLines) -> tuple[Explorer, CountedKernel]:
    guide, compared = CountedKernel(), CountedKernel(counts=False)
    guide.code = AimedCode(())
    made = search(Corpus(), compared, CountedKernel(buggy=True, counts=False))
    made.guide, made.changed = guide, changed
    return made, compared


def test_what_a_guide_says_to_reach_the_change_is_run_alone_and_varied() -> None:
    made, compared = aimed(ChangedLines("net/ipv4/tcp.c", 7, 7))
    made.explore(3000, None)
    fresh = [one for one in compared.asked if one in made.steering.corpus.kept] if made.steering else []
    assert 0 < made.aimed < 3000
    assert {_deep(one) for one in fresh} <= {3, 4}
    assert made.found  # the last counter, where the kernels differ


def test_where_nobody_knows_what_reaches_the_change_all_is_run() -> None:
    made, compared = aimed()
    made.explore(300, None)
    assert len(compared.asked) >= made.programs == 300


def test_a_second_search_goes_on_and_does_not_find_again_what_is_known(tmp_path: Path) -> None:
    corpus = Corpus()
    first = search(corpus, CountedKernel(), CountedKernel(buggy=True, counts=False))
    first.explore(1500, None)
    assert first.found
    corpus.show(("a", "b"), first.signatures)
    corpus.ran["closing 1"] = first.programs
    write_corpus(tmp_path / "kept", corpus)
    later = read_corpus(tmp_path / "kept")
    assert later == corpus
    kernel = CountedKernel()
    second = search(later, kernel, CountedKernel(buggy=True, counts=False), seen=True)
    second.explore(300, None)
    assert kernel.asked[: len(corpus.kept)] == corpus.kept
    assert not second.found
    assert (second.programs, second.first) == (300, 1500)
    assert later.kept == corpus.kept  # nothing was new in it


def test_a_new_folder_is_an_empty_corpus(tmp_path: Path) -> None:
    assert read_corpus(tmp_path) == read_corpus(tmp_path / "new") == Corpus()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "is no corpus"),
        ('{"version": 1, "kept": 3}', "is no corpus"),
        (f'{{"version": {VERSION + 1}, "kept": 3}}', f"is of version {VERSION + 1}; this finwait reads {VERSION}"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_corpus_says_so(text: str | None, told: str, tmp_path: Path) -> None:
    (tmp_path / (FILE if text else "other")).write_text(text or "")
    with pytest.raises(FinwaitError, match=told):
        read_corpus(tmp_path)


def test_varied_programs_are_new_and_no_longer_than_others() -> None:
    kept = [attempt(1, number, CLOSING) for number in range(5)] + [Attempt((Put(FIN | ACK),))]
    made = [varied(Random(number), kept, CLOSING) for number in range(300)]
    assert len(set(made) - set(kept)) > 200
    assert max(len(one.steps) for one in made) <= MOST_STEPS
