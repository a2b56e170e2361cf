"""How long a script of packetdrill's without waits takes, here and, where it is on PATH, under packetdrill itself."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.scenario import MS, spread
from harness.packetdrill.parser import parse
from harness.packetdrill.run import ScriptRun

ROUNDS = 50
WARM = 5  # the first ones load what is loaded once
SCRIPT = Path(__file__).with_name("script.pkt")
SLACK = "1000000"  # us: how fast the machine is shows in the figures


def report() -> Iterator[str]:
    """Lines with the figures."""
    yield f"a script without waits, {ROUNDS} rounds in one process: {_measured(_here)}"
    packetdrill = shutil.which("packetdrill")
    if packetdrill is None:
        yield "  packetdrill itself: not on PATH"
        return
    argv = ("unshare", "--net", packetdrill, f"--tolerance_usecs={SLACK}", SCRIPT)
    yield f"  packetdrill itself: {_measured(lambda: subprocess.run(argv, check=True, capture_output=True))}"


def _here() -> None:
    text = SCRIPT.read_text()
    with ScriptRun(parse(text, SCRIPT.name), SCRIPT, text.splitlines(), {"tolerance_usecs": SLACK}) as script:
        script.run()


def _measured(once: Callable[[], object]) -> str:
    took: list[int] = []
    for number in range(ROUNDS + WARM):
        begin = time.perf_counter_ns()
        once()
        if number >= WARM:
            took.append(time.perf_counter_ns() - begin)
    return spread(took, MS, "ms")
