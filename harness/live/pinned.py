"""What a lab pins, held against what a scenario expects: it must not pass for what the kernel did."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from harness.errors import FinwaitError
from harness.tcp.segment import FIN, SYN
from harness.tcp.timing import MS, PROMPT, Span, format_ms, marked
from harness.tcp.verdict import Evidence, Expectation, LabCondition
from harness.trace.events import Received, Timeline
from netns.conditions import RTO_MIN_MS, Condition, holds_what_waits

_NOTHING_CAME = ("nothing in ", "  no error")
_BARE_ACK = re.compile(r"[<>] \. [^()]*\(0\)")
_DATA = re.compile(r"[<>] P?\.?P? [^()]*\((?!0\))")
_FAST_OPEN = "opt 34"  # RFC 7413 2
_ECN = re.compile("[EW]")
_CHALLENGES = ("TcpExtTCPChallengeACK", "TcpExtPAWSEstab")


def shown(rows: Iterable[Condition]) -> tuple[LabCondition, ...]:
    """Rows of the table as records keep them, without what is as the kernel has it."""
    return tuple(
        LabCondition(row.title, " ".join(row.value.split()), row.default, row.effect, row.freed)
        for row in rows
        if row.differs
    )


def refuse_held(rows: Iterable[Condition], expectation: Expectation) -> None:
    """Refuse to expect what only a timer can send, in a scenario that does not say that it waits for one.

    All that a kernel sends later than PROMPT is sent by a timer. That of a SYN is no route's (RFC 6298 2.1), so that
    no lab holds it.

    Raises:
        FinwaitError: the least time of the expectation is a timer's.
    """
    if (least := expectation.at_least) is not None:
        _refuse(rows, expectation, least, f"a segment not before {least} is expected of a lab that holds such timers")
        if least.ns > PROMPT.ns and holds_what_waits(rows):
            why = "only a timer sends it, and the scenario does not say that it waits for one"
            raise FinwaitError(f"a segment not before {least} is expected", why=why, hint=marked(least))


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
        raise FinwaitError(what, why=effects, hint=f"{marked(span)}, which leaves the timers to the kernel")


def told_by(rows: Iterable[Condition], signs: Iterable[str]) -> tuple[LabCondition, ...]:
    """The rows that one of these signs calls for; see ``Condition.told_by``."""
    given = set(signs)
    return shown(row for row in rows if given.intersection(row.told_by))


def came_before(expectation: Expectation, timeline: Timeline, connection: int, at: int) -> bool:
    """Whether the kernel had sent what is expected by then already: data, or a SYN or FIN."""
    return any(
        pattern.matches(event.segment)
        for event in timeline
        if isinstance(event, Received) and event.connection == connection and event.at < at
        if event.segment.data or event.segment.flags & (SYN | FIN)
        for pattern in expectation.alternatives.values()
    )


def signs(evidence: Evidence, grown: Mapping[str, int]) -> set[str]:
    """What in a failure calls for a condition; see ``Condition.told_by``.

    Args:
        evidence: of the failure.
        grown: what the kernel's counters grew by.
    """
    due = " ".join(one.what for one in evidence.expected)
    missing = evidence.observed.startswith(_NOTHING_CAME)
    late = missing and (evidence.within is None or evidence.within.ns > PROMPT.ns)
    unasked = not evidence.differences and ("silence" in due or "nothing" in due)
    at_issue = due if missing else evidence.observed if unasked else f"{due} {evidence.observed}"
    fields = {one.field: f"{one.expected} {one.seen}" for one in evidence.differences}
    found = {
        "timer": late,
        "window": "window" in fields,
        "ECN": _ECN.search(fields.get("flags", "")),
        "Fast Open": _FAST_OPEN in fields.get("options", ""),
        "ACK": _BARE_ACK.search(at_issue) and (late or unasked),
        "challenge": _BARE_ACK.search(at_issue) and any(name in grown for name in _CHALLENGES),
        "recovery": _DATA.search(at_issue) and (missing or unasked) and "TcpRetransSegs" in grown,
        "ICMP": "icmp" in at_issue.lower() and any(name.startswith("IcmpOut") for name in grown),
    }
    return {sign for sign, given in found.items() if given}
