"""Segments and the model's answers to them, as the figures of RFC 9293 write them."""

from __future__ import annotations

from harness.model.connection import Answer, ControlBlock
from harness.model.rfc9293 import answers
from harness.tcp.segment import ACK, FIN, RST, SYN, Flags, Segment


def seg(flags: Flags, seq: int, ack: int | None = None, length: int = 0) -> Segment:
    """A segment with ``length`` octets of data."""
    return Segment(flags=flags if ack is None else flags | ACK, seq=seq, ack=ack or 0, data=b"x" * length)


def told(answer: Answer) -> tuple[str, str]:
    """An answer as the RFC's figures show it, and the state afterwards."""
    if answer.flags is None:
        return "", answer.after.state
    control = ",".join(str(flag.name) for flag in (SYN, FIN, RST, ACK) if flag & answer.flags)
    acknowledgment = "" if answer.ack is None else f"<ACK={answer.ack}>"
    return f"<SEQ={answer.seq}>{acknowledgment}<CTL={control}>", answer.after.state


def only(at: ControlBlock, segment: Segment) -> tuple[str, str]:
    """The one answer there is."""
    (answer,) = answers(at, segment)
    return told(answer)


def all_told(at: ControlBlock, segment: Segment) -> list[tuple[str, str]]:
    """All answers that are allowed."""
    return [told(answer) for answer in answers(at, segment)]
