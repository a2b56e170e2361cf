"""Timers fire at the same time after the same cause in every run: whole runs of scenarios in virtual time."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import pytest

from harness.kernels.boot.backend import Job
from harness.kernels.boot.uml_virtual import UmlVirtual
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, known
from harness.trace.events import Event, Received, Sent
from harness.trace.runs import LoadedRun, load

CHECKOUT = Path(__file__).parents[2]
SCENARIOS = ("scenarios/timers/test_retransmission.py", "scenarios/timers/test_keepalive.py")
SAME_NS = 20_000
BACKENDS = [UmlVirtual(spec, Cache.of_user()) for spec in known() if spec.kind is KernelKind.UML_VIRTUAL]
BUILT = next((backend for backend in reversed(BACKENDS) if backend.available() is None), None)
needs_one = pytest.mark.skipif(BUILT is None, reason=str(BACKENDS[-1].available()))


def run(output: Path, name: str, *scenarios: str) -> LoadedRun:
    argv = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timing", "virtual")
    arguments = ("--run-dir", str(output), "--run-name", name, *scenarios)
    job = Job((*argv, *arguments), CHECKOUT, output, {"PYTHONPATH": str(CHECKOUT)}, real_limit=300.0)
    assert BUILT is not None
    ended = BUILT.run(job)
    assert ended.lost is None, ended.console
    return load(output / name)


def steps(events: tuple[Event, ...]) -> list[int]:
    """The times between the segments of a scenario."""
    segments = [event for event in events if isinstance(event, Sent | Received)]
    return [later.at - earlier.at for earlier, later in pairwise(segments)]


@needs_one
def test_two_runs_have_the_same_relative_timelines_whatever_ran_before(tmp_path: Path) -> None:
    first = run(tmp_path, "first", *SCENARIOS)
    second = run(tmp_path, "second", *reversed(SCENARIOS))  # the phase of the timer wheel must not depend on the order
    assert set(first.results) == set(second.results)
    assert len(first.results) > 10
    for scenario, result in first.results.items():
        one, other = steps(first.timeline(result)), steps(second.timeline(second.results[scenario]))
        assert len(one) == len(other) > 0, scenario
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) <= SAME_NS, scenario
