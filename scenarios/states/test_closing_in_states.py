"""From ESTABLISHED to CLOSED, by either side and on either side (RFC 9293 3.6, 3.10.4, 3.10.7.4), and where Linux cuts
the way short."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    FIN,
    ORPHANED,
    RST,
    SYN,
    Cell,
    Connection,
    Ending,
    Pattern,
    Session,
    both_families,
    both_sides,
    close,
    close_with_long_linger2,
    in_shared_lab,
    in_states,
    owned_and_orphaned,
    reach,
    requirement,
    shutdown_wr,
)

pytestmark = in_shared_lab

ends = pytest.mark.parametrize("end", [shutdown_wr, close])


@requirement("RFC9293-3.10.4", "FSM-012")
@both_families
@both_sides
@ends
def test_closing_sends_a_fin(session: Session, opening: str, end: Ending) -> None:
    server, peer = reach(session, None, "ESTABLISHED", opening=opening)
    end(server)
    peer.expect(FIN, seq=1, ack=1)
    session.expect_state(peer, "FIN-WAIT-1")


@requirement("RFC9293-3.10.4", "FSM-012")
@both_families
@both_sides
@ends
def test_fin_follows_the_data_that_were_queued_before(session: Session, opening: str, end: Ending) -> None:
    server, peer = reach(session, None, "ESTABLISHED", opening=opening)
    peer.send(ACK, seq=1, ack=1, window=0)  # so that the data have to wait
    server.send(b"queued")
    end(server)
    session.expect_state(peer, "FIN-WAIT-1")  # the FIN is queued behind them
    peer.send(ACK, seq=1, ack=1)
    peer.expect(FIN, seq=1, ack=1, data=b"queued")


@requirement("RFC9293-3.10.7.4", "FSM-013")
@both_families
@in_states({"ESTABLISHED": "FSM-013"})
def test_fin_is_acknowledged_and_waits_for_the_close(cell: Cell) -> None:
    cell.peer.send(FIN, seq=1, ack=1)
    cell.peer.expect(ACK, seq=1, ack=2)
    cell.expect_state("CLOSE-WAIT")


@requirement("RFC9293-3.10.7.4", "FSM-014")
@both_families
@both_sides
@owned_and_orphaned
def test_fin_that_crosses_ours_leads_to_closing(fin_wait_1: Connection, session: Session) -> None:
    _, peer = fin_wait_1
    peer.send(FIN, seq=1, ack=1)
    peer.expect(ACK, seq=2, ack=2)
    session.expect_state(peer, "CLOSING")


@requirement("RFC9293-3.10.7.4", "FSM-015")
@both_families
@both_sides
@owned_and_orphaned
def test_ack_of_our_fin_leads_to_fin_wait_2(fin_wait_1: Connection, session: Session) -> None:
    _, peer = fin_wait_1
    peer.send(ACK, seq=1, ack=2)
    session.expect_state(peer, "FIN-WAIT-2")


@requirement("RFC9293-3.10.7.4", "FSM-021")
@both_families
@both_sides
@owned_and_orphaned
def test_fin_with_the_ack_of_ours_leads_to_time_wait(fin_wait_1: Connection, session: Session) -> None:
    _, peer = fin_wait_1
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)
    session.expect_state(peer, "TIME-WAIT")


@requirement("RFC9293-3.10.7.4", "FSM-016")
@both_families
@both_sides
@owned_and_orphaned
def test_fin_in_fin_wait_2_leads_to_time_wait(fin_wait_2: Connection, session: Session) -> None:
    _, peer = fin_wait_2
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)
    session.expect_state(peer, "TIME-WAIT")


@requirement("RFC9293-3.10.7.4", "FSM-017")
@both_families
@both_sides
@owned_and_orphaned
def test_ack_of_our_fin_in_closing_leads_to_time_wait(closing: Connection, session: Session) -> None:
    _, peer = closing
    peer.send(ACK, seq=2, ack=2)
    session.expect_state(peer, "TIME-WAIT")


@requirement("RFC9293-3.10.4", "FSM-018")
@both_families
@both_sides
@ends
def test_closing_in_close_wait_sends_the_fin(close_wait: Connection, session: Session, end: Ending) -> None:
    server, peer = close_wait
    end(server)
    peer.expect(FIN, seq=1, ack=2)
    session.expect_state(peer, "LAST-ACK")


@requirement("RFC9293-3.10.7.4", "FSM-019")
@both_families
@both_sides
@owned_and_orphaned
def test_ack_of_our_fin_in_last_ack_ends_the_connection(last_ack: Connection, session: Session) -> None:
    _, peer = last_ack
    peer.send(ACK, seq=2, ack=2)
    session.expect_state(peer, "CLOSED")
    peer.send(ACK, seq=2, ack=2)
    peer.expect(RST, seq=2)


# -- TIME-WAIT (3.6.1, 3.10.7.4, RFC 6191)


@requirement("RFC9293-3.10.7.4", "RFC9293-MAY-2", "RFC9293-SHLD-4", "RFC6191-2-1", "FSM-134")
@both_families
@owned_and_orphaned
def test_new_syn_in_time_wait_opens_the_next_incarnation(time_wait: Connection, session: Session) -> None:
    _, peer = time_wait
    peer.timestamps = False  # the SYN has its own
    peer.send(SYN, seq=100, options="mss 1460,sackOK,TS val 999999 ecr 0,nop,wscale 7")
    peer.expect(SYN, seq=0, ack=101)
    session.expect_state(peer, "SYN-RECEIVED")


@requirement("RFC9293-3.10.7.4", "FSM-135")
@both_families
@owned_and_orphaned
@pytest.mark.parametrize("options", ["mss 1460", "mss 1460,nop,nop,TS val 4000000000 ecr 0"], ids=["noTS", "oldTS"])
def test_old_syn_in_time_wait_is_answered_with_an_ack(time_wait: Connection, session: Session, options: str) -> None:
    _, peer = time_wait
    peer.send(SYN, seq=0, options=options)
    peer.expect(ACK, seq=2, ack=2)
    session.expect_state(peer, "TIME-WAIT")


# -- where Linux cuts the way short


@requirement("RFC9293-3.6.1", "RFC9293-SHLD-3", "RFC9293-MAY-1", "FSM-193")
@both_families
@pytest.mark.parametrize("end", [close, close_with_long_linger2])
def test_data_for_an_orphan_in_fin_wait_2_reset_it(session: Session, end: Ending) -> None:
    server, peer = reach(session, None, "ESTABLISHED")
    end(server)
    peer.expect(FIN, seq=1, ack=1)
    peer.send(ACK, seq=1, ack=2)
    session.expect_state(peer, "FIN-WAIT-2", ORPHANED)

    peer.send(ACK, seq=1, ack=2, data=b"nobody reads")
    # numbered from the segment (RFC 9293 3.10.7.1) or as ABORT does (3.10.5); both are 2 here
    peer.expect_one_of(plain=Pattern(RST, seq=2), acknowledging=Pattern(RST, seq=2, ack=1))
    session.expect_state(peer, "CLOSED")


@requirement("RFC9293-3.6.1", "RFC9293-SHLD-3")
@both_families
@both_sides
@in_states({"ESTABLISHED": "FSM-195"}, ownership=["owned"])
def test_closing_with_unread_data_resets(session: Session, state: str, ownership: str, opening: str) -> None:
    server, peer = reach(session, None, state, ownership, opening)
    peer.send(ACK, seq=1, ack=1, data=b"unread")
    peer.expect(ACK, seq=1, ack=7)
    server.close()
    peer.expect_one_of(plain=Pattern(RST, seq=1), acknowledging=Pattern(RST, seq=1, ack=7))
    session.expect_state(peer, "CLOSED")


@requirement("RFC9293-3.6.1", "RFC9293-SHLD-3", "FSM-196")
@both_families
@both_sides
def test_closing_with_unread_data_resets_in_close_wait(session: Session, opening: str) -> None:
    server, peer = reach(session, None, "ESTABLISHED", opening=opening)
    peer.send(FIN, seq=1, ack=1, data=b"unread")
    peer.expect(ACK, seq=1, ack=8)
    session.expect_state(peer, "CLOSE-WAIT")
    server.close()
    peer.expect_one_of(plain=Pattern(RST, seq=1), acknowledging=Pattern(RST, seq=1, ack=8))
    session.expect_state(peer, "CLOSED")


@requirement("FSM-206")
@both_families
@owned_and_orphaned
def test_no_time_wait_after_fin_wait_1_when_there_are_to_be_none(fin_wait_1: Connection, session: Session) -> None:
    _, peer = fin_wait_1
    allow_no_time_wait(session)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)
    session.expect_state(peer, "CLOSED")


@requirement("FSM-207")
@both_families
@owned_and_orphaned
def test_no_time_wait_after_fin_wait_2_when_there_are_to_be_none(session: Session, ownership: str) -> None:
    # an orphan that keeps its full socket in FIN-WAIT-2: a mini-socket would be one of those that are counted
    end = close_with_long_linger2 if ownership == ORPHANED else shutdown_wr
    server, peer = reach(session, None, "ESTABLISHED")
    end(server)
    peer.expect(FIN, seq=1, ack=1)
    peer.send(ACK, seq=1, ack=2)
    session.expect_state(peer, "FIN-WAIT-2", ownership)

    allow_no_time_wait(session)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)
    session.expect_state(peer, "CLOSED")


@requirement("FSM-208")
@both_families
@owned_and_orphaned
def test_no_time_wait_after_closing_when_there_are_to_be_none(closing: Connection, session: Session) -> None:
    _, peer = closing
    allow_no_time_wait(session)
    peer.send(ACK, seq=2, ack=2)
    session.expect_state(peer, "CLOSED")
    peer.send(ACK, seq=2, ack=2)
    peer.expect(RST, seq=2)


def allow_no_time_wait(session: Session) -> None:
    session.sysctl("net/ipv4/tcp_max_tw_buckets", 0)
