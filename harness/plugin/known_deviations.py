"""Which deviations are known: by the commit that fixes them, or by a baseline."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from harness.plugin.baseline import Baseline, hold, load
from harness.tcp.verdict import Outcome
from harness.trace.records import Result


@dataclass(frozen=True, slots=True)
class KnownDeviations:
    """What is known before a run.

    Args:
        fixes: whether a scenario that names a fixing commit may deviate: the harness is tested, not the kernel.
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


def known_of(config: pytest.Config) -> KnownDeviations:
    """What the options say is known of the kernel.

    Raises:
        FinwaitError: a baseline cannot be read.
    """
    release = os.uname().release
    strict = load(config.option.baseline).on(release) if config.option.baseline else None
    if not config.option.known_deviations:
        return KnownDeviations(strict=strict)
    folder = config.rootpath / "scenarios" / "baselines"
    tolerated = [load(path).on(release) for path in sorted(folder.glob("*.toml"))]
    return KnownDeviations(fixes=True, tolerated=tolerated, strict=strict)
