"""What a guest's first process does with a job: run it, wait for it, and leave nothing of it behind unless told to."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

DONE = "\x01finwait: answered "
"""What a line on the console ends with, and the number of the job, once its answer can be read."""

_MANY = 4096
_LETTING_GO_SECONDS = 0.05


def answer_of(
    order: dict[str, Any], lacking: list[str], notices: int | None = None, on_notice: Callable[[], object] = int
) -> dict[str, Any]:
    """Run a job, and what to answer: with the time on the kernel's clock."""
    answer = {"missing": lacking} if lacking else run(order, notices, on_notice)
    if not order["last"] and not order["keep"]:
        clear()
    return {**answer, "uptime": time.clock_gettime(time.CLOCK_BOOTTIME)}


def run(order: dict[str, Any], notices: int | None = None, on_notice: Callable[[], object] = int) -> dict[str, Any]:
    """Run the job and reap what it leaves, as the first process must; what to answer.

    ``on_notice`` is called whenever the descriptor ``notices`` can be read. Where the order has a
    ``virtual_limit``, that many seconds of this kernel's own clock end the wait: a clock that skips idle time
    would run on for ever.
    """
    child_ended, wake = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        return wait_for(start(order), order, child_ended, notices, on_notice)
    finally:
        signal.set_wakeup_fd(-1)
        os.close(wake)
        os.close(child_ended)


def wait_for(
    child: int, order: dict[str, Any], child_ended: int, notices: int | None, on_notice: Callable[[], object]
) -> dict[str, Any]:
    """The answer, when the job has ended or its time is over; see ``run``."""
    limit = order["virtual_limit"]
    deadline = time.monotonic() + limit if limit else None
    watched = [child_ended] if notices is None else [child_ended, notices]
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        ready = select.select(watched, [], [], left)[0]
        if not ready:
            return {"overdue": limit}
        if notices in ready:
            on_notice()
        if child_ended in ready:
            os.read(child_ended, _MANY)
            status = dict(reaped()).get(child)
            if status is not None:
                return {"status": status}


def start(order: dict[str, Any]) -> int:
    """Start the job; its process.

    Raises:
        OSError: the folder or the command is not to be seen in here, as what is below the host's /run.
    """
    os.chdir(order["cwd"])
    os.stat(order["argv"][0])  # noqa: PTH116
    child = os.fork()
    if child == 0:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
            os.execve(order["argv"][0], order["argv"], order["env"])
        except OSError as error:
            print(f"cannot start {order['argv'][0]}: {error.strerror}", flush=True)  # noqa: T201
            os._exit(127)
    return child


def reaped() -> Iterator[tuple[int, int]]:
    """Each child that has ended: its process and status, 128 + N for signal N."""
    while True:
        try:
            pid, raw = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        code = os.waitstatus_to_exitcode(raw)
        yield pid, code if code >= 0 else 128 - code


def clear() -> None:
    """Nothing of a job outlives it: what it left running, and the namespaces that go with that."""
    try:
        os.kill(-1, signal.SIGKILL)  # all but the first process itself (kill(2))
        while True:
            os.waitpid(-1, 0)
    except (ProcessLookupError, ChildProcessError):
        # a kernel lets go of a namespace some time later; a panic over it is to be this job's
        select.select([], [], [], _LETTING_GO_SECONDS)
