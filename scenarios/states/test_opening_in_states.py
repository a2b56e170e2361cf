"""From SYN-SENT and SYN-RECEIVED to ESTABLISHED, and what goes wrong on the way (RFC 9293 3.5, 3.10.7.3, 3.10.7.4)."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    FIN,
    NONE,
    RST,
    SYN,
    Cell,
    Connection,
    Ending,
    Session,
    both_families,
    close,
    errno_of,
    in_shared_lab,
    in_states,
    new_listener,
    requirement,
    shutdown_wr,
)

pytestmark = in_shared_lab


# -- SYN-SENT (3.10.7.3)


@requirement("RFC9293-3.10.1", "FSM-002")
@both_families
def test_active_open_sends_a_syn(session: Session) -> None:
    client = session.socket()
    peer = session.new_peer(client.port)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0, options="mss")
    session.expect_state(peer, "SYN-SENT")


@requirement("RFC9293-3.10.7.3", "FSM-008")
@both_families
def test_syn_and_ack_establish_the_connection(syn_sent: Connection, session: Session) -> None:
    client, peer = syn_sent
    peer.send(SYN, seq=0, ack=1)
    peer.expect(ACK, seq=1, ack=1)
    client.wait_connected()
    session.expect_state(peer, "ESTABLISHED")


@requirement("RFC9293-3.5", "RFC9293-MUST-10", "FSM-007", "FSM-009")
@both_families
def test_syns_that_cross_establish_one_connection(syn_sent: Connection, session: Session) -> None:
    client, peer = syn_sent
    peer.send(SYN, seq=0)
    peer.expect(SYN, seq=0, ack=1)
    session.expect_state(peer, "SYN-RECEIVED", "owned")

    peer.send(ACK, seq=1, ack=1)
    client.wait_connected()
    session.expect_state(peer, "ESTABLISHED")


@requirement("RFC9293-3.10.7.3", "FSM-081")
@both_families
def test_fin_in_the_syn_and_ack_is_taken(syn_sent: Connection, session: Session) -> None:
    _, peer = syn_sent
    peer.send(SYN | FIN, seq=0, ack=1)
    peer.expect(ACK, seq=1, ack=2)
    session.expect_state(peer, "CLOSE-WAIT")


@requirement("RFC9293-3.10.7.3", "RFC9293-E-7", "FSM-075")
@both_families
@pytest.mark.parametrize("flags", [ACK, SYN], ids=["ACK", "SYN,ACK"])
@pytest.mark.parametrize("ack", [0, 2], ids=["too old", "too new"])
def test_unacceptable_ack_in_syn_sent_draws_a_rst(syn_sent: Connection, session: Session, flags: int, ack: int) -> None:
    _, peer = syn_sent
    peer.allow(SYN, seq=0)  # Linux sends its SYN again two ticks later: the RST made way for it (RFC 9293 3.5, fig. 9)
    peer.send(ACK | flags, seq=0, ack=ack)
    peer.expect(RST, seq=ack)
    session.expect_state(peer, "SYN-SENT")


@requirement("RFC9293-3.10.7.3", "RFC9293-E-20", "FSM-076")
@both_families
@pytest.mark.parametrize("ack", [0, 2], ids=["too old", "too new"])
def test_rst_with_an_unacceptable_ack_is_dropped_in_syn_sent(syn_sent: Connection, session: Session, ack: int) -> None:
    _, peer = syn_sent
    peer.allow(SYN, seq=0)  # sent again two ticks later, as above
    peer.send(RST, seq=0, ack=ack)
    session.expect_state(peer, "SYN-SENT")


@requirement("RFC9293-3.10.7.3", "FSM-077")
@both_families
def test_rst_with_the_right_ack_refuses_the_connection(syn_sent: Connection, session: Session) -> None:
    client, peer = syn_sent
    peer.send(RST, seq=0, ack=1)
    assert errno_of(client.wait_connected) == "ECONNREFUSED"
    session.expect_state(peer, "CLOSED")


@requirement("RFC9293-3.10.7.3", "RFC9293-E-8", "FSM-078")
@both_families
def test_rst_without_ack_is_dropped_in_syn_sent(syn_sent: Connection, session: Session) -> None:
    _, peer = syn_sent
    peer.send(RST, seq=0)
    session.expect_state(peer, "SYN-SENT")


@requirement("RFC9293-3.10.7.3", "FSM-080", "FSM-170")
@both_families
@pytest.mark.parametrize(
    ("flags", "ack"), [(ACK, 1), (FIN, 1), (FIN, None), (NONE, None)], ids=["ACK", "FIN,ACK", "FIN", "nothing"]
)
def test_what_has_neither_syn_nor_rst_is_dropped_in_syn_sent(
    syn_sent: Connection, session: Session, flags: int, ack: int | None
) -> None:
    _, peer = syn_sent
    peer.send(NONE | flags, seq=0, ack=ack)
    session.expect_state(peer, "SYN-SENT")


@requirement("RFC9293-3.10.4", "RFC9293-3.10.5", "FSM-006", "FSM-059")
@both_families
@pytest.mark.parametrize("abort", [False, True], ids=["CLOSE", "ABORT"])
def test_closing_in_syn_sent_sends_nothing(syn_sent: Connection, session: Session, abort: bool) -> None:
    client, peer = syn_sent
    if abort:
        client.linger(0)
    client.close()
    session.expect_state(peer, "CLOSED")
    peer.send(SYN, seq=0, ack=1)
    peer.expect(RST, seq=1)


# -- SYN-RECEIVED (3.10.7.4)


@requirement("RFC9293-3.10.7.4", "FSM-009")
@both_families
@in_states({"SYN-RECEIVED": "FSM-009"})
def test_ack_of_the_syn_establishes_the_connection(cell: Cell) -> None:
    cell.peer.send(ACK, seq=1, ack=1)
    cell.expect_state("ESTABLISHED")


@requirement("RFC9293-3.10.7.4")
@both_families
@in_states({"SYN-RECEIVED": "FSM-091"})
def test_fin_in_syn_received_is_taken(cell: Cell) -> None:
    cell.peer.send(FIN, seq=1, ack=1)
    cell.peer.expect(ACK, seq=1, ack=2)
    cell.expect_state("CLOSE-WAIT")


@requirement("RFC9293-3.10.4", "FSM-010")
@both_families
@pytest.mark.parametrize("end", [close, shutdown_wr])
def test_closing_in_syn_received_sends_a_fin(syn_received_actively: Connection, session: Session, end: Ending) -> None:
    client, peer = syn_received_actively
    end(client)
    peer.expect(FIN, seq=1, ack=1)
    session.expect_state(peer, "FIN-WAIT-1")


@requirement("RFC9293-3.10.7.4", "RFC9293-MUST-11", "FSM-011")
@both_families
def test_rst_returns_what_was_opened_passively_to_listen(syn_received: Connection, session: Session) -> None:
    _, peer = syn_received
    peer.send(RST, seq=1)
    session.settle()
    session.expect_state(peer, "CLOSED")  # this connection
    session.expect_state(peer, "LISTEN")  # the port
    peer.send(SYN, seq=0, options="")
    peer.expect(SYN, seq=0, ack=1)


@requirement("RFC9293-3.10.7.4", "RFC9293-MUST-11", "FSM-085")
@both_families
def test_rst_refuses_what_was_opened_actively(syn_received_actively: Connection, session: Session) -> None:
    client, peer = syn_received_actively
    peer.send(RST, seq=1)
    assert errno_of(client.wait_connected) == "ECONNREFUSED"
    session.expect_state(peer, "CLOSED")


@requirement("RFC9293-3.10.7.4", "FSM-087")
@both_families
def test_syn_in_the_window_returns_what_was_opened_passively_to_listen(
    syn_received: Connection, session: Session
) -> None:
    _, peer = syn_received
    peer.send(SYN, seq=9)
    session.finish()  # 3.10.7.4, fourth: return this connection to the LISTEN state and return
    session.expect_state(peer, "CLOSED")
    session.expect_state(peer, "LISTEN")


# -- Linux's further ways


@requirement("FSM-211")
@both_families
def test_ack_of_a_syn_cookie_establishes_the_connection(session: Session) -> None:
    server = new_listener(session)
    session.sysctl("net/ipv4/tcp_syncookies", 2)  # always, not only under attack
    peer = session.new_peer(server.port)
    peer.send(SYN, seq=0, options=session.syn_options)
    peer.expect(SYN, seq=0, ack=1)
    session.expect_state(peer, "CLOSED")  # nothing is kept of it

    peer.timestamps = session.timestamps
    peer.send(ACK, seq=1, ack=1)
    server.accept()
    session.expect_state(peer, "ESTABLISHED")


@requirement("FSM-212")
@both_families
def test_syn_with_a_fast_open_cookie_brings_its_data(session: Session) -> None:
    server = new_listener(session)
    session.sysctl("net/ipv4/tcp_fastopen", 2)
    server.set_option("TCP_FASTOPEN", 5)
    asking = session.new_peer(server.port)
    asking.send(SYN, seq=0, options="mss 1460,opt 34")
    answer = asking.expect(SYN, seq=0, ack=1)
    cookie = next(option.raw for option in answer.options if option.name == "opt 34")

    peer = session.new_peer(server.port)
    peer.send(SYN, seq=0, data=b"early", options=f"mss 1460,opt 34 {cookie.hex()}")
    peer.expect(SYN, seq=0, ack=6)
    session.expect_state(peer, "SYN-RECEIVED")
    assert server.accept(peer.connection).receive() == b"early"
