"""How many programs ``finwait explore`` runs in a second: handshake, a FIN that its ACK overtakes, reset, close."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.kernels import CHECKOUT
from harness.explore.attempt import IGNORED, Act, Attempt, Put
from harness.explore.execute import Executor
from harness.explore.kernels import AskedKernel
from harness.explore.starts import STARTS
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse
from harness.process import Stop
from harness.run.jobs import backend_of
from harness.tcp.segment import ACK, FIN, RST
from harness.tcp.timing import SECOND

PROGRAM = Attempt((*STARTS["FIN-WAIT-2"], Put(FIN | ACK, ack=-1), Put(RST), Act("close")))
ROUNDS = 1000
WARM = 50
KERNEL = "uml-virtual:7.2"


def report() -> Iterator[str]:
    """Lines with the figures; a kernel that is not in the cache is named."""
    steps = len(PROGRAM.steps)
    yield f"explore: {ROUNDS / on_the_host():.0f} programs of {steps} steps a second of processor time, on the host"
    if missing := backend_of(parse(KERNEL), Cache.of_user()).available():
        yield f"{KERNEL}: {missing}"
    else:
        yield f"explore: {ROUNDS / in_a_guest():.0f} a second of real time in {KERNEL}, once it is booted"


def on_the_host() -> float:
    """Seconds of this process that all rounds took."""
    with Executor(IGNORED) as executor:
        for _ in range(WARM):
            executor.run(PROGRAM)
        begin = time.process_time_ns()
        for _ in range(ROUNDS):
            executor.run(PROGRAM)
        return (time.process_time_ns() - begin) / SECOND.ns


def in_a_guest() -> float:
    """Seconds in which a kernel that is up has answered all rounds, orders and answers included."""
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory())) / "asked"
        stop = held.enter_context(Stop())
        kernel = held.enter_context(AskedKernel(parse(KERNEL), Cache.of_user(), CHECKOUT, folder, stop))
        kernel.ask([PROGRAM] * WARM, IGNORED)
        begin = time.monotonic_ns()
        kernel.ask([PROGRAM] * ROUNDS, IGNORED)
        return (time.monotonic_ns() - begin) / SECOND.ns
