"""The state x segment table: what each segment is answered with in each state, as RFC 9293 3.10.7 and RFC 5961 say.

What is expected is derived from the RFC's text (``harness.model.rfc9293``). Where the text leaves a choice, each is
taken. That the connection is then where the clause puts it shows in what a probe outside of the window is answered
with.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence

import pytest

from harness import (
    ACK,
    FIN,
    HAVE_A_ZERO_WINDOW,
    NOMINAL_WINDOW,
    NUMBERS,
    RST,
    STATES,
    SYN,
    WAYS,
    WITH_A_WINDOW,
    WITH_A_ZERO_WINDOW,
    Answer,
    ControlBlock,
    Pattern,
    Peer,
    Session,
    TableCell,
    in_shared_lab,
    judge,
    reach,
    requirement,
    table_cells,
)

pytestmark = [in_shared_lab, requirement("RFC9293-3.10.7")]

UNOPENED = ("CLOSED", "LISTEN")
FAR = 2**20  # further than the window is wide
SMALL_BUFFER = 1024  # one segment fills it


def rows(states: Iterable[str], places: Sequence[str]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("cell", [pytest.param(cell, id=str(cell)) for cell in table_cells(states, places)])


@pytest.fixture
def timestamps() -> bool:
    """None, so that sequence numbers alone decide."""
    return False


@rows(STATES, WITH_A_WINDOW)
def test_answer(session: Session, cell: TableCell) -> None:
    _, peer = reach(session, None, cell.state, WAYS[cell.state][0])
    judge_cell(peer, cell, control_block(peer, cell.state))


@rows(HAVE_A_ZERO_WINDOW, WITH_A_ZERO_WINDOW)
def test_answer_with_a_zero_window(session: Session, cell: TableCell) -> None:
    peer, at = reach_with_a_zero_window(session, cell.state)
    judge_cell(peer, cell, at)


def judge_cell(peer: Peer, cell: TableCell, at: ControlBlock) -> None:
    """Send the cell's segment; both its answer and where it left the connection have to be the RFC's."""
    if at.state == "SYN-SENT":
        peer.expect_at_once(silence="waits")
        # from now on: nothing holds off its retransmission, and Linux hastens it after a bad ACK
        peer.allow(SYN, seq=0)
    given = judge(peer, [at], cell.segment(at))
    if given[0].after.state not in UNOPENED or at.state not in UNOPENED:
        probe(peer, given)


def probe(peer: Peer, given: Sequence[Answer]) -> None:
    """Show where the connection is: outside of the window all but a RST is answered with both numbers (3.5.2)."""
    at = given[0].after
    peer.send(ACK, seq=at.rcv_nxt - FAR, ack=at.snd_nxt)
    shown = {}
    for answer in given:
        if answer.after.state in UNOPENED:
            shown[answer.name] = Pattern(RST, seq=at.snd_nxt)
        elif answer.after.state != "SYN-SENT":
            shown[answer.name] = Pattern(ACK, seq=answer.after.snd_nxt, ack=answer.after.rcv_nxt)
    # in SYN-SENT there is no window yet, and an acceptable ACK without a SYN is dropped (3.10.7.3, fifth)
    asking = next((answer.name for answer in given if answer.after.state == "SYN-SENT"), "")
    peer.expect_at_once(silence=asking, **shown)


def control_block(peer: Peer, state: str) -> ControlBlock:
    """Where ``reach`` has brought the connection; the window is what the kernel offered, and quickack the lab's."""
    if state in UNOPENED:
        return ControlBlock(state, snd_una=1, snd_nxt=1, rcv_nxt=1, rcv_wnd=NOMINAL_WINDOW)
    at = NUMBERS[state]
    if state == "SYN-SENT":
        return ControlBlock(state, at.snd_una, at.snd_nxt, rcv_nxt=1, rcv_wnd=NOMINAL_WINDOW, actively=True)
    return ControlBlock(state, *at, rcv_wnd=peer.offered_window(at.rcv_nxt), quickack=True)


def reach_with_a_zero_window(session: Session, state: str) -> tuple[Peer, ControlBlock]:
    """A connection in a state, with a receive buffer that the peer's data, and its FIN if it sent one, have filled."""
    listener = session.listen()
    listener.set_option("SO_RCVBUF", SMALL_BUFFER)
    server, peer = session.establish(listener)
    window = peer.offered_window(1)
    after = NUMBERS[state]
    full = 1 + window
    own_fin_first = state in ("FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "TIME-WAIT")
    with_fin = after.rcv_nxt == 2
    if own_fin_first:
        server.shutdown(socket.SHUT_WR)
        peer.expect(FIN, seq=1, ack=1)
    filling = b"x" * (window - with_fin)
    peer.send(FIN if with_fin else ACK, seq=1, ack=after.snd_una, data=filling)
    peer.expect(ACK, seq=1 + own_fin_first, ack=full, window=0)
    if state == "LAST-ACK":
        server.shutdown(socket.SHUT_WR)
        peer.expect(FIN, seq=1, ack=full, window=0)
    return peer, ControlBlock(state, after.snd_una, after.snd_nxt, rcv_nxt=full, rcv_wnd=0, quickack=True)
