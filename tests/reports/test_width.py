"""No text of a report is wider than 80 columns, piped or not, but a ladder whose segments need more."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli.matrix import present
from harness.cli.show import print_findings
from harness.model import requirements
from harness.run.matrix import Found
from harness.trace.events import Event
from harness.trace.records import Result
from harness.trace.runs import LoadedRun, load
from reports import coverage
from reports.compare import compare, render
from reports.findings import unexplained
from reports.lines import show, width_of

MakeRun = Callable[..., Path]
LONG = (
    "scenarios/closing/test_disorder.py::test_fin_overtaken_by_its_acknowledgment_is_acknowledged_at_once"
    "[shutdown_wr-IPv4-noTS-behind_a_full_window_of_out_of_order_segments_and_a_reordered_acknowledgment-{}]"
)
WHY = "tcp_validate_incoming() sends a challenge ACK, as RFC 5961 asks for, where RFC 9293 asks for nothing at all; "


@pytest.fixture
def runs(make_run: MakeRun, disorder: Callable[..., tuple[Event, ...]]) -> list[LoadedRun]:
    """Two kernels with long names, of which one deviates; and what has no verdict says so at length."""
    path = Path("a-folder-with-a-name-of-some-length", "below-another-one-of-some-length", "and-a-third")

    def run(name: str, outcome: str, *, accepted: bool) -> LoadedRun:
        cases = [
            Result(scenario=LONG.format(number), outcome=outcome, message=WHY * 3, reason=WHY * 3)
            for number in range(2)
        ]
        none = [
            Result(scenario=LONG.format(kind), outcome=kind, message=WHY * 3, requirements=("RFC9293-E-17",))
            for kind in ("unsupported", "lost")
        ]
        kept = {LONG.format(0): disorder(accepted, timestamps=False)}
        made = make_run(*cases, *none, name=str(path / name), timelines=kept, kernel_name=f"uml-virtual:{name}" * 2)
        with (made / "results.jsonl").open("ab") as file:
            file.write(b'{"scenario":"x')
        return load(made)

    return [run("5.10", "conforms", accepted=True), run("7.2", "deviates", accepted=False)]


def _matrix(runs: list[LoadedRun], console: Console, folder: Path) -> None:
    present(Found(folder, tuple(runs), failures=(f"uml-virtual:6.12: {WHY * 2}",)), console, every=True)


VERBS: dict[str, Callable[[list[LoadedRun], Console, Path], object]] = {
    "matrix": _matrix,
    "compare": lambda runs, console, _: render(compare(*runs), console),
    "show": lambda runs, console, _: print_findings(runs[1], unexplained, console),
    "coverage": lambda runs, console, _: show(
        console, coverage.table(coverage.coverage(runs * 2, requirements.load(), {}), width_of(console))
    ),
}


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("verb", VERBS)
def test_nothing_is_wider_than_80_columns(
    runs: list[LoadedRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, *, terminal: bool
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    file = io.StringIO()
    VERBS[verb](runs, Console(file=file, force_terminal=terminal, color_system=None), Path())
    written = file.getvalue().splitlines()
    assert [line for line in written if len(line) > 80] == []
    assert len(written) > 8
