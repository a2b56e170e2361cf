"""OrderAnswer orders of programs inside the kernel that is asked.

As a command: ``python -m harness.explore.answer answer ORDER ANSWER``, both files of JSON; or ``serve``, see there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from harness.errors import FinwaitError
from harness.explore.attempt import Order, OrderAnswer
from harness.explore.counting import MovedCounters
from harness.explore.execute import Executor
from harness.live.calibration import virtual
from netns import privilege


def answer(order: Path, into: Path) -> None:
    """Run what a file orders in a new lab, and write what was noted.

    Raises:
        FinwaitError: the machine does not let itself be given a lab.
    """
    privilege.ensure()
    asked = msgspec.json.decode(order.read_bytes(), type=Order)
    if asked.virtual:
        virtual()
    with Executor(asked.ignored, virtual=asked.virtual) as executor:
        counters = MovedCounters() if asked.counts else None
        noted = []
        for attempt in asked.attempts:
            noted.append(msgspec.Raw(msgspec.json.encode(executor.run(attempt))))
            if counters is not None:
                counters.take()
        code = counters.close() if counters is not None else None
    into.write_bytes(msgspec.json.encode(OrderAnswer(tuple(noted), code)))


def serve(orders: Path, ends: Path) -> None:
    """Answer one order after the other in a process of its own: two paths on two lines of a FIFO are an order.

    What went wrong with it is a line of the other FIFO, empty for nothing. To start anew for each would take longer
    than a thousand programs.
    """
    os.mkfifo(orders)
    os.mkfifo(ends)
    if os.fork():
        return
    while True:
        order, into = orders.read_text().splitlines()
        ends.write_text(_tried(Path(order), Path(into)) + "\n")


def _tried(order: Path, into: Path) -> str:
    try:
        answer(order, into)
    except (FinwaitError, OSError) as error:
        return f"explore: {error}"
    except Exception as error:  # whoever asks waits for a line: without one the kernel would be called lost
        return f"explore: {error!r}"
    return ""


if __name__ == "__main__":
    verb, first, second = sys.argv[1:]
    if verb == "serve":
        serve(Path(first), Path(second))
    else:
        sys.exit(_tried(Path(first), Path(second)) or None)
