"""The one home of every tolerance: named spans of time, and what a machine's own slowness adds to them. Pure.

Times are nanoseconds. Lower bounds are exact; upper bounds take the profile's slack, which a calibration measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

MS = 1_000_000
"""Nanoseconds in a millisecond."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A named length of time in nanoseconds, with the clause or kernel source it rests on."""

    ns: int
    name: str
    ground: str = ""

    def __mul__(self, factor: int) -> Span:
        return Span(self.ns * factor, f"{factor} * {self.name}", self.ground)

    __rmul__ = __mul__

    def __str__(self) -> str:
        return f"{format_ms(self.ns)} ({self.name})"


PROMPT = Span(40 * MS, "PROMPT", "below TCP_DELACK_MIN (HZ/25, include/net/tcp.h): no timer can be behind an answer")
RTO_MIN = Span(200 * MS, "RTO_MIN", "TCP_RTO_MIN (HZ/5, include/net/tcp.h); RFC 6298 2.4 says 1 s")
RTO_INIT = Span(1000 * MS, "RTO_INIT", "RFC 6298 2.1: 1 s; TCP_TIMEOUT_INIT (include/net/tcp.h)")
DELACK_MAX = Span(200 * MS, "DELACK_MAX", "TCP_DELACK_MAX (HZ/5); RFC 9293 3.8.6.3 allows 0.5 s")
QUIET = Span(60 * MS, "QUIET", "longer than PROMPT: what no timer delays would have come")


class TimingProfile(msgspec.Struct, frozen=True):
    """What the machine adds to upper bounds, and how long to wait for a segment before it is called missing.

    Args:
        name: where the figures come from: ``real`` (calibrated) or ``virtual`` (time stands still while code runs).
        slack_ns: added to every upper bound.
        wheel: the part by which the kernel's timer wheel may round a timer up (kernel/time/timer.c: 1/8).
        patience_ns: how long past its bound a segment is waited for, so that a late one is told from a missing one.
        worst_ns: the slowest kernel-to-kernel answer that the calibration saw.
        rounds: how many answers the calibration measured.
    """

    name: str = "real"
    slack_ns: int = 20 * MS
    wheel: float = 0.125
    patience_ns: int = 1000 * MS
    worst_ns: int = 0
    rounds: int = 0

    def impatient(self) -> TimingProfile:
        """The same without patience: what is missing counts as missing at its bound, late or not."""
        return msgspec.structs.replace(self, patience_ns=0)

    def upper(self, span: Span) -> int:
        """The latest moment, in ns after the cause, that still counts as within ``span``."""
        rounding = int(span.ns * self.wheel) if span.ns > PROMPT.ns else 0
        return span.ns + rounding + self.slack_ns

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


VIRTUAL = TimingProfile(name="virtual", slack_ns=0, patience_ns=0)
"""For a kernel whose time stands still while code runs: nothing is added but the timer wheel's rounding."""


def format_ms(ns: int) -> str:
    """A length of time in milliseconds, with as many places as it deserves."""
    value = ns / MS
    return f"{value:.0f} ms" if value >= 100 or value == int(value) else f"{value:.1f} ms"
