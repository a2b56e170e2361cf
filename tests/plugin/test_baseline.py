from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FinwaitError
from harness.plugin import baseline
from harness.trace.records import Result

CLOSE, WR = "a.py::test_fin[close-IPv4]", "a.py::test_fin[shutdown_wr-IPv4]"
OK = Result(scenario=CLOSE, outcome="conforms", answer="accepted")
BAD = Result(scenario=WR, outcome="deviates", answer="challenged", fixed_by="795a7dfbc3d9")


def _known(scenario: str = WR, answer: str = "") -> str:
    return f'[[known]]\nscenario = "{scenario}"\nkind = "defect"\nreason = "5.10 has no fix"\n' + (
        f'answer = "{answer}"\n' if answer else ""
    )


def _held(text: str, results: Iterable[Result] = (OK, BAD), *, complete: bool = True) -> list[str]:
    return [str(one) for one in baseline.hold(baseline.parse(text), results, complete=complete)]


@pytest.mark.parametrize(
    "text",
    [
        _known(),
        _known(answer="challenged"),
        _known("a.py::test_fin[shutdown_*]"),
        _known("a.py::test_fi?[shutdown_wr-IPv?]"),
        _known(answer="reset") + _known("*[shutdown_*", answer="challenged"),
        'known = [{scenario = "*[shutdown*", outcome = "deviates", kind = "design", reason = "r"}]',
    ],
)
def test_a_run_that_deviates_as_known_holds(text: str) -> None:
    assert _held(text) == []


def test_a_deviation_that_is_not_named_is_a_violation() -> None:
    assert _held("") == [f"{WR}: deviates, and is not known to do so"]


def test_an_unexpected_pass_is_a_violation() -> None:
    assert _held(_known() + _known(CLOSE)) == [
        f"{CLOSE}: conforms, but is known to deviate: remove it from the baseline (line 5 of the baseline)"
    ]


def test_a_pattern_must_deviate_in_all_that_it_names() -> None:
    assert [line.partition(":")[0] for line in _held(_known("a.py::test_fin[*]"))] == [CLOSE.partition(":")[0]]
    assert "conforms, but is known to deviate" in _held(_known("a.py::test_fin[*]"))[0]


def test_another_answer_than_the_known_one_is_a_violation() -> None:
    assert _held(_known(answer="reset")) == [
        f"{WR}: answers challenged, and is known to answer reset (line 1 of the baseline)"
    ]


@pytest.mark.parametrize("release", ["5.10.262", "5.10", "6.1.192"])
def test_an_entry_is_about_the_kernels_that_it_was_seen_on(release: str) -> None:
    seen = baseline.parse(_known() + 'kernels = ["5.10", "6.1"]\n')
    assert seen.on(release) == seen


@pytest.mark.parametrize("release", ["6.18.44-fc", "6.12.117", "5.1.3"])
def test_an_entry_says_nothing_of_other_kernels(release: str) -> None:
    assert baseline.parse(_known() + 'kernels = ["5.10", "6.1"]\n').on(release).entries == ()
    assert baseline.parse(_known()).on(release).entries


def test_one_reason_is_good_for_several_scenarios() -> None:
    text = f'[[known]]\nscenarios = ["{WR}", "b.py::*"]\nkind = "design"\nreason = "old"\n'
    assert [(one.scenario, one.reason) for one in baseline.parse(text).entries] == [(WR, "old"), ("b.py::*", "old")]


def test_what_a_better_kernel_does_no_more_is_told_from_what_a_good_one_may_do() -> None:
    text = _known("a") + _known("b") + 'fixed_by = "795a7dfbc3d9"\n' + _known("c").replace("defect", "design")
    may, mended = baseline.parse(text).parted()
    assert [one.scenario for one in may.entries] == ["a", "c"]
    assert [(one.scenario, one.fixed_by) for one in mended.entries] == [("b", "795a7dfbc3d9")]


def test_what_a_kernel_answers_otherwise_than_another_is_two_entries() -> None:
    first, second = (_known(answer=answer) + f'kernels = ["{one}"]\n' for answer, one in (("a", "5.10"), ("b", "6.1")))
    assert [entry.answer for entry in baseline.parse(first + second).on("6.1.192").entries] == ["b"]
    for other in (first, _known()):
        with pytest.raises(FinwaitError, match="a second time"):
            baseline.parse(first + other)


def test_what_the_run_does_not_have_is_a_violation_unless_only_a_part_was_run() -> None:
    text = _known() + _known("a.py::test_gone")
    assert _held(text) == ["a.py::test_gone: known to deviate, but not in the run (line 5 of the baseline)"]
    assert _held(text, complete=False) == []


def test_brackets_stand_for_themselves() -> None:
    assert len(_held(_known("a.py::test_fin[cs]*"), [BAD])) == 2  # the deviation, and the entry that names nothing


def test_an_id_that_holds_a_star_means_itself_alone() -> None:
    star = Result(scenario="t[*]", outcome="deviates")
    assert _held(_known("t[*]"), [star, Result(scenario="t[x]", outcome="conforms")]) == []


@pytest.mark.parametrize("known", ["", _known(CLOSE)])
def test_what_was_lost_is_never_a_success(known: str) -> None:
    [violation] = _held(known, [Result(scenario=CLOSE, outcome="lost")])
    assert violation.startswith(f"{CLOSE}: lost: it has no result")


@pytest.mark.parametrize("known", ["", _known(CLOSE)])
def test_what_a_machine_cannot_run_says_nothing_of_the_kernel(known: str) -> None:
    assert _held(known, [Result(scenario=CLOSE, outcome="unsupported")]) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[known]]\nscenario = \n", "b.toml:2 is not TOML (Invalid value"),
        ('[[known]]\nscenario = "', "b.toml:2 is not TOML (Unterminated string"),
        ("[[knwon]]\n", "b.toml:1: there is no key 'knwon' in a baseline; try: known"),
        ('\n[known]\nscenario = "a"\n', "b.toml:2 is not a list of entries"),
        ("known = 3", "b.toml:1 is not a list of entries"),
        (
            _known() + '\n[[known]]\nscenario = "b"\nresaon = "r"\n',
            "b.toml:8: there is no key 'resaon' in a baseline; try: reason",
        ),
        ('[[known]]\nscenario = "a"\n', "b.toml:1: a has no reason"),
        ('[[known]]\nscenario = "a"\nreason = " "\n', "b.toml:3: a has no reason"),
        ('[[known]]\nscenario = "a"\nreason = 3\n', "b.toml:3: reason is not a text in quotes"),
        ('[[known]]\nreason = "a"\n', "b.toml:1 names no scenario"),
        (
            '[[known]]\nscenario = "a"\nreason = "r"\n',
            "b.toml:1: a is said to be neither design nor defect; try: kind =",
        ),
        ('[[known]]\nscenario = "a"\nkind = "bug"\nreason = "r"\n', "b.toml:3: a is of the kind 'bug'; try: kind ="),
        (
            '[[known]]\nscenario = "a"\nkind = "design"\nfixed_by = "6.1"\nreason = "r"\n',
            "b.toml:4: a is design, and fixed by '6.1'",
        ),
        (
            '[[known]]\nscenario = "a"\nreason = "r"\noutcome = "lost"',
            "b.toml:4: outcome 'lost' cannot be in a baseline",
        ),
        ('[[known]]\nscenario = "a"\nscenarios = ["b"]\nreason = "r"', "b.toml:1 names its scenarios twice"),
        ('[[known]]\nscenarios = []\nreason = "r"', "b.toml:2: scenarios is not a list of quoted texts"),
        ('[[known]]\nscenario = "a"\nkernels = "6.1"\nreason = "r"', "b.toml:3: kernels is not a list of quoted texts"),
        (_known() + "\n" + _known(), "b.toml:6 names a.py::test_fin[shutdown_wr-IPv4] a second time"),
    ],
)
def test_a_bad_file_is_one_line_that_names_the_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "b.toml"
    path.write_text(text)
    with pytest.raises(FinwaitError) as error:
        baseline.load(path)
    assert str(error.value).startswith(f"{tmp_path}/{said}")
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    for path, said in [(tmp_path / "none", r"cannot be read \(No such file"), (tmp_path, r"cannot be read \(Is a dir")]:
        with pytest.raises(FinwaitError, match=said):
            baseline.load(path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(FinwaitError, match=r"is not text in UTF-8 \(byte 0\)"):
        baseline.load(tmp_path / "binary")


@given(text=st.text(max_size=60))
def test_any_text_is_a_baseline_or_one_line(text: str) -> None:
    try:
        baseline.parse(text)
    except FinwaitError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either end is right
