"""How long a script of packetdrill's without waits takes, here and, where it is on PATH, under packetdrill itself."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.scenario import MS, spread
from harness.packetdrill.parser import parse
from harness.packetdrill.run import ScriptRun

ROUNDS = 50
WARM = 5  # the first ones load what is loaded once
SCRIPT = """\
--tolerance_usecs=1000000
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 32792 <mss 1000,nop,wscale 7>
+0 > S. 0:0(0) ack 1 <...>
+0 < . 1:1(0) ack 1 win 257
+0 accept(3, ..., ...) = 4
+0 write(4, ..., 1000) = 1000
+0 > P. 1:1001(1000) ack 1
+0 < . 1:1(0) ack 1001 win 257
+0 close(4) = 0
+0 > F. 1001:1001(0) ack 1
+0 < F. 1:1(0) ack 1002 win 257
+0 > . 1002:1002(0) ack 2
"""


def report() -> Iterator[str]:
    """Lines with the figures."""
    yield f"a script without waits, {ROUNDS} rounds in one process: {_measured(_here)}"
    packetdrill = shutil.which("packetdrill")
    if packetdrill is None:
        yield "  packetdrill itself: not on PATH"
        return
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "script.pkt")
        file.write_text(SCRIPT)
        argv = ("unshare", "--net", packetdrill, file)
        yield f"  packetdrill itself: {_measured(lambda: subprocess.run(argv, check=True, capture_output=True))}"


def _here() -> None:
    with ScriptRun(parse(SCRIPT, "script.pkt"), Path("script.pkt"), SCRIPT.splitlines(), {}) as script:
        script.run()


def _measured(once: Callable[[], object]) -> str:
    took: list[int] = []
    for number in range(ROUNDS + WARM):
        begin = time.perf_counter_ns()
        once()
        if number >= WARM:
            took.append(time.perf_counter_ns() - begin)
    return spread(took, MS, "ms")
