"""Keeps the calling thread on one processor, so that frames arrive in the order in which they were sent.

A veth hands a frame to the backlog of the processor that sends it. Usually the backlog is worked off before the
sending call is back; on a busy machine it can be left to ksoftirqd, and a thread that moved to another processor in
between would be overtaken by its own earlier frame.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def kept() -> Iterator[int]:
    """Stay on the processor that the thread is on now, and give its number; afterwards all are allowed as before."""
    before = os.sched_getaffinity(0)
    if len(before) == 1:  # as in most guests, in which a call costs more than a segment
        yield min(before)
        return
    current: int = _libc.sched_getcpu()
    os.sched_setaffinity(0, {current})
    try:
        yield current
    finally:
        os.sched_setaffinity(0, before)
