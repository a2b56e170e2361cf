"""What ``finwait mutate --kernel-source`` says of a change, in place of whose kernel a list of verdicts stands."""

from __future__ import annotations

import io
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from rich.console import Console

from harness.cli import kernel_mutants
from harness.code.index import FILE as INDEX
from harness.code.index import CodeFile, CodeFunction, CodeIndex, packed
from harness.kernels.supply.build import Built
from harness.patch.building import Builds
from harness.run.matrix import Found
from harness.trace.records import Result
from harness.trace.runs import LoadedRun
from tests.conftest import run_record

FILE = "net/ipv4/tcp.c"
NAMES = [f"t.py::test_{number:03}" for number in range(100)]
Mutate = Callable[[str], tuple[int, list[str]]]


def run_of(folder: Path, last: str) -> LoadedRun:
    """A run in which all conform, but for the last of the names."""
    ends = dict.fromkeys(NAMES, "conforms") | {NAMES[-1]: last}
    return LoadedRun(folder, run_record(), {name: Result(scenario=name, outcome=end) for name, end in ends.items()})


@pytest.fixture
def mutate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mutate:
    """Change the one line that there is, on a kernel after which the last scenario ends so; what is printed."""
    before, after = (Built(tmp_path / name, "7.2", "gcc", 0, ()) for name in ("before", "after"))
    for kernel in (before, after):
        (kernel.folder / "code" / "net" / "ipv4").mkdir(parents=True)
        (kernel.folder / "code" / FILE).write_text("\tif (a < b)\n")
        kernel.binary.write_text(kernel.folder.name)
    code = CodeFile((CodeFunction("tcp", 1, 1),), {1: 0})
    index = CodeIndex("uml-virtual:7.2", tuple(NAMES), {FILE: code}, (packed(2 ** len(NAMES) - 1),))
    (tmp_path / INDEX).write_bytes(msgspec.json.encode(index))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, stands_in in {
        "load": lambda folder: run_of(folder, "conforms"),
        "fetch_source": lambda *_: tmp_path / "linux.tar.xz",
        "binary_of": lambda *_: before.binary,
        "Sources": SimpleNamespace(of_tarball=lambda *_: SimpleNamespace(base="")),
        "opener": lambda *_: lambda _: nullcontext(SimpleNamespace(checkout=tmp_path)),
        "builds": lambda *_: Builds(before, after, (FILE,)),
        "spec_of": lambda *_: None,
    }.items():
        monkeypatch.setattr(kernel_mutants, name, stands_in)

    def mutated(last: str) -> tuple[int, list[str]]:
        def run_with(_workers: object, _specs: object, output: Path, given: Sequence[str], **_: bool) -> Found:
            asked = {str(Path(one).relative_to(tmp_path)) for one in given[1:]}
            run = run_of(output, last)
            return Found(output, (LoadedRun(output, run.record, {n: r for n, r in run.results.items() if n in asked}),))

        monkeypatch.setattr(kernel_mutants, "run_with", run_with)
        options = Namespace(
            rest=[],
            kernel_source="uml-virtual:7.2",
            index=tmp_path,
            file=[FILE],
            sample=1,
            seed=1,
            run_dir=None,
            resume=None,
        )
        out = Console(file=io.StringIO(), width=200)
        status = kernel_mutants.mutate_kernel(options, lambda: pytest.fail("fetched"), tmp_path / "run", tmp_path, out)
        return status, out.file.getvalue().splitlines()  # type: ignore[attr-defined]

    return mutated


@pytest.mark.parametrize(
    ("last", "status", "fate"), [("conforms", 1, "not noticed"), ("deviates", 0, "noticed")], ids=["alike", "otherwise"]
)
def test_all_that_reach_a_line_are_asked_in_stages(mutate: Mutate, last: str, status: int, fate: str) -> None:
    change = f"{FILE}:1 (comparison) if (a < b) -> if (a <= b)"
    told = f"{status ^ 1} of 1 changes of the kernel were noticed"
    assert mutate(last) == (status, [f"{fate}: {change}", told])
