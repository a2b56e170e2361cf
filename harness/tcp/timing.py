"""The one home of every tolerance: named spans of time, and what a machine's own slowness adds to them. Pure.

Times are nanoseconds. Lower bounds are exact; upper bounds take the profile's slack, which a calibration measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import msgspec

from harness.errors import FinwaitError

MS = 1_000_000
"""Nanoseconds in a millisecond."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A named length of time in nanoseconds, with the clause or kernel source it rests on."""

    ns: int
    name: str
    ground: str = ""

    def __mul__(self, factor: float) -> Span:
        return Span(round(self.ns * factor), f"{factor} * {self._term}", self.ground)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Span:
        return Span(round(self.ns / divisor), f"{self._term} / {divisor}", self.ground)

    def __add__(self, other: Time) -> Span:
        added = span_of(other, "what is added")
        return Span(self.ns + added.ns, f"{self.name} + {added.name}", self.ground)

    def minus(self, other: Span) -> Span:
        """What is left of this span once the other has passed."""
        return Span(self.ns - other.ns, f"{self.name} - {other._term}", self.ground)

    def unrounded(self) -> Span:
        """The shortest timer that the wheel can have rounded up to this: by 1/8 at most (kernel/time/timer.c)."""
        return Span(self.ns * 8 // 9, f"{self._term} unrounded", self.ground)

    @property
    def _term(self) -> str:
        """The name as part of a longer one: a sum in parentheses."""
        return f"({self.name})" if " + " in self.name or " - " in self.name else self.name

    def __str__(self) -> str:
        return f"{format_ms(self.ns)} ({self.name})"


Time = Span | float
"""How a scenario gives a length of time: a span, or seconds."""


def span_of(given: Time, argument: str) -> Span:
    """The span that an argument of this name was given as, or as seconds.

    Raises:
        FinwaitError: it is not a length of time.
    """
    if isinstance(given, Span):
        return given
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < math.inf:
        raise FinwaitError(f"{argument}={given!r} is not a time", hint="seconds such as 0.5, or a span such as RTO_MIN")
    return Span(round(given * SECOND.ns), f"{given} s")


PROMPT = Span(40 * MS, "PROMPT", "below TCP_DELACK_MIN (HZ/25, include/net/tcp.h): no timer can be behind an answer")
RTO_MIN = Span(200 * MS, "RTO_MIN", "TCP_RTO_MIN (HZ/5, include/net/tcp.h); RFC 6298 2.4 says 1 s")
RTO_INIT = Span(1000 * MS, "RTO_INIT", "RFC 6298 2.1: 1 s; TCP_TIMEOUT_INIT (include/net/tcp.h)")
DELACK_MAX = Span(200 * MS, "DELACK_MAX", "TCP_DELACK_MAX (HZ/5); RFC 9293 3.8.6.3 allows 0.5 s")
TICK = Span(10 * MS, "TICK", "HZ=100; a timer is up to one shorter where it counts from a time that is kept in ticks")
SECOND = Span(1000 * MS, "SECOND")
MINUTE = Span(60_000 * MS, "MINUTE")
HOUR = Span(3_600_000 * MS, "HOUR")
DAY = Span(86_400_000 * MS, "DAY")

MSL = Span(120_000 * MS, "MSL", "RFC 9293 3.4.2: two minutes, an engineering choice that may be changed")
TIMEWAIT_LEN = Span(60_000 * MS, "TIMEWAIT_LEN", "TCP_TIMEWAIT_LEN (include/net/tcp.h)")
FIN_TIMEOUT = Span(60_000 * MS, "FIN_TIMEOUT", "tcp_fin_timeout (ip-sysctl.rst); no RFC ends FIN-WAIT-2")
DELACK_LIMIT = Span(500 * MS, "DELACK_LIMIT", "RFC 9293 3.8.6.3 (MUST-40): less than half a second")
RTO_FLOOR = Span(1000 * MS, "RTO_FLOOR", "RFC 6298 2.4 (SHOULD): no less than a second")
RTO_MOST = Span(120_000 * MS, "RTO_MOST", "TCP_RTO_MAX (include/net/tcp.h); RFC 6298 2.5 allows 60 s or more")
SYN_R2 = Span(180_000 * MS, "SYN_R2", "RFC 9293 3.8.3 (MUST-23): a SYN is sent again for three minutes at least")
DATA_R2 = Span(100_000 * MS, "DATA_R2", "RFC 9293 3.8.3 (SHLD-11): data are sent again for 100 s at least")
KEEPALIVE_IDLE = Span(7_200_000 * MS, "KEEPALIVE_IDLE", "RFC 9293 3.8.4 (MUST-28): two hours at least by default")
KEEPALIVE_INTERVAL = Span(75_000 * MS, "KEEPALIVE_INTERVAL", "tcp_keepalive_intvl (ip-sysctl.rst); no RFC says")

CALL_LIMIT = Span(2000 * MS, "CALL_LIMIT", "no blocking call of a scenario waits longer: it would never return")
MARKER_LIMIT = Span(5000 * MS, "MARKER_LIMIT", "a kernel that does not answer a neighbour request by then hangs")
PROGRAM_LIMIT = Span(10_000 * MS, "PROGRAM_LIMIT", "a program that is not ready or done by then never will be")

REAL_WAIT = Span(3000 * MS, "REAL_WAIT", "longer waits need virtual time, where they cost nothing, or --real-wait")

PHASE_NS = 131_072 * MS
"""A period of all levels of the kernel's timer wheel that reach up to two hours, at 250 and at 1000 ticks a second.

Level n counts in 8**n ticks (kernel/time/timer.c), so 8**5 ticks at 250 a second; how far a timer is rounded up
depends on where in the period it was set.
"""

QUIET = Span(60 * MS, "QUIET", "longer than PROMPT: by then whatever no timer delays has come")


UNSAID = replace(PROMPT)
"""PROMPT where a scenario gives no ``within``, told by identity from the one that it gives."""


def marked(span: Span) -> str:
    """The mark by which a scenario says that it waits so long."""
    return f"@waits({span.name.removesuffix(' s')})"


def refuse_wait(span: Span, *, unsaid: bool) -> None:
    """Refuse to wait for long where the scenario does not say that it waits.

    Raises:
        FinwaitError: it does not, and it is longer than REAL_WAIT.
    """
    if unsaid and span.ns > REAL_WAIT.ns:
        why = f"a scenario that waits longer than {REAL_WAIT} says so: it has the kernel's own timers, and takes time"
        raise FinwaitError(f"nothing says that the scenario waits {span}", why=why, hint=marked(span))


def bounds(within: Time | None, at_least: Time | None, after: Time | None = None) -> tuple[Span | None, Span | None]:
    """How long after its cause a segment may come, and how long it must not come yet.

    Args:
        within: the first of the two; None for any time. ``UNSAID`` is PROMPT, or four times ``at_least`` where PROMPT
            is over before that.
        at_least: the second of the two.
        after: both.

    Raises:
        FinwaitError: an argument is no time, or the two leave no moment.
    """
    if after is not None:
        both = span_of(after, "after")
        return both, both
    least = span_of(at_least, "at_least") if at_least is not None else None
    if within is None:
        return None, least
    most = span_of(within, "within")
    if least is None or least.ns <= most.ns:
        return most, least
    if within is not UNSAID:
        raise FinwaitError(
            f"within={most} is over before at_least={least}", why="no segment can meet both", hint="after= for both"
        )
    return 4 * least, least


class TimingProfile(msgspec.Struct, frozen=True):
    """What the machine adds to upper bounds, and how long to wait for a segment before it is called missing.

    Args:
        name: where the figures come from: ``real`` (calibrated) or ``virtual`` (time stands still while code runs).
        slack_ns: added to every upper bound.
        wheel: the part by which the kernel's timer wheel may round a timer up (kernel/time/timer.c: 1/8).
        patience_ns: how long past its bound a segment is waited for, so that a late one is told from a missing one.
        wakeup_ns: added to the upper bound of what nothing stamps but a process that has to be woken for it.
        tick_ns: a tick of the kernel's, by which a timer is longer that is no whole number of them (usecs_to_jiffies);
            0 where it is part of the slack.
        worst_ns: the slowest kernel-to-kernel answer that the calibration saw.
        rounds: how many answers the calibration measured.
    """

    name: str = "real"
    slack_ns: int = 20 * MS
    wheel: float = 0.125
    patience_ns: int = 1000 * MS
    wakeup_ns: int = 500 * MS
    tick_ns: int = 0
    worst_ns: int = 0
    rounds: int = 0

    @property
    def virtual(self) -> bool:
        """Whether waiting is free."""
        return self.name == "virtual"

    def first_rto(self) -> Span:
        """The longest that a connection's first retransmission timer may be here.

        Round trips add to it (RFC 6298 2.2). The first one is the peer's own slowness, and in virtual time it has none.
        """
        return RTO_MIN if self.virtual else Span(2 * SECOND.ns, "FIRST_RTO", "where the peer answers slowly")

    def impatient(self) -> TimingProfile:
        """The same without patience: what is missing counts as missing at its bound, late or not."""
        return msgspec.structs.replace(self, patience_ns=0)

    def upper(self, span: Span) -> int:
        """The latest moment, in ns after the cause, that still counts as within ``span``."""
        longest = span.ns
        if span.ns > PROMPT.ns:
            longest = int((span.ns + self.tick_ns) * (1 + self.wheel))
        return longest + self.slack_ns

    def deadline(self, span: Span) -> int:
        """How many ns to wait before a segment due within ``span`` is called missing."""
        return self.upper(span) + self.patience_ns


def calibrated(answers_ns: list[int]) -> TimingProfile:
    """A profile from the kernel-to-kernel times of answers that no timer delays.

    The slack is four times the slowest answer seen, and at least 20 ms: five ticks at HZ=250, as a softirq that was
    handed to its kernel thread waits for the scheduler and not for the network.
    """
    worst = max(answers_ns, default=0)
    return TimingProfile(slack_ns=max(20 * MS, 4 * worst), worst_ns=worst, rounds=len(answers_ns))


VIRTUAL = TimingProfile(name="virtual", slack_ns=0, patience_ns=0, wakeup_ns=0, tick_ns=4 * MS)
"""For a kernel whose time stands still while code runs: nothing is added but how its timers are rounded, at HZ=250.

A timer out of a round trip is no whole number of ticks: what the peer does in between takes some microseconds.
"""


def backoff(first: Time, count: int, most: Time = RTO_MOST) -> Iterator[Span]:
    """A timer that doubles each time it expires: ``first``, 2, 4, 8 times of it, but never above ``most``."""
    shortest, longest = span_of(first, "first"), span_of(most, "most")
    for number in range(count):
        yield min(2**number * shortest, longest)


def to_phase(now_ns: int) -> int:
    """How many ns from ``now_ns`` on the monotonic clock to the next beginning of ``PHASE_NS``."""
    return -now_ns % PHASE_NS


_MINUTE_MS = 60_000


def format_ms(ns: int) -> str:
    """A length of time in milliseconds, with as many places as it deserves; from a minute on in hours and minutes."""
    value = ns / MS
    if round(value) >= _MINUTE_MS:
        minutes, rest = divmod(round(value), _MINUTE_MS)
        hours, minutes = divmod(minutes, 60)
        parts = ((hours, "h"), (minutes, "min"), (rest / 1000, "s"))
        return " ".join(f"{count:g} {unit}" for count, unit in parts if count)
    return f"{value:.0f} ms" if value >= 100 or value == int(value) else f"{value:.1f} ms"
