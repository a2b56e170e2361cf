"""What the timers do in each state (RFC 9293 3.10.8), with the socket options and sysctls that shorten them."""

from __future__ import annotations

from harness import (
    ACK,
    FIN,
    MS,
    NUMBERS,
    PROMPT,
    RST,
    RTO_INIT,
    RTO_MIN,
    SYN,
    Cell,
    Connection,
    Endpoint,
    Flags,
    Pattern,
    Peer,
    Session,
    Span,
    errno_of,
    in_shared_lab,
    in_states,
    reach,
    requirement,
    waits,
)

USER_TIMEOUT_MS = 500
SHORT = Span(1000 * MS, "SHORT", "the shortest time that TCP_LINGER2, tcp_fin_timeout and keepalive take, in seconds")
PAST_IT = Span(1400 * MS, "PAST_IT", "SHORT, and what the timer wheel may add, and as much again")
# a tail loss probe leaves a second copy as early as 2 * RTO_MIN (RFC 8985 7.2)
FIRST_COPY = Span((1.5 * RTO_MIN).ns, "FIRST_COPY", "RTO_MIN and what the timer wheel may add, before a second copy")
SENDS_FIRST = ("ESTABLISHED", "CLOSE-WAIT")
WITH_SYN = ("SYN-SENT", "SYN-RECEIVED")
FURTHER_ON, BEHIND_IT = 100_000, 100_001  # the peer's numbers of another connection

pytestmark = [in_shared_lab, waits(2 * PAST_IT)]


def outstanding(cell: Cell) -> Pattern:
    """What the kernel sends and gets no answer to: its SYN, its FIN, or data where neither is on its way."""
    flags: Flags = SYN if cell.state in WITH_SYN else FIN
    ack = None if cell.state == "SYN-SENT" else cell.at.rcv_nxt
    if cell.state not in SENDS_FIRST:
        return Pattern(flags, seq=cell.at.snd_una, ack=ack)
    cell.endpoint.send(b"lost")
    cell.peer.expect(ACK, seq=1, ack=ack, data=b"lost")
    return Pattern(ACK, seq=1, ack=ack, data=b"lost")


def expect_again(cell: Cell, lost: Pattern) -> None:
    # from the answer before, which came after what is lost was sent; that no answer comes so late shows the timer
    most = RTO_INIT if cell.state in WITH_SYN else FIRST_COPY
    flags, data = Flags(lost.flags), lost.data or b""
    cell.peer.expect(flags, seq=lost.seq, ack=lost.ack, data=data, at_least=PROMPT, within=most)


def allow_more(cell: Cell, lost: Pattern) -> None:
    """What was sent again may be sent again once more, but not at once."""
    cell.peer.expect_silence()
    cell.peer.allow(Flags(lost.flags), seq=lost.seq, ack=lost.ack, data=lost.data or b"")


@requirement("RFC9293-3.10.8", "RFC6298-5-4")
@in_states(
    {
        "SYN-SENT": "FSM-179",
        "SYN-RECEIVED": "FSM-092",
        "ESTABLISHED": "FSM-180",
        "FIN-WAIT-1": "FSM-181",
        "CLOSE-WAIT": "FSM-182",
        "CLOSING": "FSM-183",
        "LAST-ACK": "FSM-184",
    },
    ways={
        "SYN-SENT": ["owned"],
        "SYN-RECEIVED": ["owned", "unaccepted"],
        "ESTABLISHED": ["owned"],
        "FIN-WAIT-1": ["owned", "orphaned"],
        "CLOSE-WAIT": ["owned"],
        "CLOSING": ["owned", "orphaned"],
        "LAST-ACK": ["owned", "orphaned"],
    },
)
def test_what_is_not_acknowledged_is_sent_again(cell: Cell) -> None:
    lost = outstanding(cell)
    expect_again(cell, lost)
    cell.expect_same_state()


@requirement("RFC9293-3.10.8", "RFC9293-E-19", "RFC9293-MUST-21")
@in_states(
    {
        "ESTABLISHED": "FSM-173",
        "FIN-WAIT-1": "FSM-174",
        "CLOSE-WAIT": "FSM-176",
        "CLOSING": "FSM-177",
        "LAST-ACK": "FSM-178",
    },
    ownership=["owned"],
)
def test_user_timeout_ends_the_connection(cell: Cell) -> None:
    cell.endpoint.set_option("TCP_USER_TIMEOUT", USER_TIMEOUT_MS)
    lost = outstanding(cell)
    expect_again(cell, lost)
    allow_more(cell, lost)
    cell.peer.expect_silence(PAST_IT)
    assert errno_of(cell.endpoint.raise_error) == "ETIMEDOUT"
    cell.expect_gone()


@requirement("RFC9293-3.10.8", "RFC9293-E-19")
@in_states({"SYN-SENT": "FSM-171", "SYN-RECEIVED": "FSM-172"}, ownership=["owned"])
def test_user_timeout_ends_the_attempt(cell: Cell) -> None:
    cell.endpoint.set_option("TCP_USER_TIMEOUT", USER_TIMEOUT_MS)
    lost = outstanding(cell)
    expect_again(cell, lost)
    allow_more(cell, lost)
    cell.peer.expect_silence(PAST_IT)
    assert errno_of(cell.endpoint.raise_error) == "ETIMEDOUT"
    cell.session.expect_state(cell.peer, "CLOSED")


def keep_alive(server: Endpoint) -> None:
    """A probe after a second, and an end a second later."""
    server.set_option("TCP_KEEPIDLE", 1)
    server.set_option("TCP_KEEPINTVL", 1)
    server.set_option("TCP_KEEPCNT", 1)
    server.set_option("SO_KEEPALIVE", 1)


@requirement("RFC9293-3.10.8", "RFC9293-E-19", "FSM-175")
def test_user_timeout_ends_a_half_closed_connection_that_is_kept_alive(
    fin_wait_2: Connection, session: Session
) -> None:
    """In FIN-WAIT-2 nothing is outstanding, so only keepalive finds out that nobody answers (RFC 9293 3.8.4)."""
    server, peer = fin_wait_2
    server.set_option("TCP_USER_TIMEOUT", USER_TIMEOUT_MS)
    keep_alive(server)
    peer.expect(ACK, seq=1, ack=1, at_least=SHORT, within=2 * SHORT)
    expect_abort(peer, seq=2)
    assert errno_of(server.raise_error) == "ETIMEDOUT"
    session.expect_state(peer, "CLOSED")


def expect_abort(peer: Peer, seq: int) -> None:
    """RFC 9293 3.10.5 shows a RST without ACK; one with it says no more than the connection knew."""
    peer.expect_one_of(within=2 * SHORT, plain=Pattern(RST, seq=seq), acknowledging=Pattern(RST, seq=seq, ack=1))


@requirement("RFC9293-3.8.4", "FSM-202")
def test_keepalive_without_an_answer_ends_the_connection(session: Session) -> None:
    server, peer = reach(session, None, "ESTABLISHED")
    keep_alive(server)
    peer.expect(ACK, seq=0, ack=1, at_least=SHORT, within=2 * SHORT)
    expect_abort(peer, seq=1)
    assert errno_of(server.raise_error) == "ETIMEDOUT"
    session.expect_state(peer, "CLOSED")


@requirement("FSM-192")
def test_orphan_in_fin_wait_2_is_forgotten_after_a_while(session: Session) -> None:
    server, peer = reach(session, None, "ESTABLISHED")
    server.set_option("TCP_LINGER2", 1)
    server.close()
    peer.expect(FIN, seq=1, ack=1)
    peer.send(ACK, seq=1, ack=2)
    session.expect_state(peer, "FIN-WAIT-2")
    peer.expect_silence(PAST_IT)
    session.expect_state(peer, "CLOSED")
    peer.send(FIN, seq=1, ack=2)
    peer.expect(RST, seq=2)


@requirement("RFC9293-3.6", "FSM-194")
def test_owned_socket_stays_in_fin_wait_2_for_as_long_as_it_likes(session: Session) -> None:
    session.sysctl("net/ipv4/tcp_fin_timeout", 1)
    server, peer = reach(session, None, "FIN-WAIT-2")
    peer.expect_silence(PAST_IT)
    session.expect_state(peer, "FIN-WAIT-2", "owned")
    peer.send(ACK, seq=1, ack=2, data=b"late")
    peer.expect(ACK, seq=2, ack=5)
    assert server.receive() == b"late"


@in_states({"FIN-WAIT-1": "FSM-203", "CLOSING": "FSM-204", "LAST-ACK": "FSM-205"}, ownership=["orphaned"])
def test_orphan_is_forgotten_after_its_retransmissions(session: Session, state: str, ownership: str) -> None:
    session.sysctl("net/ipv4/tcp_orphan_retries", 1)
    server, peer = reach(session, None, state, ownership)
    cell = Cell(session, server, peer, state, ownership, NUMBERS[state])
    lost = outstanding(cell)
    expect_again(cell, lost)
    allow_more(cell, lost)
    peer.expect_silence(2 * PAST_IT)
    cell.expect_gone()


@requirement("RFC6191-2-1", "FSM-209")
def test_own_connect_reuses_the_ports_of_time_wait(session: Session) -> None:
    first = session.connect()
    session.sysctl("net/ipv4/tcp_tw_reuse", 1)
    port = first.endpoint.port
    first.endpoint.close()
    first.peer.expect(FIN, seq=1, ack=1)
    first.peer.send(FIN, seq=1, ack=2)
    first.peer.expect(ACK, seq=2, ack=2)
    session.expect_state(first.peer, "TIME-WAIT")
    first.peer.expect_silence(2 * SHORT)  # the peer's timestamps have to have moved on (tcp_twsk_unique)

    again = session.socket(port)
    again.connect(first.peer, wait=False)
    syn = first.peer.expect(SYN)
    session.expect_state(first.peer, "SYN-SENT")
    first.peer.send(SYN, seq=FURTHER_ON, ack=syn.next_seq)
    first.peer.expect(ACK, seq=syn.next_seq, ack=BEHIND_IT)
