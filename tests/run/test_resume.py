"""Going on with a run that ended early: only the rest is asked, and never of what was asked otherwise."""

from __future__ import annotations

import fcntl
import io
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from harness.cli import main as cli
from harness.errors import FinwaitError
from harness.kernels.supply.spec import parse
from harness.run.jobs import Task
from harness.run.matrix import Found, run_on
from harness.run.parts import ask_in_parts, join
from harness.run.request import KernelReply, Request
from harness.run.resume import ASKED, RunAsked
from harness.run.workers import on_this_machine
from harness.trace.folder import CHECKOUT
from harness.trace.runs import load
from netns import privilege
from tests.run.test_parts import PLANNED, left_by_a_part

HOST = parse("host")
ENDS_EARLY = """
import os
import signal
from pathlib import Path

RAN = Path(__file__).with_name("ran.txt")

def begun(name):
    before = RAN.read_text().split() if RAN.exists() else []
    RAN.write_text(" ".join([*before, name]))
    return name in before

def test_one_that_is_judged(established):
    begun("one")
    assert False, "as it should"

def test_another(established):
    if not begun("another"):
        os.kill(os.getpid(), signal.SIGKILL)

def test_one_that_comes_after(established):
    begun("after")
"""


class Booted:
    """Whom tasks are given to, and who does what each test says."""

    checkout = CHECKOUT
    at_once = 2

    def __init__(self) -> None:
        self.asked: list[Task] = []

    def ask(self, tasks: Sequence[Task], *, more: bool = False) -> list[KernelReply]:  # noqa: ARG002
        self.asked += tasks
        return [KernelReply(status=0) for _ in tasks]


def task(folder: Path) -> Task:
    return Task(parse("uml-virtual:7.2"), folder / "kernel", Request(kernel="a", timing="virtual", arguments=()))


@pytest.mark.skipif(not privilege.has_capabilities(), reason="network namespaces need root or a user namespace")
def test_run_that_was_gone_on_with_is_what_it_would_have_been(tmp_path: Path) -> None:
    (tmp_path / "test_early.py").write_text(ENDS_EARLY)

    def run(*, resume: bool) -> Found:
        asked = on_this_machine(CHECKOUT, Console(file=io.StringIO()))
        return run_on([HOST], tmp_path / "out", [str(tmp_path / "test_early.py")], asked, resume=resume)

    assert not run(resume=False).complete
    for ended in range(2):  # what is at its end is asked nothing
        found = run(resume=True)
        assert (found.failures, found.complete) == ((), True), ended
        (gone_on,) = found.runs
        assert [result.outcome for result in gone_on.results.values()] == ["deviates", "conforms", "conforms"]
        assert all(gone_on.timeline(result) for result in gone_on.results.values())
        assert (tmp_path / "ran.txt").read_text() == "one another another after"
        assert sorted(path.name for path in found.folder.iterdir()) == [ASKED, "host"]
    assert not [one for one in gone_on.record.arguments if one.startswith("--done")]


def test_parts_that_nobody_joined_are_taken_and_the_rest_is_parted_anew(tmp_path: Path) -> None:
    left_by_a_part(tmp_path / ".kernel", 1, ("a",), started="2026-11-27T02:00:01Z")
    left_by_a_part(tmp_path / ".kernel", 2, ("c",), started="2026-11-27T02:00:02Z")
    workers = Booted()
    assert ask_in_parts(workers, [task(tmp_path)], 2) == [[KernelReply(status=0)] * 2]
    assert [(one.request.part, one.request.done) for one in workers.asked] == [
        ((number, 2), ("a", "c")) for number in (1, 2)
    ]
    outcomes = {name: result.outcome for name, result in load(tmp_path / "kernel").results.items()}
    assert outcomes == {"a": "conforms", "b": "lost", "c": "conforms", "d": "lost"}


def test_run_that_died_while_its_parts_were_joined_loses_nothing(tmp_path: Path) -> None:
    left_by_a_part(tmp_path / ".kernel", 1, ("a",), started="2026-11-27T02:00:01Z")
    join(tmp_path / ".kernel", tmp_path / "kernel")
    (tmp_path / "kernel" / "run.json").unlink()
    left_by_a_part(tmp_path / ".kernel", 2, ("b",), started="2026-11-27T02:00:02Z")
    workers = Booted()
    ask_in_parts(workers, [task(tmp_path)], 1)
    assert workers.asked[0].request.done == ("a", "b")


def test_run_that_died_before_its_first_record_is_asked_anew(tmp_path: Path) -> None:
    (tmp_path / "kernel").mkdir()
    workers = Booted()
    ask_in_parts(workers, [task(tmp_path)], 1)
    assert [one.request.done for one in workers.asked] == [()]


def test_kernel_that_has_all_its_results_is_not_asked(tmp_path: Path) -> None:
    left_by_a_part(tmp_path / ".kernel", 1, PLANNED, started="2026-11-27T02:00:01Z")
    workers = Booted()
    assert ask_in_parts(workers, [task(tmp_path)], 2) == [[]]
    assert workers.asked == []
    assert {result.outcome for result in load(tmp_path / "kernel").results.values()} == {"conforms"}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"version": "0.0.7"}, "finwait 0.0.7 made it, and this is "),
        ({"kernels": ("uml:5.10",)}, "it asks uml:5.10, and not host"),
        ({"arguments": ("matrix", "-k", "other")}, "it was asked otherwise: matrix -k other"),
        ({"files": ("another",)}, "host is another kernel now"),
        ({"judges": "another"}, "the scenarios or the harness were changed since"),
    ],
)
def test_run_that_was_asked_otherwise_is_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, object], why: str
) -> None:
    scenario = str(CHECKOUT / "scenarios" / "closing" / "test_disorder.py")
    asked = msgspec.structs.replace(RunAsked.of("matrix", [HOST], [scenario]), **changed)
    (tmp_path / ASKED).write_bytes(msgspec.json.encode(asked))
    with pytest.raises(FinwaitError, match="cannot be gone on with") as refused:
        run_on([HOST], tmp_path, [scenario], on_this_machine(CHECKOUT, Console()), resume=True)
    assert refused.value.why.startswith(why)
    assert capsys.readouterr() == ("", "")


def test_folder_of_no_such_run_is_refused_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["matrix", "--kernel=host", f"--resume={tmp_path}"]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path} cannot be gone on with" in said
    assert said.count("\n") == 1
    assert cli.main(["matrix", "--kernel=host", f"--resume={tmp_path}", "--run-name=other"]) == 2
    assert "--resume RUN goes on in RUN" in capsys.readouterr().err


def test_run_that_is_going_on_is_refused(tmp_path: Path) -> None:
    asked = RunAsked.of("matrix", [HOST], [])
    (tmp_path / ASKED).write_bytes(msgspec.json.encode(asked))
    with (tmp_path / ASKED).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(FinwaitError, match="not at its end yet"):
            run_on([HOST], tmp_path, [], on_this_machine(CHECKOUT, Console()), resume=True)
