"""The main job: shows what kernels do with a FIN that the ACK of the other side's FIN overtook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from harness.kernels.cache import Cache
from harness.kernels.spec import KernelSpec
from harness.matrix import Found, run_on, show_failures
from harness.runfolder import new_name
from harness.timeline import Called, Event, Sent
from harness.verdict import Outcome
from reports.ladder import ladder
from reports.lines import show, width_of
from reports.runs import LoadedRun
from reports.table import summary, table

AFFECTED = "uml:5.10"
"""The kernel that is set beside the running one: small, prebuilt, and it drops the FIN."""

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


def reproduce(specs: Sequence[KernelSpec], checkout: Path, parent: Path, cache: Cache, console: Console) -> Found:
    """Run the selection on each kernel; the run folders lie together in a new folder below ``parent``.

    Raises:
        FinwaitError: the folder cannot be made.
    """
    return run_on(specs, checkout, parent / new_name("reproduce"), SELECTION, cache, console)


def present(found: Found, console: Console) -> int:
    """Print the table, and the ladder of one disorder: the first that deviates, else the first that conforms.

    Returns:
        The exit status: 0 when every verdict was reached, whatever it was, else 1.
    """
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
    show_failures(found, console)
    return 0 if found.complete else 1


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
