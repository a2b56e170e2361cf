"""What a process's end of a connection, or of reading from it, may bring about. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from harness.explore.courses import GONE, Course
from harness.model.calls import aborted, closed
from harness.model.connection import Answer, ControlBlock
from harness.tcp.segment import RST

WHILE_THE_FIN_WAITS = {
    "SYN-RECEIVED": ("FIN-WAIT-1", "SYN-RECEIVED"),
    "ESTABLISHED": ("FIN-WAIT-1",),
    "CLOSE-WAIT": ("CLOSING", "LAST-ACK"),
}
"""Where a kernel says that a connection is whose FIN waits behind data; the RFC's state is the one without it."""


def is_seen(state: str, seen: str, *, waits: bool) -> bool:
    """Whether a kernel that tells the one state may mean the other.

    Args:
        state: by the RFC.
        seen: told by the kernel.
        waits: whether a FIN of the process's waits to be sent.
    """
    if state in GONE:
        return seen in GONE
    return seen in WHILE_THE_FIN_WAITS[state] if waits and state in WHILE_THE_FIN_WAITS else seen == state


def ended(at: ControlBlock, *, aborts: bool, unread: bool, ending: bool) -> Iterator[Answer]:
    """What CLOSE may send, or ABORT.

    Args:
        at: the connection.
        aborts: whether it is ABORT.
        unread: whether data wait that nobody will read.
        ending: whether the process has closed its side before.
    """
    if aborts:
        yield from aborted(at)
        # data that nobody has read are a reason of their own to reset, also where ABORT has none any more
        yield from (one for one in closed(at, unread=unread) if one.flags is not None and one.flags & RST)
        return
    for one in closed(at, unread=unread):
        yield Answer("silent", one.clause, at) if ending and one.name == "closed" else one


def deaf(courses: Iterable[Course], acks: int) -> Iterator[Course]:
    """No RFC has the end of reading alone: data may still be taken, or be as unwanted as after CLOSE."""
    for one in courses:
        yield one._replace(explained=acks)
        yield one._replace(explained=acks, at=replace(one.at, reads=False))
        if one.at.state == "SYN-SENT":
            yield one._replace(at=replace(one.at, state="CLOSED"))
