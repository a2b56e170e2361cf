"""The main job: shows what kernels do with a FIN that the ACK of the other side's FIN overtook."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness.errors import FinwaitError
from harness.kernels.cache import Cache
from harness.kernels.spec import KernelSpec
from harness.matrix import KernelRun, pytest_job, run_matrix
from harness.runfolder import make_folder
from harness.timeline import Called, Event, Sent
from harness.verdict import Outcome
from reports.ladder import ladder
from reports.lines import show, width_of
from reports.runs import LoadedRun, load
from reports.table import summary, table

ENDINGS = (
    "close",
    "shutdown_wr",
    "shutdown_rdwr",
    "shutdown_wr_then_close",
    "close_with_long_linger2",
    "close_with_long_fin_timeout",
)
DISORDER = "scenarios/closing/test_disorder.py::test_fin_overtaken_by_its_ack_is_acknowledged"
ORDER = "scenarios/closing/test_orders.py::test_fin_that_crosses_the_servers_is_acknowledged"
SELECTION = tuple(f"{test}[{ending}-IPv4-TS]" for test in (DISORDER, ORDER) for ending in ENDINGS)
"""The scenarios that are shown: all endings, the disorder and the order in which the segments were sent."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came out: the kernels that finished, and why others did not."""

    runs: tuple[LoadedRun, ...]
    failures: tuple[str, ...]

    @property
    def exit_status(self) -> int:
        """0 when every verdict was reached, whatever it was."""
        lost = any(result.outcome == Outcome.LOST for run in self.runs for result in run.results.values())
        return 1 if self.failures or lost or not self.runs else 0


def reproduce(
    specs: Sequence[KernelSpec], checkout: Path, parent: Path, cache: Cache, console: Console
) -> Reproduction:
    """Run the selection on each kernel; the run folders lie together in a new folder below ``parent``."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    output = make_folder(parent / f"reproduce-{stamp}-{os.getpid()}").absolute()
    with console.status("") as status:

        def progress(spec: KernelSpec, text: str) -> None:
            status.update(f"{spec.name}: {text}")

        ended = run_matrix(specs, lambda spec: pytest_job(spec, checkout, output, SELECTION), cache, progress)
    runs, failures = [], []
    for one in ended:
        try:
            runs.append(load(one.folder))
        except FinwaitError as error:
            failures.append(f"{one.spec.name}: {one.lost or _said(one) or error}")
    return Reproduction(tuple(runs), tuple(failures))


def _said(one: KernelRun) -> str:
    """The last line of a pytest that never got as far as a run folder."""
    lines = [line for line in one.run.console if line.strip()] if one.run else []
    return lines[-1].removeprefix("ERROR: ") if lines else ""


def present(found: Reproduction, console: Console) -> None:
    """Print the table and the ladder of one disorder: the first that deviates, else the first that conforms."""
    if found.runs:
        show(console, table(found.runs, width=width_of(console)))
    chosen = _telling(found.runs)
    if chosen:
        run, scenario = chosen
        console.print()
        title = f"[bold]{scenario.rpartition('::')[2]}[/bold] on {run.name}, in ms since the server's call:"
        console.print(title, soft_wrap=True)
        events, zero = _from_the_ending(run.timeline(run.results[scenario]))
        console.print(ladder(events, zero=zero, width=width_of(console), kernel=run.name))
    console.print()
    for run in found.runs:
        show(console, [summary(run)])
    for failure in found.failures:
        console.print(f"[bold magenta]lost[/bold magenta] {failure}", soft_wrap=True, highlight=False)


def _telling(runs: Sequence[LoadedRun]) -> tuple[LoadedRun, str] | None:
    disorders = [
        (run, scenario, result.outcome)
        for run in runs
        for scenario, result in run.results.items()
        if scenario.startswith(DISORDER) and result.timeline
    ]
    deviating = [(run, scenario) for run, scenario, outcome in disorders if outcome == Outcome.DEVIATES]
    conforming = [(run, scenario) for run, scenario, _ in disorders if "[shutdown_rdwr" in scenario]
    return next(iter(deviating + conforming), None)


def _from_the_ending(events: Sequence[Event]) -> tuple[list[Event], int]:
    """The part of a timeline that the ending begins, without the handshake before it."""
    handshake_over = max(
        (event.at for event in events if isinstance(event, Called) and "accept" in event.call), default=0
    )
    rest = [event for event in events if event.at > handshake_over]
    begin = next((event.at for event in rest if isinstance(event, Called | Sent)), handshake_over)
    return [event for event in rest if event.at >= begin], begin
