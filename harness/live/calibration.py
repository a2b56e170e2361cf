"""Measures, at the start of a run, how slow this machine answers when no timer is behind it."""

from __future__ import annotations

import atexit
import ctypes
import socket
import time

from harness.errors import FinwaitError
from harness.live.dispatcher import Dispatcher
from harness.tcp.timing import MS, VIRTUAL, TimingProfile, calibrated, to_phase
from harness.trace.events import Timeline
from harness.wire.capture import Wire, keep_stamping
from netns.lab import Lab

ROUNDS = 50
_STAMPING_SECONDS = 5.0
_PR_SET_TIMERSLACK = 29  # include/uapi/linux/prctl.h
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
            dispatcher = Dispatcher(lab.plan, wire, Timeline(), TimingProfile())
            _wait_for_stamps(dispatcher, wire)
            return calibrated([dispatcher.flush() for _ in range(ROUNDS)])
        finally:
            wire.close()


def virtual() -> TimingProfile:
    """The profile for virtual time, in which this process's sleeps from now on end on the nanosecond.

    By default the kernel ends them up to 50 us late (prctl(2), PR_SET_TIMERSLACK), so that what the peer sends after
    one would come at another time in every run.
    """
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(1))
    return VIRTUAL


def await_phase() -> None:
    """Have a scenario begin where the kernel's timer wheel stands as for every other; free in virtual time.

    Its timers are rounded alike in every run only if the wheel stands alike at the first segment.
    """
    time.sleep(to_phase(time.monotonic_ns()) / 1e9)


def _wait_for_stamps(dispatcher: Dispatcher, wire: Wire) -> None:
    """Wait until a frame's stamp is the time at which it passed and not that at which it was read.

    The kernel begins to stamp some time after it is asked to. A frame is left lying before it is read, so that the
    two are told apart.
    """
    end = time.monotonic() + _STAMPING_SECONDS
    while time.monotonic() < end:
        dispatcher.flush()
        first = len(wire.frames)
        wire.send([dispatcher.marker.request])
        sent = time.time_ns()
        time.sleep(0.002)  # not to wait for anything: it is the lapse that a late stamp would contain
        dispatcher.await_marker()
        if wire.frames[first].at - sent < MS:
            return
    raise FinwaitError(
        "the kernel does not timestamp frames as they pass",
        why="SO_TIMESTAMPNS gives only the time at which they are read",
        hint="finwait doctor",
    )
