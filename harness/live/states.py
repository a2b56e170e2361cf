"""Connections in each of the eleven states of RFC 9293 3.3.2, reached over the wire by real system calls.

A state can be held in several ways, and Linux treats them differently:

- ``owned``: a process holds the socket, for its own side was ended by shutdown(2), or not at all. In SYN-RECEIVED that
  is a socket of a simultaneous open; in TIME-WAIT the process holds a descriptor and the kernel a mini-socket.
- ``orphaned``: the process has closed the socket, and the kernel alone goes on with it.
- ``unaccepted``: opened by the peer and waiting for accept(2). In SYN-RECEIVED that is a request mini-socket.

Whoever is to bring many connections into a state in one lab calls ``reach``; ``NUMBERS`` says where each then stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from harness.errors import FinwaitError
from harness.live.base_session import SERVICE_PORT
from harness.live.endings import close, shutdown_wr
from harness.live.endpoint import Endpoint
from harness.live.session import Connection, Session
from harness.live.socket_session import ORPHANED, OWNED, UNACCEPTED
from harness.tcp.segment import ACK, FIN, SYN

PASSIVELY, ACTIVELY = "passively", "actively"

WAYS: Mapping[str, tuple[str, ...]] = {
    "CLOSED": (OWNED, ORPHANED),
    "LISTEN": (OWNED,),
    "SYN-SENT": (OWNED,),
    "SYN-RECEIVED": (UNACCEPTED, OWNED),
    "ESTABLISHED": (OWNED, UNACCEPTED),
    "FIN-WAIT-1": (OWNED, ORPHANED),
    "FIN-WAIT-2": (OWNED, ORPHANED),
    "CLOSE-WAIT": (OWNED, UNACCEPTED),
    "CLOSING": (OWNED, ORPHANED),
    "LAST-ACK": (OWNED, ORPHANED),
    "TIME-WAIT": (OWNED, ORPHANED),
}
"""The ways in which a state can be held, the usual one first. CLOSED ``owned`` is a bound socket that does not listen.

Not held orphaned: what close(2) deletes (LISTEN, SYN-SENT) or moves on (SYN-RECEIVED, ESTABLISHED, CLOSE-WAIT).
"""

STATES: tuple[str, ...] = tuple(WAYS)
"""The eleven states, in the order of a connection's life."""


class Numbers(NamedTuple):
    """Where a connection stands, relative to the initial sequence numbers (RFC 9293 3.3.1).

    Args:
        snd_una: the oldest number of the kernel's that is not acknowledged.
        snd_nxt: the number that the kernel sends next.
        rcv_nxt: the number that the kernel expects of the peer next, so the peer's SND.NXT.
    """

    snd_una: int
    snd_nxt: int
    rcv_nxt: int


NUMBERS: Mapping[str, Numbers] = {
    "SYN-SENT": Numbers(snd_una=0, snd_nxt=1, rcv_nxt=0),
    "SYN-RECEIVED": Numbers(snd_una=0, snd_nxt=1, rcv_nxt=1),
    "ESTABLISHED": Numbers(snd_una=1, snd_nxt=1, rcv_nxt=1),
    "FIN-WAIT-1": Numbers(snd_una=1, snd_nxt=2, rcv_nxt=1),
    "FIN-WAIT-2": Numbers(snd_una=2, snd_nxt=2, rcv_nxt=1),
    "CLOSE-WAIT": Numbers(snd_una=1, snd_nxt=1, rcv_nxt=2),
    "CLOSING": Numbers(snd_una=1, snd_nxt=2, rcv_nxt=2),
    "LAST-ACK": Numbers(snd_una=1, snd_nxt=2, rcv_nxt=2),
    "TIME-WAIT": Numbers(snd_una=2, snd_nxt=2, rcv_nxt=2),
}
"""The numbers after ``reach``, in whichever way. CLOSED and LISTEN have none; in SYN-SENT nothing was received yet."""


def reach(
    session: Session, listener: Endpoint | None, state: str, ownership: str = OWNED, opening: str = PASSIVELY
) -> Connection:
    """Bring a new connection into a state, between new ports, and check with sock_diag that it is there.

    Args:
        session: the lab.
        listener: accepts the connection; None for a new one. An ``unaccepted`` connection always gets a new one.
        state: one of ``STATES``.
        ownership: one of ``WAYS[state]``.
        opening: ``passively`` (the peer connects) or ``actively`` (the kernel under test does), from ESTABLISHED on.

    Returns:
        The kernel's end and the peer's. Of an unaccepted connection and in LISTEN, the kernel's end is the listener.

    Raises:
        Mismatch: on the way there the kernel answers with something other than RFC 9293 3.5 and 3.6 say, or
            sock_diag sees the connection in another state.
        FinwaitError: there is no such state, or no such ownership in it.
        Unsupported: sock_diag shows nothing on this machine.
    """
    if ownership not in WAYS.get(state, ()) or (opening == ACTIVELY and ownership == UNACCEPTED):
        raise FinwaitError(
            f"no connection can be {ownership} in {state}" + (" when opened actively" if opening == ACTIVELY else ""),
            hint=", ".join(WAYS.get(state, STATES)),
        )
    if state in _UNOPENED:
        connection = _UNOPENED[state](session, ownership)
    else:
        connection = _open(session, listener, ownership, opening)
        for step in _STEPS[state]:
            step(connection, ownership)
    session.expect_state(connection.peer, state, ownership)
    return connection


# -- states before the handshake is through


def _closed(session: Session, ownership: str) -> Connection:
    server = session.socket()
    peer = session.new_peer(server.port)
    if ownership == ORPHANED:
        server.close()
    return Connection(server, peer)


def _listen(session: Session, _: str) -> Connection:
    server = new_listener(session)
    return Connection(server, session.new_peer(server.port))


def _syn_sent(session: Session, _: str) -> Connection:
    client = session.socket()
    peer = session.new_peer(client.port)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0)
    return Connection(client, peer)


def _syn_received(session: Session, ownership: str) -> Connection:
    """After the peer's SYN, or after two that crossed (RFC 9293 3.5, figure 7)."""
    server, peer = _syn_sent(session, ownership) if ownership == OWNED else _listen(session, ownership)
    peer.send(SYN, seq=0, options=session.syn_options)
    peer.expect(SYN, seq=0, ack=1)
    peer.timestamps = session.timestamps
    return Connection(server, peer)


_UNOPENED: Mapping[str, Callable[[Session, str], Connection]] = {
    "CLOSED": _closed,
    "LISTEN": _listen,
    "SYN-SENT": _syn_sent,
    "SYN-RECEIVED": _syn_received,
}


def new_listener(session: Session) -> Endpoint:
    """Another listening socket, on the next port from ``SERVICE_PORT`` on that is free in this session."""
    return session.listen(SERVICE_PORT + len(session.peers))


def _open(session: Session, listener: Endpoint | None, ownership: str, opening: str) -> Connection:
    if ownership == UNACCEPTED:
        server, peer = _syn_received(session, ownership)
        peer.send(ACK, seq=1, ack=1)
        return Connection(server, peer)
    if opening == ACTIVELY:
        return session.connect()
    return session.establish(listener or new_listener(session))


# -- the way from ESTABLISHED on


def _end(connection: Connection, ownership: str) -> None:
    (close if ownership == ORPHANED else shutdown_wr)(connection.endpoint)


def _finish_first(connection: Connection, ownership: str) -> None:
    _end(connection, ownership)
    connection.peer.expect(FIN, seq=1, ack=1)


def _have_fin_acknowledged(connection: Connection, _: str) -> None:
    connection.peer.send(ACK, seq=1, ack=2)


def _take_fin_that_acknowledges(connection: Connection, _: str) -> None:
    connection.peer.send(FIN, seq=1, ack=2)
    connection.peer.expect(ACK, seq=2, ack=2)


def _take_crossing_fin(connection: Connection, _: str) -> None:
    connection.peer.send(FIN, seq=1, ack=1)
    connection.peer.expect(ACK, seq=2, ack=2)


def _take_first_fin(connection: Connection, _: str) -> None:
    connection.peer.send(FIN, seq=1, ack=1)
    connection.peer.expect(ACK, seq=1, ack=2)


def _finish_second(connection: Connection, ownership: str) -> None:
    _end(connection, ownership)
    connection.peer.expect(FIN, seq=1, ack=2)


_STEPS: Mapping[str, tuple[Callable[[Connection, str], None], ...]] = {
    "ESTABLISHED": (),
    "FIN-WAIT-1": (_finish_first,),
    "FIN-WAIT-2": (_finish_first, _have_fin_acknowledged),
    "CLOSE-WAIT": (_take_first_fin,),
    "CLOSING": (_finish_first, _take_crossing_fin),
    "LAST-ACK": (_take_first_fin, _finish_second),
    "TIME-WAIT": (_finish_first, _have_fin_acknowledged, _take_fin_that_acknowledges),
}
