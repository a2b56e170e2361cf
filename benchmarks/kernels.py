"""How long other kernels take from boot to verdict, with everything in the cache."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from harness.cli.reproduce import DISORDER, ORDER
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelSpec, parse
from harness.run.jobs import backend_of
from harness.run.matrix import Found, run_on
from harness.run.workers import on_this_machine

CHECKOUT = Path(__file__).resolve().parent.parent
# three endings, two orders, IPv4: what the limits are about
SHORT = tuple(
    f"{test}[{ending}-IPv4-TS]" for test in (DISORDER, ORDER) for ending in ("close", "shutdown_wr", "shutdown_rdwr")
)
LIMITS = {"uml:5.10": 10, "uml-virtual:7.2": 3, "debian:6.1": 25}
FIVE = ("host", "uml:5.10", "uml-virtual:7.2", "debian:5.10", "debian:6.1")
FIVE_LIMIT = 90


def report() -> Iterator[str]:
    """Lines with the figures; a kernel that is not in the cache is named."""
    cache = Cache.of_user()
    for name, limit in LIMITS.items():
        spec = parse(name)
        if missing := backend_of(spec, cache).available():
            yield f"{name}: {missing}"
            continue
        seconds, found = timed([spec], SHORT)
        told = f"boot to verdict of {len(SHORT)} scenarios on {name}: {seconds:.1f} s (at most {limit} s)"
        yield told + ("" if found.complete else f"; {found.failures}")
    five = [parse(name) for name in FIVE]
    missing_names = [spec.name for spec in five if backend_of(spec, cache).available()]
    if missing_names:
        yield f"five kernels at once: not here: {', '.join(missing_names)}"
        return
    seconds, found = timed(five, ("scenarios/closing/test_disorder.py",))
    told = f"all disorder scenarios on {', '.join(FIVE)}: {seconds:.0f} s (at most {FIVE_LIMIT} s)"
    yield told + ("" if found.complete else f"; {found.failures}")


def timed(specs: list[KernelSpec], arguments: tuple[str, ...]) -> tuple[float, Found]:
    """Real seconds of one matrix, and what came of it."""
    with tempfile.TemporaryDirectory() as scratch:
        begin = time.monotonic()
        found = run_on(specs, Path(scratch) / "runs", arguments, on_this_machine(CHECKOUT, Console(file=io.StringIO())))
        return time.monotonic() - begin, found
