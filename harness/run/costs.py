"""What scenarios cost, by the newest runs that are here: by that a run is split into parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from statistics import mean

import msgspec

from harness.kernels.supply.spec import KernelSpec
from harness.trace.folder import RESULTS, default_parent

_NEWEST = 3  # runs; the newest may be of a few scenarios
_DEAR = 4.0  # times the usual: what costs less is not told, since a part has hundreds


class _Told(msgspec.Struct):
    scenario: str
    host_seconds: float = 0.0


def costs_of(spec: KernelSpec) -> Mapping[str, float]:
    """The scenarios that cost a kernel much: how many usual ones each costs.

    By runs on it, or on others that run as it does; none where there are no such runs.
    """
    return _costs(default_parent(), spec.kind)


@cache
def _costs(parent: Path, kind: str) -> Mapping[str, float]:
    found = {told.scenario: told.host_seconds for path in _runs(parent, kind) for told in _told(path)}
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


def _told(path: Path) -> Iterator[_Told]:
    try:
        content = path.read_bytes()
    except OSError:
        return
    for line in content.splitlines():
        try:
            told = msgspec.json.decode(line, type=_Told)
        except msgspec.DecodeError:
            continue  # torn
        if told.host_seconds:
            yield told
