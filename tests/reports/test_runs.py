from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import FinwaitError
from harness.trace import runs
from harness.trace.events import Event
from harness.trace.records import Result
from netns.enter import in_user_namespace

OK = Result(scenario="a.py::test_one", outcome="conforms", answer="accepted", answer_ns=140_000)
BAD = Result(scenario="a.py::test_two[close-ipv4]", outcome="deviates", message='expected "x"\nobserved {"scenario":')


def test_what_was_written_is_read(make_run: Callable[..., Path], disorder: Callable[..., tuple[Event, ...]]) -> None:
    events = disorder()
    run = runs.load(make_run(OK, BAD, timelines={OK.scenario: reversed(events)}))
    assert list(run.results) == [OK.scenario, BAD.scenario]
    assert run.results[BAD.scenario] == BAD
    assert run.timeline(run.results[OK.scenario]) == tuple(sorted(events, key=lambda event: event.at))
    assert run.timeline(run.results[BAD.scenario]) == ()
    assert (run.torn, run.name, run.record.kernel) == (0, "host", "6.18.0")


def test_a_planned_scenario_without_a_result_is_lost(make_run: Callable[..., Path]) -> None:
    run = runs.load(make_run(BAD, planned=(OK.scenario, BAD.scenario)))
    assert list(run.results) == [OK.scenario, BAD.scenario]
    assert run.results[OK.scenario].outcome == "lost"
    assert run.results[OK.scenario].message == runs.UNSAID


def test_a_run_that_died_before_its_first_result_is_all_lost(make_run: Callable[..., Path]) -> None:
    run = runs.load(make_run(planned=(OK.scenario,)))
    assert {result.outcome for result in run.results.values()} == {"lost"}


LINES = [
    msgspec.json.encode(Result(scenario=f"a.py::test_{number}", outcome=outcome, message=message)) + b"\n"
    for number, (outcome, message) in enumerate(
        [
            ("conforms", ""),
            ("deviates", 'über\n{"scenario":"x","outcome":"conforms"}'),
            ("unsupported", "\0"),
            ("lost", ""),
        ]
    )
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(b"".join(LINES))))
def test_any_beginning_of_the_results_is_read(make_run: Callable[..., Path], tmp_path: Path, cut: int) -> None:
    folder = tmp_path / "runs" / "run"
    if not folder.exists():
        make_run(planned=tuple(f"a.py::test_{number}" for number in range(len(LINES))))
    content = b"".join(LINES)[:cut]
    (folder / "results.jsonl").write_bytes(content)
    run = runs.load(folder)
    # A record is whole when all of it is there, with or without the end of its line.
    whole = sum(len(b"".join(LINES[: number + 1])) - 1 <= cut for number in range(len(LINES)))
    assert len(run.results) == len(LINES)
    for number, result in enumerate(run.results.values()):
        expected = msgspec.json.decode(LINES[number], type=Result)
        assert (result == expected) if number < whole else (result.message == runs.UNSAID)
    assert run.torn == (cut not in (len(b"".join(LINES[:whole])), len(b"".join(LINES[:whole])) - 1))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(1, len(LINES[1]) - 2))
def test_a_line_behind_a_torn_one_is_read(make_run: Callable[..., Path], tmp_path: Path, cut: int) -> None:
    folder = tmp_path / "runs" / "run"
    if not folder.exists():
        make_run()
    (folder / "results.jsonl").write_bytes(LINES[0] + LINES[1][:cut] + LINES[2])
    run = runs.load(folder)
    assert (list(run.results), run.torn) == (["a.py::test_0", "a.py::test_2"], 1)


@pytest.mark.parametrize("order", [(OK, BAD), (BAD, OK)])
def test_of_two_results_the_worse_one_stands(make_run: Callable[..., Path], order: tuple[Result, ...]) -> None:
    same = [msgspec.structs.replace(result, scenario="a.py::test_one") for result in order]
    run = runs.load(make_run(*same))
    assert run.results["a.py::test_one"].outcome == "deviates"


def test_the_latest_run_is_the_one_that_started_last(make_run: Callable[..., Path], tmp_path: Path) -> None:
    make_run(name="z", started="2026-11-20T06:00:00Z")
    late = make_run(name="a", started="2026-11-20T07:00:00Z")
    (tmp_path / "runs" / ".gitkeep").touch()
    (tmp_path / "runs" / "zz").mkdir()
    broken = make_run(name="zzz")
    (broken / "run.json").write_text("{")
    assert runs.latest(tmp_path / "runs") == late


def test_without_a_run_the_error_says_how_to_make_one(tmp_path: Path) -> None:
    for parent in (tmp_path, tmp_path / "none"):
        with pytest.raises(FinwaitError, match=r"there is no run below .*; nothing was run yet; try: finwait run$"):
            runs.latest(parent)


def _one_line(error: pytest.ExceptionInfo[FinwaitError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_what_is_no_run_folder_says_which_are(make_run: Callable[..., Path]) -> None:
    folder = make_run()
    for path, said in [
        (folder.parent / "nine", "there is no run folder"),
        (folder.parent, "is not a run folder"),
        (folder / "run.json", "is a file, not a run folder"),
    ]:
        with pytest.raises(FinwaitError) as error:
            runs.load(path)
        assert said in _one_line(error)
        assert error.value.hint == str(folder)


@contextmanager
def _somebody_else() -> Iterator[None]:
    """Root may read everything: be nobody for a while. Who is not root stays who it is."""
    if in_user_namespace():
        pytest.skip("root of a user namespace reads its own files whatever their mode, and can be nobody else")
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(mine)


@pytest.mark.parametrize("locked", ["", "run.json", "results.jsonl"])
def test_somebody_elses_run_is_one_line(make_run: Callable[..., Path], locked: str) -> None:
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        folder = Path(shutil.copytree(make_run(OK), Path(parent) / "a run"))
        (folder / locked).chmod(0)
        try:
            with _somebody_else(), pytest.raises(FinwaitError, match=r"cannot be read \(Permission denied\)") as error:
                runs.load(folder)
        finally:
            (folder / locked).chmod(0o755)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("run.json", b"", "is not a record of a run"),
        ("run.json", b"\xff\xfe\0", "is not a record of a run"),
        ("run.json", b'{"format": 1}', "missing required field `id`"),
        ("run.json", b'{"format": 99, "future": []}', "has format 99, and this version reads formats 1 and 2"),
        ("results.jsonl", b'{"scenario": "a"}\n', "line 1, is not a result"),
        ("results.jsonl", b'{"scenario":"a","outcome":"fine"}\n', "line 1, has the outcome 'fine'"),
    ],
)
def test_garbage_is_one_line(make_run: Callable[..., Path], name: str, content: bytes, said: str) -> None:
    folder = make_run()
    (folder / name).write_bytes(content)
    with pytest.raises(FinwaitError) as error:
        runs.load(folder)
    assert said in _one_line(error)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60))
def test_no_bytes_at_all_break_the_reader(make_run: Callable[..., Path], tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "runs" / "run"
    if not folder.exists():
        make_run()
    (folder / "results.jsonl").write_bytes(content)
    try:
        assert runs.load(folder).results == {}
    except FinwaitError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either end is right


def test_timelines_of_a_killed_run_and_those_in_files_of_their_own_are_read(
    make_run: Callable[..., Path], disorder: Callable[..., tuple[Event, ...]]
) -> None:
    folder = make_run(OK, BAD, timelines={OK.scenario: disorder(), BAD.scenario: disorder(accepted=False)})
    run = runs.load(folder)
    file = folder / run.results[OK.scenario].timeline.partition(":")[0]
    assert run.results[BAD.scenario].timeline.startswith(f"timelines/{file.name}:")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines) + lines[0][:-20])  # killed while it wrote a third
    assert [run.timeline(run.results[one.scenario]) for one in (OK, BAD)] == [disorder(), disorder(accepted=False)]
    (folder / "timelines" / "own.json").write_bytes(lines[1])
    assert run.timeline(msgspec.structs.replace(OK, timeline="timelines/own.json")) == disorder(accepted=False)


def test_a_timeline_that_is_gone_torn_or_elsewhere_is_one_line(
    make_run: Callable[..., Path], disorder: Callable[..., tuple[Event, ...]]
) -> None:
    folder = make_run(OK, timelines={OK.scenario: disorder()})
    run = runs.load(folder)
    result = run.results[OK.scenario]
    path = folder / result.timeline.partition(":")[0]
    content = json.loads(path.read_bytes())
    for altered, said in [
        ("{", "is not a record"),
        (json.dumps(content | {"format": 3}), "has format 3"),
        (None, "cannot be read (No such file"),
    ]:
        path.write_text(altered) if altered else path.unlink()
        with pytest.raises(FinwaitError) as error:
            run.timeline(result)
        assert said in _one_line(error)
    with pytest.raises(FinwaitError, match="lies outside of its run folder"):
        run.timeline(msgspec.structs.replace(result, timeline="../../../etc/passwd"))
