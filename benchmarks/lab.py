"""Where the time of a lab goes: namespaces, sysctls, the veth pair, addresses, waiting, and the sockets on it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from harness.live.lab_pool import EquippedLab
from harness.probes import sockets
from harness.probes.counters import Counters
from harness.wire.capture import Wire
from netns import link, sysctls
from netns.enter import Namespace
from netns.rtnetlink import Rtnetlink

ROUNDS = 100
WARM = 5  # the first ones load and encode what is kept
US = 1e3

Spent = dict[str, list[tuple[int, int]]]
"""By part, real time and processor time of each round, in ns."""

# what is timed, where its users find it, and under which name
PARTS = (
    (Namespace, "create", "namespaces"),
    (sysctls, "pin", "sysctls"),
    (Rtnetlink, "__init__", "rtnetlink sockets"),
    (link, "connect", "veth pair, offloads"),
    (link, "address_end", "addresses, routes, neighbours"),
    (Rtnetlink, "await_up", "wait until up"),
    (Rtnetlink, "await_own_ipv6", "wait for the own IPv6 address"),
    (Wire, "__init__", "packet sockets"),
    (Counters, "__init__", "counters"),
    (sockets, "open_diag", "sock_diag"),
)


def report() -> Iterator[str]:
    """Lines with the figures."""
    spent: Spent = {}
    with ExitStack() as patched:
        for owner, name, part in PARTS:
            patched.enter_context(patch.object(owner, name, _timed(getattr(owner, name), part, spent)))
        for number in range(ROUNDS + WARM):
            if number == WARM:
                spent.clear()
            with _noted("all, with what wraps it", spent):
                lab = EquippedLab().__enter__()
            lab.__exit__()
    yield f"a lab with its sockets, {ROUNDS} rounds: median of real time, of processor time"
    for part, rounds in spent.items():
        # what is done several times a lab counts together
        times = len(rounds) // ROUNDS
        real, processor = (statistics.median(one[i] for one in rounds) * times / US for i in (0, 1))
        yield f"  {part:<30} {real:6.0f} us {processor:6.0f} us"


def _timed(function: Callable[..., object], part: str, spent: Spent) -> Callable[..., object]:
    def timed(*args: object, **keywords: object) -> object:
        with _noted(part, spent):
            return function(*args, **keywords)

    return timed


@contextmanager
def _noted(part: str, spent: Spent) -> Iterator[None]:
    real, processor = time.perf_counter_ns(), time.thread_time_ns()
    yield
    spent.setdefault(part, []).append((time.perf_counter_ns() - real, time.thread_time_ns() - processor))
