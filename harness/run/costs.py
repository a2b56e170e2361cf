"""What scenarios cost, by the newest runs that are here: by that a run is split into parts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from statistics import mean

from harness.errors import FinwaitError
from harness.kernels.supply.spec import KernelSpec
from harness.trace.folder import RESULTS, default_parent
from harness.trace.runs import load

_NEWEST = 3  # runs; the newest may be of a few scenarios
_DEAR = 4.0  # times the usual: what costs less is not told, since a part has hundreds


def costs_of(spec: KernelSpec) -> Mapping[str, float]:
    """The scenarios that cost a kernel much: how many usual ones each costs.

    By runs on it, or on others that run as it does; none where there are no such runs.
    """
    return _costs(default_parent(), spec.kind)


@cache
def _costs(parent: Path, kind: str) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for path in _runs(parent, kind):
        with suppress(FinwaitError):  # another version's, or removed just now
            found |= {name: one.host_seconds for name, one in load(path.parent).results.items() if one.host_seconds}
    usual = mean(found.values()) if found else 0.0
    return {name: seconds / usual for name, seconds in found.items() if seconds > _DEAR * usual} if usual else {}


def _runs(parent: Path, kind: str) -> list[Path]:
    """The results of the newest, the newest last."""
    return sorted(parent.glob(f"*/{kind}-[0-9]*/{RESULTS}"), key=_written)[-_NEWEST:]


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # removed just now
        return 0.0
