"""A run as GitHub Actions take it: annotations on the output, and a summary of the job in Markdown. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from harness.ci.wording import headline, place_of
from harness.trace.records import Result
from harness.trace.result_kind import ResultKind, kind_of
from harness.trace.runs import LoadedRun

_SHOWN = 10  # annotations of a kind that GitHub shows of one step
_ROWS = 100  # a summary may have a mebibyte


def notes(run: LoadedRun) -> Iterator[str]:
    """A line for each of the first that fail."""
    for result in _failing(run)[:_SHOWN]:
        path, line = place_of(result)
        title = f"{run.name}: {result.scenario.rpartition('::')[2]}"
        where = f"file={_property(path)},line={line},title={_property(title)}"
        yield f"::error {where}::{_data(f'{headline(result)}{chr(10)}{result.message}')}"


def summary(run: LoadedRun, verdict: str) -> str:
    """A section of the job's summary: the verdict, how many results of each kind, what fails, and what is known."""
    counts = Counter(kind_of(result) for result in run.results.values())
    parts = [f"## finwait on {_cell(run.name)}", _cell(verdict), _table("result", "scenarios", counts.items())]
    if failing := _failing(run):
        why = ((f"<code>{_cell(one.scenario)}</code>", _cell(headline(one))) for one in failing[:_ROWS])
        parts += ["### What fails", _table("scenario", "why", why)]
        parts += [f"... and {len(failing) - _ROWS} more"] if len(failing) > _ROWS else []
    known = Counter(one.reason for one in run.results.values() if kind_of(one) is ResultKind.KNOWN)
    if known:
        rows = [(_cell(reason), count) for reason, count in known.most_common()]
        parts += ["<details><summary>Known deviations</summary>", _table("reason", "scenarios", rows), "</details>"]
    return "\n\n".join(parts) + "\n\n"


def _failing(run: LoadedRun) -> Sequence[Result]:
    """The most important first."""
    order = {kind: place for place, kind in enumerate(ResultKind)}
    failing = [one for one in run.results.values() if kind_of(one).fails]
    return sorted(failing, key=lambda one: order[kind_of(one)])


def _table(first: str, second: str, rows: Iterable[tuple[object, object]]) -> str:
    lines = [f"| {first} | {second} |", "|---|---|", *(f"| {one} | {other} |" for one, other in rows)]
    return "\n".join(lines)


def _cell(text: str) -> str:
    """A text as a cell of a table, where no markup of a kernel's or a capture's counts."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "\\|")
    return " ".join(escaped.split())


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
