"""A port that nobody listens on, and one where somebody does (RFC 9293 3.10.7.1, 3.10.7.2)."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    FIN,
    NONE,
    RST,
    SYN,
    Connection,
    Session,
    both_families,
    in_shared_lab,
    requirement,
)

pytestmark = in_shared_lab

UNSENT = 77  # an acknowledgment of what was never sent
SOMEWHERE = 4000  # a sequence number, where no connection says which are right


# -- CLOSED (3.10.7.1)


@requirement("RFC9293-3.10.7.1", "RFC9293-E-2", "FSM-068")
@both_families
@pytest.mark.parametrize("flags", [ACK, SYN, FIN, NONE], ids=["ACK", "SYN,ACK", "FIN,ACK", "data"])
def test_closed_port_resets_with_the_number_that_was_acknowledged(closed: Connection, flags: int) -> None:
    _, peer = closed
    peer.send(ACK | flags, seq=SOMEWHERE, ack=UNSENT, data=b"" if flags else b"data")
    peer.expect(RST, seq=UNSENT)


@requirement("RFC9293-3.10.7.1", "RFC9293-E-1", "FSM-069")
@both_families
@pytest.mark.parametrize(
    ("flags", "data", "after"),
    [(SYN, b"", 4001), (SYN, b"data", 4005), (NONE, b"data", 4004), (NONE, b"", 4000)],
    ids=["SYN", "SYN and data", "data", "nothing"],
)
def test_closed_port_resets_from_zero_and_acknowledges_the_whole_segment(
    closed: Connection, flags: int, data: bytes, after: int
) -> None:
    _, peer = closed
    peer.send(NONE | flags, seq=SOMEWHERE, data=data)
    peer.expect(RST, seq=0, ack=after)


@requirement("RFC9293-3.10.7.4", "FSM-168")
@both_families
def test_closed_port_takes_no_fin(closed: Connection, session: Session) -> None:
    _, peer = closed
    peer.send(FIN, seq=SOMEWHERE)
    peer.expect(RST, seq=0, ack=SOMEWHERE + 1)
    session.expect_state(peer, "CLOSED")


@requirement("RFC9293-3.10.7.1", "RFC9293-E-3", "RFC9293-E-20", "FSM-070")
@both_families
@pytest.mark.parametrize("flags", [RST, RST | ACK], ids=["RST", "RST,ACK"])
def test_closed_port_is_silent_to_a_rst(closed: Connection, session: Session, flags: int) -> None:
    _, peer = closed
    peer.send(RST | flags, seq=SOMEWHERE)
    session.expect_state(peer, "CLOSED")
    peer.send(ACK, seq=SOMEWHERE, ack=UNSENT)  # the first that is answered
    peer.expect(RST, seq=UNSENT)


# -- LISTEN (3.10.7.2)


@requirement("RFC9293-3.10.1", "FSM-001")
@both_families
def test_passive_open_listens(session: Session) -> None:
    server = session.socket()
    peer = session.new_peer(server.port)
    peer.send(SYN, seq=0)
    peer.expect(RST, seq=0, ack=1)

    server.listen()
    session.expect_state(peer, "LISTEN")
    peer.send(SYN, seq=0)
    peer.expect(SYN, seq=0, ack=1)


@requirement("RFC9293-3.10.4", "RFC9293-3.10.5", "FSM-003", "FSM-058")
@both_families
def test_closing_the_listener_closes_the_port(listen: Connection, session: Session) -> None:
    server, peer = listen
    server.close()
    session.expect_state(peer, "CLOSED")
    peer.send(SYN, seq=0)
    peer.expect(RST, seq=0, ack=1)


@requirement("RFC9293-3.10.7.2", "FSM-004")
@both_families
def test_syn_makes_a_half_open_connection(listen: Connection, session: Session) -> None:
    _, peer = listen
    peer.send(SYN, seq=0, options=session.syn_options)
    peer.expect(SYN, seq=0, ack=1, options="mss")
    session.expect_state(peer, "SYN-RECEIVED")


@requirement("RFC9293-3.10.7.2", "RFC9293-E-4", "RFC9293-E-20", "FSM-071")
@both_families
def test_listener_ignores_a_rst(listen: Connection, session: Session) -> None:
    _, peer = listen
    peer.send(RST, seq=SOMEWHERE)
    session.expect_state(peer, "LISTEN")
    peer.send(SYN, seq=0)  # the first that is answered
    peer.expect(SYN, seq=0, ack=1)


@requirement("RFC9293-3.10.7.2", "RFC9293-E-5", "FSM-072")
@both_families
@pytest.mark.parametrize("flags", [ACK, SYN, FIN], ids=["ACK", "SYN,ACK", "FIN,ACK"])
def test_listener_resets_an_ack(listen: Connection, session: Session, flags: int) -> None:
    _, peer = listen
    peer.send(ACK | flags, seq=SOMEWHERE, ack=UNSENT)
    peer.expect(RST, seq=UNSENT)
    session.expect_state(peer, "LISTEN")


@requirement("RFC9293-3.10.7.2", "RFC9293-E-6", "FSM-074", "FSM-169")
@both_families
@pytest.mark.parametrize(("flags", "data"), [(NONE, b""), (NONE, b"data"), (FIN, b"")], ids=["nothing", "data", "FIN"])
def test_listener_drops_what_has_neither_syn_nor_ack(
    listen: Connection, session: Session, flags: int, data: bytes
) -> None:
    _, peer = listen
    peer.send(NONE | flags, seq=SOMEWHERE, data=data)
    session.expect_state(peer, "LISTEN")
    peer.send(SYN, seq=0)  # the first that is answered
    peer.expect(SYN, seq=0, ack=1)
