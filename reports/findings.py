"""What a result is to whoever looks at a kernel: news, or known, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from harness.tcp.verdict import Outcome
from harness.trace.names import in_any_run
from harness.trace.records import Result
from harness.trace.result_kind import ResultKind, kind_of
from harness.trace.runs import LoadedRun


class Explained(NamedTuple):
    """A result's kind, and why it is so: a reason, what is lacking, what differs; empty for what conforms."""

    kind: ResultKind
    why: str


Reason = Callable[[LoadedRun, Result], Explained | None]
"""What is known of a deviation; None where nothing is."""


def explain(run: LoadedRun, result: Result, reason: Reason) -> Explained:
    """What a result is.

    Args:
        run: that it belongs to.
        result: any.
        reason: asked for deviations alone.
    """
    kind = kind_of(result)
    if result.outcome != Outcome.DEVIATES:
        conforms = result.outcome == Outcome.CONFORMS
        return Explained(kind, _first(result.reason if conforms else result.message))
    if known := reason(run, result):
        return known
    if result.fixed_by:
        return Explained(ResultKind.DEFECT, f"kernels without {result.fixed_by} do")
    if kind is ResultKind.UNEXPECTED:
        return Explained(kind, _seen(result))
    return Explained(kind, result.reason or "the run was told so, and not why")


def unexplained(_: LoadedRun, __: Result) -> None:
    """No deviation is known but those that the run itself knew."""


def _seen(result: Result) -> str:
    """What differs, in a line."""
    if result.evidence is None:
        return _first(result.message)
    return "; ".join(map(str, result.evidence.differences)) or f"observed {result.evidence.observed}"


def _first(message: str) -> str:
    return in_any_run(message.strip().partition("\n")[0])
