"""The state x segment table: every kind of segment, at every place about the window, in every state. Pure.

A cell says what is sent; ``harness.model.rfc9293`` says what RFC 9293 has it answered with.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from harness.model.connection import ControlBlock
from harness.model.requirements import STATES
from harness.tcp.segment import ACK, CWR, ECE, FIN, NONE, PSH, RST, SYN, URG, Flags, Segment, add

ALL_FLAGS = SYN | FIN | RST | PSH | ACK | URG | ECE | CWR

KINDS: Mapping[str, tuple[Flags, bytes]] = {
    "SYN": (SYN, b""),
    "SYN+ACK": (SYN | ACK, b""),
    "SYN+FIN": (SYN | FIN, b""),
    "ACK": (ACK, b""),
    "FIN": (FIN, b""),
    "FIN+ACK": (FIN | ACK, b""),
    "RST": (RST, b""),
    "RST+ACK": (RST | ACK, b""),
    "data": (ACK, b"x"),
    "no-flags": (NONE, b""),
    "all-flags": (ALL_FLAGS, b""),
}
"""Flags and payload by kind. One byte of data: it lies on one side of an edge."""

WITH_A_WINDOW = ("left", "at-left-edge", "inside", "at-right-edge", "right")
"""Just before the window, its first number, one within, its last number, and just beyond."""

WITH_A_ZERO_WINDOW = ("left", "at", "right")
"""Just before the place where the window would begin, there, and just beyond."""

ACKS: Mapping[str, int] = {"older": -1, "equal": 0, "newer": 1}
"""What is acknowledged, counted from SND.NXT: all but the last number, all that was sent, one more than that."""

INSIDE = 100
"""How far within the window ``inside`` is."""

NOMINAL_WINDOW = 65535
"""The window to count places in where the state has none: that of an earlier connection."""

HAVE_A_ZERO_WINDOW = tuple(state for state in STATES if state not in ("CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED"))
"""CLOSED, LISTEN and SYN-SENT have no window yet; in SYN-RECEIVED no data were accepted that could have closed it."""


class TableCell(NamedTuple):
    """One segment in one state.

    Args:
        state: one of the eleven.
        kind: one of ``KINDS``.
        place: of its sequence number.
        ack: one of ``ACKS``; empty for a kind without the ACK flag.
    """

    state: str
    kind: str
    place: str
    ack: str

    def __str__(self) -> str:
        return "-".join(part for part in self if part)

    def segment(self, at: ControlBlock) -> Segment:
        """What the peer sends, to a connection with that control block."""
        flags, data = KINDS[self.kind]
        offset = {
            "left": -1,
            "at-left-edge": 0,
            "at": 0,
            "inside": INSIDE,
            "at-right-edge": at.rcv_wnd - 1,
            "right": max(at.rcv_wnd, 1),
        }[self.place]
        ack = add(at.snd_nxt, ACKS[self.ack]) if self.ack else 0
        return Segment(flags=flags, seq=add(at.rcv_nxt, offset), ack=ack, data=data)


def table_cells(states: Iterable[str], places: Iterable[str]) -> Iterator[TableCell]:
    """Every kind of segment at these places in these states, with every acknowledgment where it has one."""
    for state, (kind, (flags, _)), place in itertools.product(states, KINDS.items(), places):
        for ack in ACKS if flags & ACK else ("",):
            yield TableCell(state, kind, place, ack)
