"""ICMP hard errors about what is on its way, in each state (RFC 9293 3.9.2.2, SHLD-26)."""

from __future__ import annotations

import pytest

from harness import ACK, FIN, RST, SYN, Cell, Pattern, Segment, both_families, in_shared_lab, in_states, requirement

pytestmark = in_shared_lab

LONG_AGO = -100_000  # left of the window, so that a connection which is there answers with an ACK
SENDS_DATA = ("ESTABLISHED", "CLOSE-WAIT")
CLOSING_WAYS = ("owned", "orphaned")


def on_its_way(cell: Cell) -> Segment:
    """The kernel's SYN, its FIN, or data where neither is."""
    if cell.state in SENDS_DATA:
        cell.endpoint.send(b"data")
        return cell.peer.expect(ACK, seq=1, ack=cell.at.rcv_nxt, data=b"data")
    return Segment(flags=SYN if cell.at.snd_una == 0 else FIN | ACK, seq=cell.at.snd_una, ack=cell.at.rcv_nxt)


@requirement("RFC9293-SHLD-26", "RFC9293-MUST-54")
@both_families
@pytest.mark.parametrize("kind", ["protocol unreachable", "port unreachable"])
@in_states(
    {
        "SYN-SENT": "FSM-185",
        "SYN-RECEIVED": "FSM-186",
        "ESTABLISHED": "FSM-187",
        "FIN-WAIT-1": "FSM-188",
        "CLOSE-WAIT": "FSM-189",
        "CLOSING": "FSM-190",
        "LAST-ACK": "FSM-191",
    },
    ways={
        "SYN-SENT": ["owned"],
        "SYN-RECEIVED": ["owned", "unaccepted"],
        "ESTABLISHED": ["owned"],
        "FIN-WAIT-1": CLOSING_WAYS,
        "CLOSE-WAIT": ["owned"],
        "CLOSING": CLOSING_WAYS,
        "LAST-ACK": CLOSING_WAYS,
    },
)
def test_hard_error_ends_the_connection(cell: Cell, kind: str) -> None:
    lost = on_its_way(cell)
    cell.peer.send_icmp(kind, quoting=lost)
    cell.peer.send(ACK, seq=LONG_AGO, ack=lost.next_seq, data=b"anybody there?")
    reply = cell.peer.expect_one_of(
        aborted=Pattern(RST, seq=lost.next_seq), alive=Pattern(ACK, seq=lost.next_seq, ack=cell.at.rcv_nxt)
    )
    reply.require("aborted")
