"""One scenario in many states: ``in_states`` makes a cell of each, the fixture ``cell`` brings a connection there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pytest

from harness.live.endpoint import Endpoint
from harness.live.peer import Peer
from harness.live.session import Session
from harness.live.states import NUMBERS, WAYS, Numbers, expect_state, reach, state_of
from harness.model.connection import ControlBlock
from harness.plugin.markers import requirement
from harness.tcp.segment import ACK, RST


@dataclass(frozen=True, slots=True)
class Cell:
    """A connection that was brought into a state, and what a scenario asks of it.

    Args:
        endpoint: the kernel's end; in LISTEN and of what was not accepted, the listener.
        peer: the peer's end.
        state: where it is.
        at: its numbers there.
    """

    session: Session
    endpoint: Endpoint
    peer: Peer
    state: str
    ownership: str
    at: Numbers

    def expect_same_state(self) -> None:
        """Make sure by sock_diag that the state is still the same; what was sent before is taken in by then."""
        self.session.settle()
        expect_state(self.session, self.peer, self.state, self.ownership)

    def expect_state(self, *states: str) -> None:
        """Make sure by sock_diag that the connection is in another state now, in one of these."""
        now = state_of(self.session, self.peer)
        expect_state(self.session, self.peer, now if now in states else states[0])

    @property
    def control_block(self) -> ControlBlock:
        """The same for ``harness.live.check``, with the window that the kernel has offered and the lab's quickack."""
        window = self.peer.offered_window(self.at.rcv_nxt)
        return ControlBlock(self.state, *self.at, rcv_wnd=window, reads=self.ownership != "orphaned", quickack=True)

    def expect_gone(self) -> None:
        """Nobody knows the connection any more, so its next segment is answered with a RST (RFC 9293 3.10.7.1).

        Raises:
            Mismatch: it is known, or sock_diag still sees it.
        """
        self.peer.send(ACK, seq=self.at.rcv_nxt, ack=self.at.snd_nxt)
        self.peer.expect(RST, seq=self.at.snd_nxt)
        expect_state(self.session, self.peer, "CLOSED")


def in_states(
    ids: Mapping[str, str | tuple[str, ...]], *, ownership: Iterable[str] = (), ways: Mapping[str, Iterable[str]] = WAYS
) -> pytest.MarkDecorator:
    """Run a scenario that asks for ``cell`` in each of these states, in every way in which they can be held.

    Args:
        ids: of the transition, or transitions, that each state stands for, by state.
        ownership: in these ways only.
        ways: of each state, where not all of ``harness.live.states.WAYS`` are meant.
    """
    cells = [
        pytest.param(state, way, id=f"{state}-{way}", marks=requirement(*([one] if isinstance(one, str) else one)))
        for state, one in ids.items()
        for way in ways[state]
        if not ownership or way in ownership
    ]
    return pytest.mark.parametrize(("state", "ownership"), cells)


@pytest.fixture
def state() -> str:
    """The state of ``cell``; see ``in_states``."""
    return "ESTABLISHED"


@pytest.fixture
def cell(session: Session, state: str, ownership: str) -> Cell:
    """A connection in ``state``, held as ``ownership``."""
    server, peer = reach(session, None, state, ownership)
    session.finish()  # what was sent twice on the way must not pass for an answer to what follows
    return Cell(session, server, peer, state, ownership, NUMBERS.get(state, Numbers(0, 0, 0)))
