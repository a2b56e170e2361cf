"""One scenario in many states: ``in_states`` makes a cell of each, the fixture ``cell`` brings a connection there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pytest

from harness.live.endpoint import Endpoint
from harness.live.peer import Peer
from harness.live.session import Session
from harness.live.states import NUMBERS, WAYS, Numbers, reach
from harness.model.connection import ControlBlock
from harness.plugin.markers import requirement
from harness.tcp.segment import ACK, RST


@dataclass(frozen=True, slots=True)
class Cell:
    """A connection in a certain state, and what a scenario asks of it.

    Args:
        endpoint: the kernel's end; the listener in LISTEN and before the connection is accepted.
        peer: the peer's end.
        state: its state.
        at: its sequence numbers.
    """

    session: Session
    endpoint: Endpoint
    peer: Peer
    state: str
    ownership: str
    at: Numbers

    def expect_same_state(self) -> None:
        """Check with sock_diag that the state has not changed, after the kernel has processed everything sent."""
        self.session.settle()
        self.session.expect_state(self.peer, self.state, self.ownership)

    def expect_state(self, *states: str) -> None:
        """Check with sock_diag that the connection is now in one of these states."""
        now = self.session.state_of(self.peer)
        self.session.expect_state(self.peer, now if now in states else states[0])

    @property
    def control_block(self) -> ControlBlock:
        """What ``judge`` takes: state, numbers and the window that the kernel has offered."""
        window = self.peer.offered_window(self.at.rcv_nxt)
        return ControlBlock(self.state, *self.at, rcv_wnd=window, reads=self.ownership != "orphaned", quickack=True)

    def expect_gone(self) -> None:
        """Check that the connection is gone: the kernel answers its next segment with a RST (RFC 9293 3.10.7.1).

        Raises:
            Mismatch: the kernel answers otherwise, or sock_diag still shows it.
        """
        self.peer.send(ACK, seq=self.at.rcv_nxt, ack=self.at.snd_nxt)
        self.peer.expect(RST, seq=self.at.snd_nxt)
        self.session.expect_state(self.peer, "CLOSED")


def in_states(
    ids: Mapping[str, str | tuple[str, ...]], *, ownership: Iterable[str] = (), ways: Mapping[str, Iterable[str]] = WAYS
) -> pytest.MarkDecorator:
    """Run a scenario, which asks for ``cell``, in each of these states and with each ownership that they have.

    Args:
        ids: by state, the id or ids of the transitions that the scenario checks there.
        ownership: only these, such as ``orphaned``; all by default.
        ways: by state, the ownerships to run with; ``WAYS`` by default.
    """
    cells = [
        pytest.param(state, way, id=f"{state}-{way}", marks=requirement(*([one] if isinstance(one, str) else one)))
        for state, one in ids.items()
        for way in ways[state]
        if not ownership or way in ownership
    ]
    return pytest.mark.parametrize(("state", "ownership"), cells)


@pytest.fixture(scope="session")
def state() -> str:
    """The state of ``cell``; see ``in_states``."""
    return "ESTABLISHED"


@pytest.fixture
def cell(session: Session, state: str, ownership: str) -> Cell:
    """A connection in ``state``, held as ``ownership``."""
    server, peer = reach(session, None, state, ownership)
    session.finish()  # what was sent twice on the way must not pass for an answer to what follows
    return Cell(session, server, peer, state, ownership, NUMBERS.get(state, Numbers(0, 0, 0)))
