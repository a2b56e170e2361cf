"""What ``finwait mutate --kernel-source`` says of a change: a list of verdicts stands for the changed kernel's."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli.kernel_mutants import MutantTrial, try_all
from harness.code.index import CodeFile, CodeFunction, CodeIndex, packed
from harness.code.mutants import drawn
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.sources import Sources
from harness.run.jobs import Task
from harness.run.request import KernelReply
from harness.trace.folder import RunFolder
from harness.trace.records import Result
from harness.trace.runs import LoadedRun, load
from tests.conftest import run_record
from tests.patch.conftest import TCP

FILE = "net/ipv4/tcp.c"
NAMES = tuple(f"t.py::test_{number:03}" for number in range(100))


def run_of(folder: Path, names: Sequence[str], last: str) -> LoadedRun:
    """A run of some of the names, in which all conform, but for the last of them all."""
    made = RunFolder.create(folder.parent, name=folder.name)
    made.write_run(run_record(planned=tuple(names)))
    for name in names:
        made.append_result(Result(scenario=name, outcome=last if name == NAMES[-1] else "conforms"))
    return load(folder)


class ChangedKernel:
    """Whom tasks are given to, and on whom the last of the scenarios ends so."""

    at_once = 1

    def __init__(self, checkout: Path, last: str) -> None:
        self.checkout = checkout
        self.asked: list[int] = []
        self._last = last

    def ask(self, tasks: Sequence[Task], *, more: bool = False) -> list[KernelReply]:  # noqa: ARG002
        for task in tasks:
            names = [name for name in NAMES if name in task.request.arguments]
            self.asked.append(len(names))
            run_of(task.folder, names, self._last)
        return [KernelReply(status=0) for _ in tasks]


@pytest.mark.parametrize(
    ("last", "status", "fate"), [("conforms", 1, "not noticed"), ("deviates", 0, "noticed")], ids=["alike", "otherwise"]
)
def test_all_that_reach_a_line_are_asked_in_stages(
    tarball: Path, cache: Cache, tmp_path: Path, last: str, status: int, fate: str
) -> None:
    (tmp_path / "t.py").touch()
    code = CodeFile((CodeFunction("tcp_rcv", 2, 7),), {4: 0})
    index = CodeIndex("uml-virtual:7.2", NAMES, {FILE: code}, (packed(2 ** len(NAMES) - 1),))
    kernel = ChangedKernel(tmp_path, last)
    before = run_of(tmp_path / "before", NAMES, "conforms")
    trial = MutantTrial(kernel, Sources.of_tarball(tarball, cache), cache, before, index)
    texts = {FILE: TCP}
    out = io.StringIO()
    assert (
        try_all(trial, drawn(index, texts, 1, seed=1), texts, tmp_path / "run", Console(file=out, width=200)) == status
    )
    assert out.getvalue().splitlines() == [
        f"{fate}: {FILE}:4 (comparison) if (segment > 1) -> if (segment >= 1)",
        f"{status ^ 1} of 1 changes of the kernel were noticed",
    ]
    assert kernel.asked == [50, 50]
