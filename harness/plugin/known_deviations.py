"""Which deviations are known: by the commit that mends them, or by a baseline. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.plugin.baseline import Baseline, hold
from harness.tcp.verdict import Outcome
from harness.trace.records import Result


@dataclass(frozen=True, slots=True)
class KnownDeviations:
    """What is known before a run.

    Args:
        fixes: whether a scenario that names a mending commit may deviate: the harness is tested, not the kernel.
        tolerated: baselines whose entries may deviate, and may conform as well.
        strict: the baseline that the run is held against: what it names must deviate as it says. None for no such.
    """

    fixes: bool = False
    tolerated: Sequence[Baseline] = ()
    strict: Baseline | None = None

    def known_reason(self, result: Result) -> str:
        """Why a deviation is known; empty where it is not, or where the scenario did not deviate."""
        if result.outcome != Outcome.DEVIATES:
            return ""
        for baseline in (*self.tolerated, *([self.strict] if self.strict else [])):
            entry = next((one for one in baseline.entries if one.names(result.scenario)), None)
            if entry and not hold(baseline, [result], complete=False):
                return entry.reason
        if self.fixes and result.fixed_by:
            return f"deviates, as kernels without {result.fixed_by} do"
        return ""

    def unexpected_pass(self, result: Result) -> str:
        """Why a scenario that conforms fails all the same: it is known to deviate; empty where nothing is wrong."""
        if self.strict is None or result.outcome != Outcome.CONFORMS:
            return ""
        return next((violation.what for violation in hold(self.strict, [result], complete=False)), "")
