"""A peer that is far away: its answers take as long as the scenario says, and the kernel takes that for the path's."""

from __future__ import annotations

import time

from harness.errors import TooBusy
from harness.live.endpoint import Endpoint
from harness.live.peer import Peer
from harness.live.session import Connection, Session
from harness.tcp.segment import ACK, RST, SYN
from harness.tcp.timing import Span, Time, format_ms, span_of

_TOLERATED = 2
"""By what part of a wait it may be longer: what follows from a round trip that was longer still says nothing."""
_HANDSHAKES = 3
"""How many a peer begins that is late: none of them is judged yet, and a machine is seldom busy as long."""


def wait_from_afar(peer: Peer, span: Time) -> None:
    """Let a time pass, in which the kernel sends nothing, before the peer answers.

    A late peer makes the path longer than the one that the scenario is about. In virtual time no peer is late.

    Raises:
        Mismatch: the kernel sent something in that time, by its own stamps, however late this process saw it.
        TooBusy: something else had the processors, so that the time was longer by more than half.
    """
    span, began = span_of(span, "span"), time.monotonic_ns()
    peer.expect_silence(span)
    took = time.monotonic_ns() - began
    if took - span.ns > span.ns // _TOLERATED:
        raise TooBusy(f"the peer answered after {format_ms(took)}, and the scenario is about a path of {span}")


def establish_from_afar(
    session: Session, listener: Endpoint, round_trip: Time, *, options: str | None = None
) -> Connection:
    """The peer opens a connection, and its ACK of the SYN,ACK takes a round trip: the kernel's first sample of it.

    A peer that was late resets its connection, and another one opens the next: ``_HANDSHAKES`` in all.

    Args:
        session: the lab.
        listener: the socket that accepts.
        round_trip: less than a second, or the SYN,ACK is sent again (RFC 6298 2.1).
        options: of the SYN, in packetdrill's notation; the session's ``syn_options`` by default.

    Raises:
        Mismatch: the kernel does not shake hands.
        TooBusy: every one of the peers was late, see ``wait_from_afar``.
    """
    for left in reversed(range(_HANDSHAKES)):
        peer = _shake_hands(session, listener, options)
        try:
            wait_from_afar(peer, round_trip)
        except TooBusy:
            if not left:
                raise
            peer.allow(SYN, seq=0, ack=1)  # late by so much that the kernel sent it again
            peer.send(RST, seq=1)
        else:
            break
    peer.send(ACK, seq=1, ack=1)
    return Connection(listener.accept(peer.connection), peer)


def _shake_hands(session: Session, listener: Endpoint, options: str | None) -> Peer:
    """A peer that owes the kernel nothing but the ACK of its SYN,ACK."""
    peer = session.new_peer(listener.port)
    offered = peer.send(SYN, seq=0, options=session.syn_options if options is None else options)
    peer.expect(SYN, seq=0, ack=1)
    peer.timestamps = offered.option("TS") is not None
    return peer


def longest_timer(session: Session, timer: Span) -> Span:
    """The longest that a timer derived from round trips may be: the peer's own slowness adds to each of them.

    In virtual time the peer is never slow. In real time it is three times the timer, since round trips may be half as
    long again (``wait_from_afar``) and the kernel may be late as well: there only the lower bound is exact.
    """
    return timer if session.profile.virtual else 3 * timer
