"""The incident as a table, a server's ending to a row and a kernel to a column, and as a ladder of three lanes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.tcp.segment import FIN
from harness.tcp.verdict import Outcome
from harness.trace.events import Called, Event, Forwarded, Probed
from harness.trace.names import in_words
from harness.trace.records import Result
from harness.trace.runs import LoadedRun, titles
from reports.grid import Cell, Grid, Section
from reports.ladder import Ladder, ladder
from reports.lines import OUTCOME_STYLES, Line, short_ms

SCENARIO = "scenarios/incident/test_incident.py::test_closing_at_the_same_moment_takes_no_retransmission"
NGINX = "scenarios/incident/test_nginx.py::"
SELECTION = tuple(
    f"{SCENARIO}[{ending}-IPv4-TS]"
    for ending in (
        "close",
        "shutdown_wr",
        "shutdown_rdwr",
        "shutdown_wr_then_close",
        "close_with_long_linger2",
        "close_with_long_fin_timeout",
    )
)
"""The scenarios that show the incident in short: all endings of the server, over IPv4 with timestamps."""

_OPENING = ("listen", "accept", "connect")
_WORST_FIRST = (Outcome.LOST, Outcome.DEVIATES, Outcome.UNSUPPORTED, Outcome.CONFORMS)
HEADING = "ms from the client's FIN until both sockets are gone or in TIME-WAIT:"


def incident_table(runs: Sequence[LoadedRun]) -> list[Line]:
    """How long closing took, by the server's ending and by kernel; over IPv4 and IPv6, with and without timestamps.

    An ending that a server chose by itself stands with what it was seen to call. A cell says how often the client had
    to send its FIN again.

    Args:
        runs: one a kernel, in the order of the columns; other scenarios in them are passed over.
    """
    ours: dict[str, None] = {}
    server: dict[str, None] = {}
    for run in runs:
        for scenario, result in run.results.items():
            if scenario.startswith(SCENARIO):
                ours[_ending(run, result)] = None
            elif scenario.startswith(NGINX):
                server[_ending(run, result)] = None
    sections = [
        Section(title, tuple(_row(name, runs) for name in rows))
        for title, rows in (("", ours), ("nginx, without keepalive", server))
        if rows
    ]
    grid = Grid(("server's ending", *titles(runs)), tuple(sections))
    return [[(HEADING, "")], *grid.lines()]


def _row(name: str, runs: Sequence[LoadedRun]) -> tuple[Cell, ...]:
    return ((name, ""), *(_cell([r for r in run.results.values() if _is_about(run, r, name)]) for run in runs))


def _is_about(run: LoadedRun, result: Result, name: str) -> bool:
    return result.scenario.startswith((SCENARIO, NGINX)) and _ending(run, result) == name


def _ending(run: LoadedRun, result: Result) -> str:
    """What the server's ending is called in the table."""
    if result.scenario.startswith(SCENARIO):
        return in_words(result.params.get("end", "?"))
    asked = "with a body" if result.params.get("body", "body") not in ("", "None") else "without a body"
    seen = [event.details for event in run.timeline(result) if isinstance(event, Probed) and event.source == "nginx"]
    called = f": {seen[0].get('call', '?')}" if seen else ""
    return f"lingering_close {result.params.get('lingering_close', '?')}, request {asked}{called}"


def _cell(results: Sequence[Result]) -> Cell:
    """The range of the times, with how often the FIN was sent again, in the colour of the worst outcome."""
    if not results:
        return "not run", "dim"
    outcomes = {Outcome(result.outcome) for result in results}
    worst = next(
        one for one in (Outcome.LOST, Outcome.DEVIATES, Outcome.UNSUPPORTED, Outcome.CONFORMS) if one in outcomes
    )
    times = [result.answer_ns for result in results if result.answer_ns >= 0 and result.answer]
    if not times:
        return str(worst), OUTCOME_STYLES[worst]
    again = max(result.counters.get("TcpRetransSegs", 0) for result in results)
    note = f"  FIN sent again {'once' if again == 1 else f'{again} times'}" if again else ""
    doubt = f"  ({worst})" if worst is Outcome.LOST else ""
    return short_ms(min(times), max(times)) + note + doubt, OUTCOME_STYLES[worst]


def incident_ladder(events: Iterable[Event], *, brief: bool = False) -> Ladder:
    """The closing of a connection between client, path and server, in ms since the client's FIN came to the path.

    The part before the closing is left out, and so is what tracepoints saw; with ``brief`` windows and options too.
    """
    ordered = sorted(events, key=lambda event: event.at)
    fins = [event for event in ordered if isinstance(event, Forwarded) and event.segment.flags & FIN]
    first = min((event.at for event in fins), default=0)
    zero = next((event.at for event in fins if event.side == "client"), first)
    before = [event.at for event in ordered if isinstance(event, Forwarded) and event.at < first]
    before += [event.end for event in ordered if isinstance(event, Called) and event.name in _OPENING]
    begin = max(before, default=first - 1)
    shown = [event for event in ordered if event.at > begin and not (isinstance(event, Probed) and not event.state)]
    early = [event for event in shown if isinstance(event, Probed) and event.at < first and "WAIT" not in event.state]
    return ladder([event for event in shown if event not in early], zero=zero, brief=brief)
