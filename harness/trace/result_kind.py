"""What a recorded result is to whoever looks at a kernel: news, or known, or nothing to look at. Pure."""

from __future__ import annotations

import enum

from harness.tcp.verdict import Outcome
from harness.trace.records import Result


class ResultKind(enum.StrEnum):
    """What a result is by that which its run was judged by; the most important first."""

    UNEXPECTED = "deviates unexpectedly"
    DEFECT = "known defect"
    SURPRISE = "conforms unexpectedly"
    LOST = "lost"
    KNOWN = "deviates as known"
    UNSUPPORTED = "unsupported"
    CONFORMS = "conforms"

    @property
    def outcome(self) -> Outcome:
        """What the scenario ended with."""
        match self:
            case ResultKind.CONFORMS | ResultKind.SURPRISE:
                return Outcome.CONFORMS
            case ResultKind.UNSUPPORTED:
                return Outcome.UNSUPPORTED
            case ResultKind.LOST:
                return Outcome.LOST
            case ResultKind.UNEXPECTED | ResultKind.DEFECT | ResultKind.KNOWN:
                return Outcome.DEVIATES

    @property
    def fails(self) -> bool:
        """Whether it speaks against the kernel, or against the run."""
        return self in (ResultKind.UNEXPECTED, ResultKind.DEFECT, ResultKind.SURPRISE, ResultKind.LOST)


def kind_of(result: Result) -> ResultKind:
    """What a result is."""
    match Outcome(result.outcome):
        case Outcome.CONFORMS:
            return ResultKind.SURPRISE if result.reason else ResultKind.CONFORMS
        case Outcome.UNSUPPORTED:
            return ResultKind.UNSUPPORTED
        case Outcome.LOST:
            return ResultKind.LOST
        case Outcome.DEVIATES:
            return ResultKind.KNOWN if result.known else ResultKind.DEFECT if result.reason else ResultKind.UNEXPECTED
