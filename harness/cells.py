"""One scenario in many states: ``in_states`` makes a cell of each, the fixture ``cell`` brings a connection there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pytest

from harness.closing import Arrival
from harness.endpoint import Endpoint
from harness.marks import requirement
from harness.peer import Peer
from harness.segment import ACK, RST
from harness.session import Session
from harness.states import NUMBERS, WAYS, Numbers, confirm, reach
from harness.verdict import Mismatch


@dataclass(frozen=True, slots=True)
class Cell:
    """A connection that was brought into a state, and what a scenario asks of it.

    Args:
        server: the kernel's end; in LISTEN and of what was not accepted, the listener.
        peer: the peer's end.
        state: where it is.
        at: its numbers there.
    """

    session: Session
    server: Endpoint
    peer: Peer
    state: str
    held: str
    at: Numbers

    def stays(self) -> None:
        """Make sure by sock_diag that the state is still the same; what was sent before is taken in by then."""
        self.session.hub.flush()
        confirm(self.session, self.peer, self.state, self.held)

    def becomes(self, state: str) -> None:
        """Make sure by sock_diag that the connection is in another state now."""
        self.session.hub.flush()
        confirm(self.session, self.peer, state)

    def answers(self, follows: Arrival) -> None:
        """Judge what the kernel has answered; see ``answers_as``."""
        answers_as(self.peer, follows)

    def is_gone(self) -> None:
        """Nobody knows the connection any more, so its next segment is answered with a RST (RFC 9293 3.10.7.1).

        Raises:
            Mismatch: it is known.
            FinwaitError: sock_diag still sees it.
        """
        self.peer.send(ACK, seq=self.at.rcv_nxt, ack=self.at.snd_nxt)
        self.peer.expect(RST, seq=self.at.snd_nxt)
        confirm(self.session, self.peer, "CLOSED")


def answers_as(peer: Peer, follows: Arrival) -> None:
    """Judge what the kernel has answered by the time that all which was sent is taken in; see ``harness.closing``.

    Raises:
        Mismatch: it is not what follows.
    """
    silence = follows.clause if follows.optional or not follows.answers else ""
    try:
        peer.expect_at_once(silence=silence, **follows.answers)
    except Mismatch as mismatch:
        if follows.answers:  # of silence the clause is told already
            mismatch.expected = tuple(f"{line}   ({follows.clause})" for line in mismatch.expected)
        raise


def in_states(
    ids: Mapping[str, str | tuple[str, ...]], *, held: Iterable[str] = (), ways: Mapping[str, Iterable[str]] = WAYS
) -> pytest.MarkDecorator:
    """Run a scenario that asks for ``cell`` in each of these states, in every way in which they can be held.

    Args:
        ids: of the transition, or transitions, that each state stands for, by state.
        held: in these ways only.
        ways: of each state, where not all of ``harness.states.WAYS`` are meant.
    """
    cells = [
        pytest.param(state, way, id=f"{state}-{way}", marks=requirement(*([one] if isinstance(one, str) else one)))
        for state, one in ids.items()
        for way in ways[state]
        if not held or way in held
    ]
    return pytest.mark.parametrize(("state", "held"), cells)


@pytest.fixture
def state() -> str:
    """The state of ``cell``; see ``in_states``."""
    return "ESTABLISHED"


@pytest.fixture
def cell(session: Session, state: str, held: str) -> Cell:
    """A connection in ``state``, held as ``held``."""
    server, peer = reach(session, None, state, held)
    session.finish()  # what was sent twice on the way must not pass for an answer to what follows
    return Cell(session, server, peer, state, held, NUMBERS.get(state, Numbers(0, 0, 0)))
