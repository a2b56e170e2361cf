"""What a report in another's format says of a result. Pure."""

from __future__ import annotations

import re

from harness.tcp.verdict import Outcome
from harness.trace.names import file_of
from harness.trace.records import Result
from harness.trace.result_kind import ResultKind, kind_of

_PLACE = re.compile(r"(.+):(\d+)(?:,|$)")


def place_of(result: Result) -> tuple[str, int]:
    """File and line to look at: the step that was not met; the file's first line where none is known."""
    found = _PLACE.match(result.evidence.where) if result.evidence else None
    return (found[1], int(found[2])) if found else (file_of(result.scenario), 1)


def headline(result: Result) -> str:
    """What became of a scenario, in a line without its id."""
    kind = kind_of(result)
    said = result.reason or next(iter(result.message.splitlines()), "")
    if kind is ResultKind.UNEXPECTED and result.evidence:
        due = " or ".join(one.what for one in result.evidence.expected)
        said = f"expected {due}, observed {result.evidence.observed.partition(chr(10))[0]}"
    return f"{kind}: {said}" if said and kind is not ResultKind.CONFORMS else str(kind)


def is_missing(result: Result) -> bool:
    """Whether nothing was recorded of a scenario that was planned."""
    return result.outcome == Outcome.LOST and not result.digest
