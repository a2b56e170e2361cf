"""Measures, at the start of a run, how slow this machine answers when no timer is behind it."""

from __future__ import annotations

import atexit
import os
import socket
import time
from contextlib import suppress

from harness.errors import FinwaitError
from harness.hub import Hub
from harness.timeline import Timeline
from harness.timing import MS, VIRTUAL, TimingProfile, calibrated
from harness.wire import Wire, keep_stamping
from netns.lab import Lab

ROUNDS = 50
_STAMPING_SECONDS = 5.0
_held: list[socket.socket] = []


def calibrate() -> TimingProfile:
    """A profile for this process on this machine, from ``ROUNDS`` neighbour requests, stamped by the kernel.

    Raises:
        FinwaitError: the kernel's stamps are not its own.
    """
    if not _held:
        _held.append(keep_stamping())
        atexit.register(_held[0].close)
    with Lab() as lab:
        wire = Wire(lab.peer)
        try:
            hub = Hub(lab.plan, wire, Timeline(), TimingProfile())
            _wait_for_stamps(hub, wire)
            return calibrated([hub.flush() for _ in range(ROUNDS)])
        finally:
            wire.close()


def virtual() -> TimingProfile:
    """The profile for virtual time, in which this process from now on ends its waits on the nanosecond.

    The kernel lets other processes' select(2) sleep longer by up to 1/1000 (select_estimate_accuracy, fs/select.c), so
    that what the peer sends after a wait would come at another time in every run.
    """
    with suppress(PermissionError):  # a virtual clock is one's own kernel's, where one is root
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    return VIRTUAL


def _wait_for_stamps(hub: Hub, wire: Wire) -> None:
    """Wait until a frame's stamp is the time at which it passed and not that at which it was read.

    The kernel begins to stamp some time after it is asked to. A frame is left lying before it is read, so that the
    two are told apart.
    """
    end = time.monotonic() + _STAMPING_SECONDS
    while time.monotonic() < end:
        hub.flush()
        first = len(wire.frames)
        wire.send([hub.marker.request])
        sent = time.time_ns()
        time.sleep(0.002)  # not to wait for anything: it is the lapse that a late stamp would contain
        hub.await_marker()
        if wire.frames[first].at - sent < MS:
            return
    raise FinwaitError(
        "the kernel does not stamp frames when they pass",
        why="SO_TIMESTAMPNS gives the time of reading only",
        hint="finwait doctor",
    )
