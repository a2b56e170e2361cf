"""All scenarios, timers of hours included, on a kernel with virtual time: it does what the baseline says of it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, known
from harness.run.jobs import backend_of
from harness.run.matrix import run_on
from harness.run.workers import on_this_machine

CHECKOUT = Path(__file__).parents[1]
CACHE = Cache.of_user()
VIRTUAL = [spec for spec in known() if spec.kind is KernelKind.UML_VIRTUAL]
BUILT = [spec for spec in VIRTUAL if backend_of(spec, CACHE).available() is None]


@pytest.mark.skipif(not BUILT, reason=f"no kernel with virtual time is built; finwait kernels build {VIRTUAL[-1].name}")
def test_kernel_deviates_where_it_is_known_to_and_nowhere_else(tmp_path: Path) -> None:
    arguments = (f"--baseline={CHECKOUT / 'scenarios/baselines/linux.toml'}", "--captures=none")
    quiet = Console(file=io.StringIO())
    found = run_on(BUILT[-1:], tmp_path / "runs", arguments, on_this_machine(CHECKOUT, quiet), split=True)
    assert found.failures == ()
    (run,) = found.runs
    lines = (run.path / "console.txt").read_text().splitlines()
    assert [line for line in lines if line.startswith(("FAILED ", "DEVIATES ", "LOST "))] == []
    assert found.complete
    assert found.red == ()
