"""Compares what a kernel answers with what RFC 9293 3.10.7 requires, one segment after the other."""

from __future__ import annotations

from collections.abc import Iterable

from harness.live.peer import Peer
from harness.model.connection import Answer, ControlBlock
from harness.model.rfc9293 import answers
from harness.tcp.pattern import Pattern
from harness.tcp.segment import Segment
from harness.tcp.verdict import Due, Mismatch


def judge(peer: Peer, possible: Iterable[ControlBlock], segment: Segment) -> tuple[Answer, ...]:
    """Send a segment, and judge what the kernel has answered by the time that it has taken it in.

    Args:
        peer: the connection's.
        possible: where the connection may be, since earlier answers can have left that open.
        segment: what is sent.

    Returns:
        What was answered: one for each place where the connection may be now.

    Raises:
        Mismatch: it follows from none of ``possible``.
    """
    allowed = _by_name(answer for at in possible for answer in answers(at, segment))
    silence = next((name for name, (answer, *_) in allowed.items() if answer.flags is None), "")
    patterns = {
        name: Pattern(answer.flags, seq=answer.seq, ack=answer.ack)
        for name, (answer, *_) in allowed.items()
        if answer.flags is not None
    }
    peer.send_together(segment)
    try:
        chosen = peer.expect_at_once(silence=silence, **patterns)
    except Mismatch as mismatch:
        mismatch.add(expected=tuple(_told(several[0]) for several in allowed.values()), within=None)
        raise
    return tuple({answer.after: answer for answer in allowed[chosen]}.values())


def _by_name(allowed: Iterable[Answer]) -> dict[str, list[Answer]]:
    """What looks alike on the wire belongs together, and what does not needs another name."""
    by_wire: dict[object, list[Answer]] = {}
    for answer in allowed:
        by_wire.setdefault((answer.flags, answer.seq, answer.ack), []).append(answer)
    named: dict[str, list[Answer]] = {}
    for several in by_wire.values():
        name = several[0].name
        named[name if name not in named else f"{name}_{len(named) + 1}"] = several
    return named


def _told(answer: Answer) -> Due:
    sent = "nothing" if answer.flags is None else str(Pattern(answer.flags, seq=answer.seq, ack=answer.ack))
    return Due(f"> {sent}", answer.clause)
