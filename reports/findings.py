"""What a result is to whoever looks at a kernel: news, or known, and why."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NamedTuple

from harness.tcp.verdict import Outcome
from harness.trace.records import Result
from harness.trace.runs import LoadedRun
from reports.names import in_any_run

Reason = Callable[[LoadedRun, Result], str]
"""Why a deviation is known; empty where it is not."""


class ResultKind(enum.StrEnum):
    """What a result is, the most important first."""

    UNEXPECTED = "deviates unexpectedly"
    LOST = "lost"
    DESIGN = "deviates as known"
    DEFECT = "defect with a known fix"
    UNSUPPORTED = "unsupported"
    CONFORMS = "conforms"


class Explained(NamedTuple):
    """A result's kind, and why it is so: a reason, what is lacking, what differs; empty for what conforms."""

    kind: ResultKind
    why: str


def explain(run: LoadedRun, result: Result, reason: Reason) -> Explained:
    """What a result is.

    Args:
        run: that it belongs to.
        result: any.
        reason: asked for deviations alone.
    """
    match Outcome(result.outcome):
        case Outcome.CONFORMS:
            return Explained(ResultKind.CONFORMS, "")
        case Outcome.UNSUPPORTED:
            return Explained(ResultKind.UNSUPPORTED, _first(result.message))
        case Outcome.LOST:
            return Explained(ResultKind.LOST, _first(result.message))
    why = reason(run, result)
    if result.fixed_by and (why or result.known):
        return Explained(ResultKind.DEFECT, f"kernels without {result.fixed_by} do")
    if why or result.known:
        return Explained(ResultKind.DESIGN, why or "the run was told so, and not why")
    return Explained(ResultKind.UNEXPECTED, _seen(result))


def unexplained(_: LoadedRun, __: Result) -> str:
    """No deviation is known but those that the run itself knew."""
    return ""


def _seen(result: Result) -> str:
    """What differs, in a line."""
    if result.evidence is None:
        return _first(result.message)
    return "; ".join(map(str, result.evidence.differences)) or f"observed {result.evidence.observed}"


def _first(message: str) -> str:
    return in_any_run(message.strip().partition("\n")[0])
