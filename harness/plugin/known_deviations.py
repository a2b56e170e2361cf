"""Which deviations are known and pass, which are known and fail, and what a run is judged by."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from harness.errors import FinwaitError
from harness.plugin.baseline import Baseline, Known, hold, load
from harness.tcp.verdict import Outcome
from harness.trace.records import Result


@dataclass(frozen=True, slots=True)
class KnownDeviations:
    """What is known before a run.

    Args:
        fixes: whether a scenario that names a fixing commit may deviate: the harness is tested, not the kernel.
        tolerated: baselines whose entries may deviate.
        defects: baselines whose entries are known and fail all the same: a better kernel has them no more.
        strict: baselines whose entries must deviate as they say.
        judged_by: what decides, for the last line of a run.
    """

    fixes: bool = False
    tolerated: Sequence[Baseline] = ()
    defects: Sequence[Baseline] = ()
    strict: Sequence[Baseline] = ()
    judged_by: str = "the RFCs alone"

    def known_reason(self, result: Result) -> str:
        """Why a deviation is known and passes; empty where it does not, or where the scenario did not deviate."""
        if result.outcome != Outcome.DEVIATES:
            return ""
        if entry := entry_for(self.tolerated, result):
            return entry.told
        return f"deviates, as kernels without {result.fixed_by} do" if self.fixes and result.fixed_by else ""

    def why_it_fails(self, result: Result) -> str:
        """What is known of a result that fails: the defect that deviates, or that what conforms is known to deviate.

        Empty where nothing is, as it is of every deviation and every loss that nobody expects.
        """
        if result.outcome == Outcome.DEVIATES:
            if entry := entry_for(self.defects, result):
                return entry.told
            return f"a defect, fixed by {result.fixed_by}" if result.fixed_by else ""
        if result.outcome == Outcome.CONFORMS:
            found = (one.what for baseline in self.strict for one in hold(baseline, [result], complete=False))
            return next(found, "")
        return ""


def entry_for(baselines: Sequence[Baseline], result: Result) -> Known | None:
    """The first entry that explains a deviation; None where none does."""
    return next((one for baseline in baselines for one in baseline.entries if one.explains(result)), None)


def known_of(config: pytest.Config) -> KnownDeviations:
    """What the options say is known of the kernel, and what is to fail.

    Raises:
        FinwaitError: a baseline cannot be read, or the options contradict each other.
    """
    option, release = config.option, os.uname().release
    others = [name for name in ("baseline", "known_deviations", "strict") if getattr(option, name)]
    if option.rfc and others:
        other = others[0].replace("_", "-")
        raise FinwaitError(f"--rfc and --{other} contradict each other", why="by the RFCs alone nothing is known")
    if option.rfc:
        return KnownDeviations()
    folder = config.rootpath / "scenarios" / "baselines"
    listed = [load(path).on(release) for path in sorted(folder.glob("*.toml"))]
    exactly = [load(option.baseline).on(release)] if option.baseline else []
    if option.known_deviations:
        strict = exactly or (listed if option.strict else ())
        return KnownDeviations(True, [*listed, *exactly], (), strict, "Linux's design, defects let pass")
    if exactly:
        return KnownDeviations(tolerated=exactly, strict=exactly, judged_by=f"exactly {option.baseline.name}")
    if not listed:
        return KnownDeviations()
    may, mended = zip(*(one.parted() for one in listed), strict=True)
    strict = listed if option.strict else ()
    return KnownDeviations(False, may, mended, strict, f"Linux's design{', strictly' if option.strict else ''}")
