"""What RFC 9293 3.10.4 and 3.10.5 have a TCP send for CLOSE and ABORT, in any state. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.model.connection import Answer, ControlBlock
from harness.tcp.segment import ACK, FIN, RST, add

_AFTER_THE_OWN_FIN = {"SYN-RECEIVED": "FIN-WAIT-1", "ESTABLISHED": "FIN-WAIT-1", "CLOSE-WAIT": "LAST-ACK"}
_ABORTS_ALOUD = ("SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT")


def closed(at: ControlBlock, *, unread: bool = False) -> Iterator[Answer]:
    """All that CLOSE may bring about, with nothing left to be sent before the FIN (RFC 9293 3.10.4).

    Args:
        at: the connection.
        unread: whether data wait that no process has read, and none can read any more (RFC 9293 SHLD-3).
    """
    clause = "RFC9293-3.10.4"
    if unread and at.state in (*_ABORTS_ALOUD, "CLOSING", "LAST-ACK"):
        yield from _reset(at, "RFC9293-3.6.1 RFC9293-SHLD-3")
    if at.state in _AFTER_THE_OWN_FIN:
        after = replace(at, state=_AFTER_THE_OWN_FIN[at.state], snd_nxt=add(at.snd_nxt, 1), owed=0)
        yield Answer("closed", clause, after, FIN | ACK, at.snd_nxt, at.rcv_nxt)
    elif at.state in ("LISTEN", "SYN-SENT"):
        yield Answer("deleted", clause, replace(at, state="CLOSED"))
    else:
        yield Answer("silent", clause, at)


def aborted(at: ControlBlock) -> Iterator[Answer]:
    """All that ABORT may bring about: the connection is deleted in each state (RFC 9293 3.10.5)."""
    clause = "RFC9293-3.10.5"
    if at.state in _ABORTS_ALOUD:
        yield from _reset(at, clause)
    else:
        yield Answer("deleted", clause, replace(at, state="CLOSED"))


def _reset(at: ControlBlock, clause: str) -> Iterator[Answer]:
    """<SEQ=SND.NXT><CTL=RST>; with an ACK it says what it would without."""
    after = replace(at, state="CLOSED")
    yield Answer("aborted", clause, after, RST, at.snd_nxt)
    yield Answer("aborted_and_acknowledged", clause, after, RST | ACK, at.snd_nxt, at.rcv_nxt)
