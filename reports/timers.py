"""What each timer was measured to do, beside what old texts say about it: a table in Markdown, from run folders alone.

python -m reports.timers RUN... [--write docs/timers.md]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from harness.errors import FinwaitError
from harness.tcp.segment import FIN, RST, SYN
from harness.trace.events import Called, Event, Probed, Received, Sent
from harness.trace.runs import LoadedRun, load, titles

FOLDER = "scenarios/timers/"
_SECOND = 1_000_000_000

Measure = Callable[[Sequence[Event]], str]


def seconds(ns: int) -> str:
    """A length of time in seconds, with three places below a second, two below ten, else one."""
    value = ns / _SECOND
    return f"{value:.3f}" if value < 1 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _steps(events: Sequence[Event], wanted: Callable[[Received], bool]) -> list[int]:
    """The times between one such segment of the kernel's and the next, in ns."""
    at = [event.at for event in events if isinstance(event, Received) and wanted(event)]
    return [later - earlier for earlier, later in pairwise(at)]


def _end(events: Sequence[Event], since: int) -> str:
    """When a process was told that it is over."""
    told = [event for event in events if isinstance(event, Called) and "ETIMEDOUT" in (event.error, event.result)]
    return f"; ETIMEDOUT after {seconds(told[-1].end - since)} s" if told else ""


def repeated(flags: int) -> Measure:
    """How a segment with these flags (and no RST) is repeated, and when it is given up."""

    def measure(events: Sequence[Event]) -> str:
        def is_one(event: Received) -> bool:
            segment = event.segment
            return (segment.flags & (SYN | FIN | RST)) == flags and bool(segment.data or flags or segment.seq != 1)

        found = [event for event in events if isinstance(event, Received) and is_one(event)]
        steps = _steps(events, is_one)
        if not steps:
            return "none"
        return f"{shortened(steps)} s" + _end(events, found[0].at)

    return measure


def shortened(steps: Sequence[int]) -> str:
    """The steps in seconds: the first three, and the last with its number."""
    shown = [seconds(step) for step in steps]
    if len(shown) <= 5:
        return ", ".join(shown)
    return f"{', '.join(shown[:3])} … {shown[-1]} ({len(shown)} times)"


def probed(events: Sequence[Event]) -> str:
    """How a closed window is probed once there is something to send, and when that is given up."""
    since = max(event.at for event in events if isinstance(event, Called) and event.name == "send")
    at = [since, *(event.at for event in events if isinstance(event, Received) and event.at > since)]
    return f"{shortened([later - earlier for earlier, later in pairwise(at)])} s" + _end(events, since)


def last_step(events: Sequence[Event]) -> str:
    """The time between the kernel's last two segments."""
    return f"{seconds(_steps(events, lambda _: True)[-1])} s"


def answered(events: Sequence[Event]) -> str:
    """The time from the peer's last segment to the kernel's answer."""
    sent = max(event.at for event in events if isinstance(event, Sent))
    answers = [event.at for event in events if isinstance(event, Received) and event.at >= sent]
    return f"{seconds(answers[0] - sent)} s" if answers else "none"


def gone(events: Sequence[Event]) -> str:
    """Between which whole seconds after the last segment the socket went; it was looked at once a second."""
    left = next(
        (event.at for event in events if isinstance(event, Probed) and event.state == "CLOSED"),
        None,
    )
    if left is None:
        return "none"
    since = max(event.at for event in events if isinstance(event, Sent | Received) and event.at < left)
    late = round((left - since) / _SECOND)
    return f"{late - 1} to {late} s"


def keep_alive(events: Sequence[Event]) -> str:
    """The idle time, the time between probes, and when the connection is given up."""
    since = max(event.at for event in events if isinstance(event, Sent))
    at = [since, *(event.at for event in events if isinstance(event, Received) and event.at > since)]
    steps = [later - earlier for earlier, later in pairwise(at)]
    if len(steps) < 2:
        return "none"
    return f"{seconds(steps[0])} s idle, then every {seconds(steps[1])} s; RST after {len(steps) - 1} probes"


@dataclass(frozen=True, slots=True)
class Timer:
    """A row of the table.

    Args:
        name: of the timer.
        old: what 4.4BSD did, which most texts describe.
        rfc: what the RFCs ask for, with the clause.
        scenario: whose timeline shows it, below ``FOLDER``.
        measure: what to read from it.
    """

    name: str
    old: str
    rfc: str
    scenario: str
    measure: Measure


_OPENING = "test_connection_establishment.py::"
TIMERS = (
    Timer(
        "connection establishment, SYN",
        "given up after 75 s",
        "1 s first (RFC 6298 2.1), doubling (5.5), for 3 minutes at least (RFC 9293 MUST-23)",
        f"{_OPENING}test_syn_is_sent_again_for_three_minutes",
        repeated(SYN),
    ),
    Timer(
        "connection establishment, SYN,ACK",
        "given up after 75 s",
        "the same",
        f"{_OPENING}test_each_syn_ack_sent_again_doubles_the_timer_until_the_request_is_forgotten",
        repeated(SYN),
    ),
    Timer(
        "retransmission",
        "1 to 64 s, given up after 12 retransmissions",
        "1 s at least (RFC 6298 2.4), doubling (5.5), for 100 s at least (RFC 9293 SHLD-11)",
        "test_retransmission.py::test_data_are_sent_again_ever_more_rarely_and_then_given_up",
        repeated(0),
    ),
    Timer(
        "retransmission of the FIN of an orphan",
        "as data",
        "as data",
        "test_retransmission.py::test_fin_of_an_orphan_is_given_up",
        repeated(FIN),
    ),
    Timer(
        "retransmission after a lost SYN",
        "as data",
        "3 s (RFC 6298 5.7)",
        "test_retransmission.py::test_timer_starts_at_three_seconds_after_a_lost_syn",
        last_step,
    ),
    Timer(
        "persist",
        "5 to 60 s, forever",
        "one retransmission timeout, doubling (RFC 9293 SHLD-29, SHLD-30)",
        "test_persist.py::test_probes_that_nobody_answers_are_given_up",
        probed,
    ),
    Timer(
        "FIN-WAIT-2 of an orphan",
        "11 minutes and 15 s",
        "none",
        "test_fin_wait_2.py::test_orphan_is_let_go_after_a_minute",
        gone,
    ),
    Timer(
        "2MSL",
        "1 minute",
        "4 minutes, or twice another lifetime (RFC 9293 3.4.2, MUST-13)",
        "test_time_wait.py::test_time_wait_ends",
        gone,
    ),
    Timer(
        "delayed ACK",
        "up to 0.2 s",
        "below 0.5 s (RFC 9293 MUST-40)",
        "test_delayed_ack.py::test_single_segment_is_acknowledged_within_half_a_second",
        answered,
    ),
    Timer(
        "keepalive",
        "2 hours idle, then every 75 s, given up after 8 probes",
        "2 hours at least, off by default (RFC 9293 MUST-25, MUST-28)",
        "test_keepalive.py::test_connection_is_given_up_after_nine_probes_without_an_answer",
        keep_alive,
    ),
    Timer(
        "user timeout, set to 1.5 s",
        "none",
        "the connection is flushed and the user is told (RFC 9293 3.10.8)",
        "test_user_timeout.py::test_data_without_an_answer_end_the_connection",
        repeated(0),
    ),
)

_INTRODUCTION = """\
# The timers, in old texts and in kernels

`python -m reports.timers RUN... --write docs/timers.md` generates this page from run folders; only the columns of
4.4BSD (W. R. Stevens, TCP/IP Illustrated, volume 2, chapter 25) and of the RFCs are written by hand. The kernels ran in
virtual time, where a timer fires at the same microsecond in every run; the timer wheel rounds each up by at most 1/8
(kernel/time/timer.c), so the steps are not exact doublings. A step is the time between one segment and the next; the
peer never answers. A socket that ends without a segment was looked at once a second.
"""


def measured(run: LoadedRun, timer: Timer) -> str:
    """What a run's timeline says of a timer; what kept it from being measured where it does not.

    Raises:
        FinwaitError: the timeline cannot be read.
    """
    result = run.results.get(FOLDER + timer.scenario)
    if result is None:
        return "not run"
    events = run.timeline(result)
    return timer.measure(events) if any(isinstance(event, Received) for event in events) else result.outcome


def table(runs: Sequence[LoadedRun]) -> Iterator[str]:
    """The lines of a Markdown table: a timer to a row, a run to a column.

    Raises:
        FinwaitError: a timeline cannot be read.
    """
    yield _row("timer", "4.4BSD", "RFC", *titles(runs))
    yield _row(*["---"] * (3 + len(runs)))
    for timer in TIMERS:
        yield _row(timer.name, timer.old, timer.rfc, *(measured(run, timer) for run in runs))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def page(runs: Sequence[LoadedRun]) -> str:
    """The whole page: an introduction, the table, and which kernels it was measured on.

    Raises:
        FinwaitError: a timeline cannot be read.
    """
    kernels = [f"- {title}: {run.record.kernel}" for title, run in zip(titles(runs), runs, strict=True)]
    return "\n".join([_INTRODUCTION, *table(runs), "", "Measured on", "", *kernels, ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 2 when a run cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m reports.timers", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--write", type=Path, metavar="FILE", help="where the page goes [the terminal]")
    options = parser.parse_args(arguments)
    try:
        text = page([load(path) for path in options.runs])
    except FinwaitError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.write:
        options.write.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
