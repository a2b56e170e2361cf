"""What the model of RFC 9293 asks for where a side answered a segment otherwise. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from harness.capture.side import SideStory
from harness.model.connection import Answer, ControlBlock
from harness.model.rfc9293 import answers
from harness.tcp.segment import ACK, RST, SYN, Segment, distance, format_flags
from harness.tcp.timing import MS

_DECISIVE = SYN | RST

_LEAST_WINDOW = 65535
"""What a window is taken for whose scale is not known: more than a FIN needs."""

_MOST_DELAYED_NS = 500 * MS
"""How long an ACK may wait for more data (RFC 9293 3.8.6.3, RFC 5681 4.2)."""


def asked(own: SideStory, other: SideStory, segment: Segment) -> str:
    """What all answers have in common that a side may give to a segment, if it had come; empty where they differ.

    Args:
        own: the side that is asked, as it was before its answer.
        other: the side whose segment it is.
        segment: in relative numbers.
    """
    found = _answers(own, other, segment)
    acks = {one.ack for one in found}
    if len(acks) != 1 or None in acks:
        return ""
    clauses = ", ".join(dict.fromkeys(one.clause for one in found))
    return f"; RFC 9293 answers it by an ACK of {found[0].ack} ({clauses})"


def deviation(own: SideStory, other: SideStory, segment: Segment, answered: Segment) -> str:
    """What a side may answer to a segment, if it had come, and did not; empty where it did, or that is not known.

    Args:
        own: the side that is asked, as it was before its answer.
        other: the side whose segment it is.
        segment: in relative numbers.
        answered: what it sent then.
    """
    found = _answers(own, other, segment)
    if not found or any(_fits(one, answered) for one in found):
        return ""
    return f"; {_answered_by(found)}"


def missing(own: SideStory, other: SideStory, segment: Segment, waited: int) -> str:
    """What a side ought to have answered to a segment, if it had come; empty where it may have been silent.

    Args:
        own: the side that is asked, and answered nothing.
        other: the side whose segment it is.
        segment: in relative numbers.
        waited: for how many ns nothing had come.
    """
    found: list[Answer] = []
    if distance(own.acknowledged, segment.seq) <= 0:  # what stands before it may have come as well, and its ACK wait
        found += _answers(own, other, segment, acknowledges_at_once=waited >= _MOST_DELAYED_NS)
    if own.last is None and segment.flags & (SYN | ACK) == SYN:  # where someone listens, and where nobody does
        found = [one for state in ("LISTEN", "CLOSED") for one in answers(ControlBlock(state), segment)]
    if not found or any(one.flags is None for one in found):
        return ""
    return f"; if it came, {_answered_by(found)}"


def as_without_connection(segment: Segment, other: SideStory) -> str:
    """Of a RST, what it answers where its sender has no connection any more; empty where it may be of another kind."""
    asks = [] if other.last is None else [(other.last.frame, other.last.segment.ack)]
    asks += [(one.frame, one.ack) for one in reversed(other.sent)]
    frame = next((frame for frame, ack in asks if ack == segment.seq), 0)
    if not frame or segment.flags & ACK:
        return ""
    clauses = answers(ControlBlock("CLOSED"), Segment(flags=ACK, ack=segment.seq))[0].clause
    return f"; frame {frame} acknowledges that number, and who has no connection answers it so ({clauses})"


def _answered_by(found: Sequence[Answer]) -> str:
    forms = " or ".join(dict.fromkeys(_form(one) for one in found))
    return f"RFC 9293 answers it by {forms} ({', '.join(dict.fromkeys(one.clause for one in found))})"


def _answers(
    own: SideStory, other: SideStory, segment: Segment, *, acknowledges_at_once: bool = False
) -> tuple[Answer, ...]:
    """All that the model allows; none where the state of the side cannot be told."""
    if own.said is None or other.acknowledged == 0:
        return ()
    ended = own.fin is not None
    heard = ended and distance(own.next, other.acknowledged) >= 0
    at = ControlBlock(
        "FIN-WAIT-2" if heard else "FIN-WAIT-1" if ended else "ESTABLISHED",
        snd_una=other.acknowledged,
        snd_nxt=own.next,
        rcv_nxt=own.acknowledged,
        rcv_wnd=_LEAST_WINDOW,
        max_snd_wnd=_LEAST_WINDOW,
        quickack=acknowledges_at_once,
    )
    return answers(at, segment)


def _fits(one: Answer, answered: Segment) -> bool:
    if one.flags is None:
        return False  # something was sent
    acknowledges = bool(one.flags & ACK)
    return answered.flags & _DECISIVE == one.flags & _DECISIVE and (not acknowledges or answered.ack == one.ack)


def _form(one: Answer) -> str:
    if one.flags is None:
        return "nothing"
    return f"an ACK of {one.ack}" if not one.flags & _DECISIVE else f"{format_flags(one.flags)} {one.seq}"
