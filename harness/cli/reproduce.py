"""The main job: shows what kernels do with a FIN that the ACK of the other side's FIN overtook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from harness.cli.matrix import show_failures
from harness.kernels.supply.spec import KernelSpec
from harness.run.matrix import Found, run_on
from harness.run.workers import on_this_machine
from harness.tcp.verdict import Outcome
from harness.trace.events import Called, Event, Sent
from harness.trace.runs import LoadedRun
from reports import incident
from reports.ladder import ladder
from reports.lines import show, width_of
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
FORGED = tuple(f"{test}[{ending}-IPv4-TS]" for test in (DISORDER, ORDER) for ending in ENDINGS)
SELECTION = (*FORGED, *incident.SELECTION)
"""The scenarios that are shown over all endings: the disorder, the order in which the segments were sent, and the
incident between two real kernels."""


QUESTION = """\
A server has sent its FIN. On the way, the client's FIN and the client's ACK of the server's FIN change places.
accepted: the kernel takes the FIN. challenged: it drops the FIN and answers with a challenge ACK (docs/disorder.md).
"""
NEXT = """\
next: judge this kernel      .venv/bin/python -m harness run -n auto
      write a scenario       docs/scenarios.md
      the incident in full   docs/incident.md"""


def reproduce(specs: Sequence[KernelSpec], checkout: Path, folder: Path, console: Console) -> Found:
    """Run the selection on each kernel; a new folder is made of ``folder``, for the run folders.

    Raises:
        FinwaitError: the folder cannot be made.
    """
    return run_on(specs, folder, SELECTION, on_this_machine(checkout, console))


def present(found: Found, console: Console) -> int:
    """Print what a crafted peer sees, then what it costs a real one: a table and a ladder of each.

    The ladder is of the first scenario that deviates, else of one that conforms.

    Returns:
        The exit status: 0 when every verdict was reached, whatever it was, else 1.
    """
    width = width_of(console)
    if found.runs:
        console.print(QUESTION)
        show(console, table([_forged(run) for run in found.runs], width=width))
    if chosen := _telling(found.runs, DISORDER):
        run, events = _title(*chosen, console)
        events, zero = _from_the_ending(events)
        show(console, ladder(events, zero=zero, kernel=run.name, brief=True).lines(width))
    if chosen := _telling(found.runs, incident.SCENARIO):
        console.print()
        show(console, incident.incident_table(found.runs))
        run, events = _title(*chosen, console)
        show(console, incident.incident_ladder(events, brief=True).lines(width))
    console.print()
    for run in found.runs:
        show(console, [summary(run)])
    show_failures(found, console)
    console.print(NEXT)
    return 0 if found.complete else 1


def _forged(run: LoadedRun) -> LoadedRun:
    """A run as if it had been of the crafted peer's scenarios alone."""
    return replace(run, results={name: run.results[name] for name in run.results if name.startswith((DISORDER, ORDER))})


def _title(run: LoadedRun, scenario: str, console: Console) -> tuple[LoadedRun, Sequence[Event]]:
    """Say which scenario comes, and give its events."""
    console.print()
    show(console, [[(scenario.rpartition("::")[2], "bold"), (f" on {run.name}, times in ms", "")]])
    return run, run.timeline(run.results[scenario])


def _telling(runs: Sequence[LoadedRun], test: str) -> tuple[LoadedRun, str] | None:
    disorders = [
        (run, scenario, result.outcome)
        for run in runs
        for scenario, result in run.results.items()
        if scenario.startswith(test) and result.timeline
    ]
    deviating = [(run, scenario) for run, scenario, outcome in disorders if outcome == Outcome.DEVIATES]
    conforming = [(run, scenario) for run, scenario, _ in disorders if "[shutdown_rdwr" in scenario]
    return next(iter(deviating + conforming), None)


def _from_the_ending(events: Sequence[Event]) -> tuple[list[Event], int]:
    """The part of a timeline that the ending begins, without the handshake before it."""
    handshake_over = max(
        (event.at for event in events if isinstance(event, Called) and event.name == "accept"), default=0
    )
    rest = [event for event in events if event.at > handshake_over]
    begin = next((event.at for event in rest if isinstance(event, Called | Sent)), handshake_over)
    return [event for event in rest if event.at >= begin], begin
