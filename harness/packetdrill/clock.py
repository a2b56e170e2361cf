"""The time of a script beside that of the machine, and how far they may lie apart."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import msgspec

from harness.packetdrill.script import EventTime
from harness.tcp.timing import MS, SECOND, format_ms

PRIORITY = 2
"""Of a script among real-time processes: above the commands of others, which have the lowest, 1."""

PATIENCE_NS = 2000 * MS
"""How long after its time an outbound packet is waited for."""

_SHARE = 0.125
_USUAL_NS = MS  # an event takes less, and packetdrill's own are as far apart as they take
_SETTLED_NS = 250_000  # behind a tick, so that times of whole milliseconds fall well between two
_COARSE = 5  # CLOCK_REALTIME_COARSE, which goes on at the kernel's ticks


def tolerance(least_ns: int, gap_ns: int) -> int:
    """How far an event may be off, ns: that, or a share of the time since the event before."""
    return max(least_ns, round(_SHARE * gap_ns))


@contextmanager
def in_time() -> Iterator[None]:
    """Before all that waits for a processor, where the machine has a second one and lets it, as packetdrill does."""
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    collecting = gc.isenabled()
    gc.disable()
    try:
        if (os.cpu_count() or 1) > 1:
            with suppress(PermissionError):  # a user's, or a user namespace's
                os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
        yield
    finally:
        os.sched_setscheduler(0, policy, parameter)
        if collecting:
            gc.enable()


class DueTime(msgspec.Struct, frozen=True, kw_only=True):
    """When an event has to happen, in ns since the start.

    Args:
        kind: see ``EventTime``.
        start: the moment, or the first of a range.
        end: the last of a range; None where it is none.
        since: the moment of the event before, None for the first.
        reached: when the script came to it, None for one of several inbound packets but the first.
    """

    kind: str
    start: int
    end: int | None = None
    since: int | None = None
    reached: int | None = None

    def __str__(self) -> str:
        if self.kind == "any":
            return "at any time"
        return f"at {format_ms(self.start)}" + (f" to {format_ms(self.end)}" if self.end is not None else "")


class ScriptClock:
    """Counts from the first event on.

    Args:
        tolerance_ns: the least that a time may be off.
        now: the clock that stamps frames, ns since the epoch.
        sleep: lets seconds pass.
    """

    def __init__(
        self, tolerance_ns: int, now: Callable[[], int] = time.time_ns, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.begun = 0
        self.late_ns = 0
        self._tolerance_ns = tolerance_ns
        self._now = now
        self._sleep = sleep
        self._last: DueTime | None = None
        self._last_was_inbound = False
        self._done = 0
        self._behind = 0
        self._acted = 0
        self._lasted = 0

    def begin(self) -> None:
        """Begin soon behind the kernel's next tick: what it counts in ticks is then the same in every run."""
        tick, last = round(time.clock_getres(_COARSE) * SECOND.ns), time.clock_gettime_ns(_COARSE)
        passed = (self._now() - last) // tick  # an idle processor may have stopped its own
        self.begun = last + (passed + 1) * tick + _SETTLED_NS

    @property
    def now(self) -> int:
        """Since the start."""
        return self._now() - self.begun

    def reach(self, when: EventTime, *, inbound: bool) -> DueTime:
        """The next event is reached: when it is due.

        Args:
            when: as written.
            inbound: it is an inbound packet: several in a row are counted from when they were due.
        """
        last, now, base = self._last, self._done, 0
        in_a_row = last is not None and inbound and self._last_was_inbound
        if when.kind in ("relative", "relative range", "any"):
            base = last.start if last is not None and in_a_row else now
        end = None if when.end_ns is None else when.end_ns + base
        since, reached = None if last is None else last.start, None if in_a_row else now
        due = DueTime(kind=when.kind, start=when.start_ns + base, end=end, since=since, reached=reached)
        self._last, self._last_was_inbound = due, inbound
        return due

    def exact(self, at: int) -> int:
        """A moment, ns since the start, as if the harness took no time for its own events.

        What the kernel does follows from them, and a script would else get later with each. Of what came while the last
        one went on, nobody knows when the harness had to wait for a processor.
        """
        moment = at - self._behind
        return max(min(moment, self._acted), moment - self._lasted)

    def acted(self) -> None:
        """The event that was waited for is over, and had nothing to wait for itself."""
        lasted = self.now - self._behind - self._acted
        self._lasted = lasted if lasted > _USUAL_NS else 0

    def happened(self, at: int) -> None:
        """The event is over since then, ns since the start: the next one counts from there."""
        self._done = max(self._done, self.exact(at))

    def catch_up(self) -> None:
        """The event took as long as it takes by itself, such as a command."""
        self._behind = self._lasted = 0
        self._done = self._acted = max(self._done, self.now)

    def wait(self, due: DueTime) -> str:
        """Until the event is due; what is wrong where the script came to it too late, empty for nothing.

        How long the harness itself takes for an event says nothing of the kernel, and is told by ``late_ns`` alone.
        """
        while (left := due.start - self.now) > 0:
            self._sleep(left / 1e9)
        self._acted, self._lasted = max(due.start, due.reached or 0), 0
        self._behind = max(0, self.now - self._acted)
        self.late_ns = max(self.late_ns, self._behind)
        if due.since is None or due.reached is None or due.reached <= due.start:
            return ""
        return self.complaint(due, due.reached)

    def off(self, due: DueTime, at: int, delay: int = 0) -> str:
        """What is wrong with the moment at which the kernel did something; empty where nothing is.

        What the last event caused is as late as that was, and what an earlier one caused is not.

        Args:
            due: when it had to.
            at: the moment, ns since the start.
            delay: how long ago it may have been when the harness saw it, ns; nothing where the kernel stamped it.
        """
        return self.complaint(due, self.exact(at) - delay, at)

    def complaint(self, due: DueTime, at: int, until: int | None = None) -> str:
        """What is wrong with the moment at which an event happened; empty where nothing is.

        Args:
            due: when it had to.
            at: the moment, ns since the start; the first that it may have been.
            until: the last that it may have been; ``at`` by default.
        """
        if due.kind == "any":
            return ""
        allowed = tolerance(self._tolerance_ns, due.start - (due.since or 0))
        latest = due.start if due.end is None else due.end
        if due.start - allowed <= (until or at) and at <= latest + allowed:
            return ""
        return f"time: {format_ms(at)}, not {str(due).removeprefix('at ')}, give or take {format_ms(allowed)}"
