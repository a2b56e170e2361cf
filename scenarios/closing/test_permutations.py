"""Every order in which the last segments of a connection can arrive.

The peer has sent one data segment, its FIN, a duplicate of an old ACK, the ACK of the kernel's FIN, and a RST behind
all of them; data and FIN carry the acknowledgment from before or from after the peer saw the kernel's FIN. The answers
are derived from RFC 9293 3.10.7 by ``harness.model.rfc9293``.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest

from harness import ACK, FIN, RST, Cell, Segment, in_shared_lab, in_states, judge, requirement

pytestmark = in_shared_lab

NAMES = ("ack", "fin", "data", "dup", "rst")
ORDERS = list(itertools.permutations(NAMES))
CLOSING_STATES = ("FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "LAST-ACK", "TIME-WAIT")
OUR_FIN = 1
LONG_AGO = -100_000  # left of the window


@pytest.fixture
def timestamps() -> bool:
    """Without: segments that overtake each other must not be judged by their age as well (RFC 7323 5)."""
    return False


def sent_by_peer(cell: Cell, ack: int) -> Mapping[str, Segment]:
    """The five segments, and one that is always answered. A FIN that was taken comes again, with data beyond it."""
    peer, fin_taken = cell.peer, cell.at.rcv_nxt > 1
    data, fin, after = (2, 1, 2) if fin_taken else (1, 5, 6)
    return {
        "ack": peer.make(ACK, seq=after, ack=2),
        "fin": peer.make(FIN, seq=fin, ack=ack),
        "data": peer.make(ACK, seq=data, ack=ack, data=b"text"),
        "dup": peer.make(ACK, seq=data, ack=OUR_FIN),
        "rst": peer.make(RST, seq=after),
        "long ago": peer.make(ACK, seq=LONG_AGO, ack=2),
    }


@requirement("RFC9293-3.10.7.4", "RFC9293-E-17", "RFC9293-SHLD-31", "RFC5961-3.2-3")
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest.mark.parametrize("ack", [1, 2], ids=["oldack", "newack"])
@in_states(dict.fromkeys(CLOSING_STATES, "RFC9293-3.10.7.4"))
def test_last_segments_in_any_order(cell: Cell, order: tuple[str, ...], ack: int) -> None:
    segments = sent_by_peer(cell, ack)
    possible = [cell.control_block]
    for name in (*order, "long ago"):
        possible = [answer.after for answer in judge(cell.peer, possible, segments[name])]
    cell.expect_state(*(at.state for at in possible))
