"""What a lab pins, held against what a scenario expects: it must not pass for what the kernel did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.errors import FinwaitError
from harness.tcp.segment import FIN, SYN
from harness.tcp.timing import MS, PROMPT, Span, format_ms
from harness.tcp.verdict import Evidence, Expectation, LabCondition
from harness.trace.events import Received, Timeline
from netns.conditions import RTO_MIN_MS, Condition

_NOTHING_CAME = ("nothing in ", "  no error")


def shown(rows: Iterable[Condition]) -> tuple[LabCondition, ...]:
    """Rows of the table as records keep them, without what is as the kernel has it."""
    return tuple(
        LabCondition(row.title, " ".join(row.value.split()), row.default, row.effect, row.freed)
        for row in rows
        if row.differs
    )


def refuse_held(rows: Iterable[Condition], expectation: Expectation) -> None:
    """Refuse to expect what only a timer can send that the lab holds.

    All that a kernel sends later than PROMPT is sent by a timer. That of a SYN is no route's (RFC 6298 2.1).

    Raises:
        FinwaitError: the least time of the expectation is such a timer's.
    """
    if (least := expectation.at_least) is not None:
        _refuse(rows, expectation, least, f"a segment not before {least} is expected of a lab that holds such timers")


def refuse_unknowable(rows: Iterable[Condition], expectation: Expectation, waited_ns: int) -> None:
    """Refuse to say of a kernel that it sent nothing for so long that a timer which the lab holds would have sent it.

    Raises:
        FinwaitError: it is not known.
    """
    if (most := expectation.within) is not None:
        retransmitting = [row for row in rows if row.timer_ms * MS > PROMPT.ns]
        _refuse(retransmitting, expectation, most, f"nothing in {format_ms(waited_ns)} says nothing of the kernel here")


def _refuse(rows: Iterable[Condition], expectation: Expectation, span: Span, what: str) -> None:
    held = [row for row in rows if row.timer_ms and row.timer_ms * MS <= span.ns < RTO_MIN_MS * MS]
    if held and not any(pattern.flags & SYN for pattern in expectation.alternatives.values()):
        effects = "; ".join(f"{row.title} = {row.value}: {row.effect}" for row in held)
        raise FinwaitError(what, why=effects, hint=f"@waits({span.name}), which leaves the timers to the kernel")


def told_by(rows: Iterable[Condition], signs: Iterable[str]) -> tuple[LabCondition, ...]:
    """The rows that one of these signs calls for; see ``Condition.told_by``."""
    given = set(signs)
    return shown(row for row in rows if given.intersection(row.told_by))


def came_before(expectation: Expectation, timeline: Timeline, connection: int) -> bool:
    """Whether the kernel has sent what is expected already: data, or a SYN or FIN."""
    return any(
        pattern.matches(event.segment)
        for event in timeline
        if isinstance(event, Received) and event.connection == connection
        if event.segment.data or event.segment.flags & (SYN | FIN)
        for pattern in expectation.alternatives.values()
    )


def signs(evidence: Evidence, grown: Mapping[str, int]) -> set[str]:
    """What in a failure calls for a condition; see ``Condition.told_by``.

    Args:
        evidence: of the failure.
        grown: what the kernel's counters grew by.
    """
    found = {one.field for one in evidence.differences} | set(grown)
    if evidence.observed.startswith(_NOTHING_CAME) and (evidence.within is None or evidence.within.ns > PROMPT.ns):
        found.add("timer")
    unasked = not evidence.differences and any(
        "silence" in due.what or "nothing" in due.what for due in evidence.expected
    )
    if unasked and evidence.observed.startswith("> . ") and "(0)" in evidence.observed:
        found.add("ACK")
    return found
