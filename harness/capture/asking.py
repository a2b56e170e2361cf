"""What the model of RFC 9293 asks for where a side answered a segment otherwise. Pure."""

from __future__ import annotations

from harness.capture.side import SideStory
from harness.model.connection import Answer, ControlBlock
from harness.model.rfc9293 import answers
from harness.tcp.segment import ACK, RST, SYN, Segment, distance, format_flags

_DECISIVE = SYN | RST

_LEAST_WINDOW = 65535
"""What a window is taken for whose scale is not known: more than a FIN needs."""


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
    forms = " or ".join(dict.fromkeys(_form(one) for one in found))
    clauses = ", ".join(dict.fromkeys(one.clause for one in found))
    return f"; RFC 9293 answers it by {forms} ({clauses})"


def _answers(own: SideStory, other: SideStory, segment: Segment) -> tuple[Answer, ...]:
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
