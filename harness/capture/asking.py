"""What the model of RFC 9293 asks for where a side answered a segment otherwise. Pure."""

from __future__ import annotations

from harness.capture.side import SideStory
from harness.model.connection import ControlBlock
from harness.model.rfc9293 import answers
from harness.tcp.segment import Segment, distance

_LEAST_WINDOW = 65535
"""What a window is taken for whose scale is not known: more than a FIN needs."""


def asked(own: SideStory, other: SideStory, segment: Segment) -> str:
    """What all answers have in common that a side may give to a segment, if it had come; empty where they differ.

    Args:
        own: the side that is asked, as it was before its answer.
        other: the side whose segment it is.
        segment: in relative numbers.
    """
    if own.said is None:
        return ""
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
    found = answers(at, segment)
    acks = {one.ack for one in found}
    if len(acks) != 1 or None in acks:
        return ""
    clauses = ", ".join(dict.fromkeys(one.clause for one in found))
    return f"; RFC 9293 answers it by an ACK of {found[0].ack} ({clauses})"
