"""What a cluster of two processes costs beside the same two kernels without one, in processor time."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse
from harness.run.jobs import backend_of

CHECKOUT = Path(__file__).resolve().parent.parent
KERNEL = "uml-virtual:7.2"
FEW = ("scenarios/lectures",)
MANY = ("scenarios/data", "scenarios/opening", "scenarios/options", "scenarios/resets")
LIMIT = 0.05
ALL = 6_498
_PR_SET_CHILD_SUBREAPER = 36


def report() -> Iterator[str]:
    """A line with what is the same for any work, and with what is more for each scenario."""
    if missing := backend_of(parse(KERNEL), Cache.of_user()).available():
        yield f"cluster: {missing}"
        return
    few, few_alone, many, many_alone = (
        measured(*where, *some) for some in (FEW, MANY) for where in (("--cluster", "local"), ("--at-once", "2"))
    )
    each = (many_alone[0] - few_alone[0]) / (many_alone[1] - few_alone[1])
    more = (many[0] - many_alone[0]) / many_alone[0]
    of_all = (many[0] - many_alone[0]) / (many_alone[0] + each * (ALL - many_alone[1]))
    yield (
        f"cluster: {few[0] - few_alone[0]:.1f} s of processor time more than two kernels without one take for "
        f"{few[1]} scenarios, {many[0] - many_alone[0]:.1f} s for {many[1]} ({more:.0%} of {many_alone[0]:.0f} s); "
        f"the same for {ALL} would be {of_all:.1%} (at most {LIMIT:.0%})"
    )


def measured(*arguments: str) -> tuple[float, int]:
    """Seconds of processor time of a matrix with all that it begins, and how many scenarios it judged.

    Raises:
        FinwaitError: it did not come to its end.
    """
    # whose parent dies first is waited for here, and so counted
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory() as scratch:
        where = ("--kernel", KERNEL, "--run-dir", scratch, "--run-name", "measured")
        before = _spent()
        command = (sys.executable, "-m", "harness", "matrix", *where, *arguments)
        ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        _wait_for_the_others()
        if ended.returncode:
            raise FinwaitError(f"the matrix ended with {ended.returncode}", why=ended.stderr.strip())
        results = Path(scratch, "measured").glob("*/results.jsonl")
        return _spent() - before, sum(path.read_bytes().count(b"\n") for path in results)


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _wait_for_the_others() -> None:
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass
