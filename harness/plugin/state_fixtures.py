"""A connection in each state, for scenarios that start there: ``server, peer = fin_wait_1``.

``ownership`` and ``opening`` say in which form; a scenario takes the usual one, or has itself parametrized, as by
``owned_and_orphaned`` and ``both_sides`` of ``harness.plugin.markers``. See ``harness.live.states`` for the forms and
the numbers.
"""

from __future__ import annotations

import pytest

from harness.live.session import Connection, Session
from harness.live.states import OWNED, PASSIVELY, UNACCEPTED, reach


@pytest.fixture
def ownership() -> str:
    """How the socket is held: owned, orphaned, or unaccepted where there is such a form."""
    return OWNED


@pytest.fixture
def opening() -> str:
    """Who opened the connection: ``passively`` is the peer, ``actively`` the kernel under test."""
    return PASSIVELY


@pytest.fixture
def closed(session: Session, ownership: str) -> Connection:
    """A port without a listener: bound by a socket, or, orphaned, by none any more."""
    return reach(session, None, "CLOSED", ownership)


@pytest.fixture
def listen(session: Session) -> Connection:
    """A listener, and a peer that has sent nothing yet."""
    return reach(session, None, "LISTEN")


@pytest.fixture
def syn_sent(session: Session) -> Connection:
    """A client of the kernel's has sent its SYN: ``client, peer = syn_sent``."""
    return reach(session, None, "SYN-SENT")


@pytest.fixture
def syn_received(session: Session) -> Connection:
    """The peer's SYN was answered: ``listener, peer = syn_received``; the state is that of a request mini-socket."""
    return reach(session, None, "SYN-RECEIVED", UNACCEPTED)


@pytest.fixture
def syn_received_actively(session: Session) -> Connection:
    """The peer's SYN crossed the kernel's: ``client, peer = syn_received_actively``."""
    return reach(session, None, "SYN-RECEIVED", OWNED)


@pytest.fixture
def fin_wait_1(session: Session, ownership: str, opening: str) -> Connection:
    """The kernel has sent its FIN, number 1."""
    return reach(session, None, "FIN-WAIT-1", ownership, opening)


@pytest.fixture
def fin_wait_2(session: Session, ownership: str, opening: str) -> Connection:
    """The kernel's FIN is acknowledged. Orphaned, the kernel keeps a mini-socket."""
    return reach(session, None, "FIN-WAIT-2", ownership, opening)


@pytest.fixture
def close_wait(session: Session, ownership: str, opening: str) -> Connection:
    """The peer's FIN was taken, and the kernel may still send; there is no orphaned form."""
    return reach(session, None, "CLOSE-WAIT", ownership, opening)


@pytest.fixture
def closing(session: Session, ownership: str, opening: str) -> Connection:
    """Both FINs crossed, and the kernel's is not acknowledged yet."""
    return reach(session, None, "CLOSING", ownership, opening)


@pytest.fixture
def last_ack(session: Session, ownership: str, opening: str) -> Connection:
    """The kernel's FIN came second, and is not acknowledged yet."""
    return reach(session, None, "LAST-ACK", ownership, opening)


@pytest.fixture
def time_wait(session: Session, ownership: str, opening: str) -> Connection:
    """Both FINs are acknowledged, and the kernel ended first."""
    return reach(session, None, "TIME-WAIT", ownership, opening)
