"""What a recorded result is to whoever looks at a kernel: news, or known, or nothing to look at. Pure."""

from __future__ import annotations

import enum

from harness.tcp.verdict import Outcome
from harness.trace.records import Result


class Standing(enum.StrEnum):
    """What a result is by that which its run was judged by; the most important first."""

    UNEXPECTED = "deviates unexpectedly"
    DEFECT = "known defect"
    SURPRISE = "conforms unexpectedly"
    LOST = "lost"
    KNOWN = "deviates as known"
    UNSUPPORTED = "unsupported"
    CONFORMS = "conforms"

    @property
    def fails(self) -> bool:
        """Whether it speaks against the kernel, or against the run."""
        return self in (Standing.UNEXPECTED, Standing.DEFECT, Standing.SURPRISE, Standing.LOST)


def standing_of(result: Result) -> Standing:
    """What a result is."""
    match Outcome(result.outcome):
        case Outcome.CONFORMS:
            return Standing.SURPRISE if result.reason else Standing.CONFORMS
        case Outcome.UNSUPPORTED:
            return Standing.UNSUPPORTED
        case Outcome.LOST:
            return Standing.LOST
        case Outcome.DEVIATES:
            return Standing.KNOWN if result.known else Standing.DEFECT if result.reason else Standing.UNEXPECTED
