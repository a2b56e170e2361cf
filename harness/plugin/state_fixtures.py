"""A connection in each state, for scenarios that start there: ``server, peer = fin_wait_1``.

``ownership`` and ``opening`` say in which form; a scenario takes the usual one, or has itself parametrized, as by
``owned_and_orphaned`` and ``both_sides`` of ``harness.plugin.markers``. See ``harness.live.states`` for the forms and
the numbers.
"""

from __future__ import annotations

import pytest

from harness.live.session import Connection, Session
from harness.live.socket_session import OWNED, UNACCEPTED
from harness.live.states import PASSIVELY, reach


@pytest.fixture(scope="session")
def ownership() -> str:
    """Who holds the socket: ``owned`` by its process, ``orphaned`` by close(2), or ``unaccepted``; see ``WAYS``."""
    return OWNED


@pytest.fixture(scope="session")
def opening() -> str:
    """Who opened the connection: the peer (``passively``) or the kernel under test (``actively``)."""
    return PASSIVELY


@pytest.fixture
def closed(session: Session, ownership: str) -> Connection:
    """A port that nobody listens on; ``owned``, a socket is bound to it."""
    return reach(session, None, "CLOSED", ownership)


@pytest.fixture
def listen(session: Session) -> Connection:
    """A listening socket, and a peer that has sent nothing yet."""
    return reach(session, None, "LISTEN")


@pytest.fixture
def syn_sent(session: Session) -> Connection:
    """The kernel under test has sent its SYN: ``client, peer = syn_sent``."""
    return reach(session, None, "SYN-SENT")


@pytest.fixture
def syn_received(session: Session) -> Connection:
    """The kernel has answered the peer's SYN: ``listener, peer = syn_received``; it holds a request mini-socket."""
    return reach(session, None, "SYN-RECEIVED", UNACCEPTED)


@pytest.fixture
def syn_received_actively(session: Session) -> Connection:
    """The peer's SYN crossed the kernel's SYN: ``client, peer = syn_received_actively``."""
    return reach(session, None, "SYN-RECEIVED", OWNED)


@pytest.fixture
def fin_wait_1(session: Session, ownership: str, opening: str) -> Connection:
    """The kernel has sent its FIN, which has sequence number 1."""
    return reach(session, None, "FIN-WAIT-1", ownership, opening)


@pytest.fixture
def fin_wait_2(session: Session, ownership: str, opening: str) -> Connection:
    """The kernel's FIN is acknowledged; ``orphaned``, a mini-socket is left."""
    return reach(session, None, "FIN-WAIT-2", ownership, opening)


@pytest.fixture
def close_wait(session: Session, ownership: str, opening: str) -> Connection:
    """The kernel has acknowledged the peer's FIN and may still send; there is no orphaned form."""
    return reach(session, None, "CLOSE-WAIT", ownership, opening)


@pytest.fixture
def closing(session: Session, ownership: str, opening: str) -> Connection:
    """The two FINs crossed, and the kernel's is not acknowledged yet."""
    return reach(session, None, "CLOSING", ownership, opening)


@pytest.fixture
def last_ack(session: Session, ownership: str, opening: str) -> Connection:
    """The kernel has sent its FIN after the peer's, and it is not acknowledged yet."""
    return reach(session, None, "LAST-ACK", ownership, opening)


@pytest.fixture
def time_wait(session: Session, ownership: str, opening: str) -> Connection:
    """Both FINs are acknowledged, and the kernel sent its own first."""
    return reach(session, None, "TIME-WAIT", ownership, opening)
