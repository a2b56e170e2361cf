"""Every state in every way, in one lab; and what is told where a connection is in another state than was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from harness import ACK, NUMBERS, RST, STATES, SYN, WAYS, Connection, FinwaitError, Session, reach
from harness.live.lab_pool import LabPool
from harness.live.socket_session import ORPHANED, OWNED, UNACCEPTED
from harness.live.states import ACTIVELY
from harness.probes import states as names
from harness.tcp.timing import TimingProfile
from harness.tcp.verdict import Mismatch
from netns import privilege

FORMS = [(state, ownership) for state, ways in WAYS.items() for ownership in ways]
SYNCHRONIZED = [(state, ownership) for state, ownership in FORMS if state in NUMBERS and state != "SYN-SENT"]
FAR_LEFT = 100_000  # of the window
PATIENT_NS = 1_000_000_000  # on a busy machine an answer takes as long as it takes; time is not what is tested here


@pytest.fixture(scope="module")
def lab_pool() -> Iterator[LabPool]:
    privilege.ensure()
    with LabPool() as opened:
        yield opened


@pytest.fixture
def lab(lab_pool: LabPool) -> Iterator[Session]:
    """The one lab, without the connections of earlier tests: their SYNs would be sent again after a second."""
    with Session(TimingProfile(slack_ns=PATIENT_NS), shared=lab_pool.get()) as session:
        yield session


def reach_and_let_syn_come_again(lab: Session, state: str, ownership: str) -> Connection:
    """No condition of a lab holds the timer of a SYN, which a busy machine sees expire."""
    connection = reach(lab, None, state, ownership)
    if state in ("SYN-SENT", "SYN-RECEIVED"):
        connection.peer.allow(SYN, seq=0)
        connection.peer.allow(SYN, seq=0, ack=1)
    return connection


def test_there_is_a_way_into_each_state_of_the_kernels() -> None:
    assert set(STATES) == {name for name in names.NAMES if name != "?"}


@pytest.mark.parametrize(("state", "ownership"), FORMS)
def test_state_is_reached_again_and_again_in_one_lab(lab: Session, state: str, ownership: str) -> None:
    first, second = (reach_and_let_syn_come_again(lab, state, ownership) for _ in range(2))
    assert first.peer.flow != second.peer.flow
    lab.finish()  # nothing but what the way there expects


@pytest.mark.parametrize("state", ["ESTABLISHED", "FIN-WAIT-2", "CLOSE-WAIT", "TIME-WAIT", "LAST-ACK"])
def test_client_is_brought_into_the_state_too(lab: Session, state: str) -> None:
    client, peer = reach(lab, None, state, opening=ACTIVELY)
    assert not client.accepted
    assert lab.state_of(peer) == state


@pytest.mark.parametrize("opening", ["passively", "actively"])
def test_a_given_listener_accepts_what_the_peer_opens_and_no_more(lab: Session, opening: str) -> None:
    listener = lab.listen(port=9000 + len(lab.peers))
    reach(lab, listener, "CLOSE-WAIT", opening=opening)
    assert len(listener.accepted) == (opening == "passively")


@pytest.mark.parametrize(("state", "ownership"), SYNCHRONIZED)
def test_numbers_are_those_the_kernel_answers_with(lab: Session, state: str, ownership: str) -> None:
    """RFC 9293 3.10.7.4: what is left of the window is answered with SEQ=SND.NXT, ACK=RCV.NXT."""
    _, peer = reach(lab, None, state, ownership)
    at = NUMBERS[state]
    peer.send(ACK, seq=at.rcv_nxt - FAR_LEFT, ack=at.snd_nxt, data=b"old")
    peer.expect(ACK, seq=at.snd_nxt, ack=at.rcv_nxt)


@pytest.mark.parametrize(("state", "ownership"), [(s, h) for s, h in SYNCHRONIZED if h == OWNED and s != "TIME-WAIT"])
def test_what_is_not_acknowledged_is_what_the_kernel_has_in_flight(lab: Session, state: str, ownership: str) -> None:
    _, peer = reach(lab, None, state, ownership)
    seen = lab.observer.find(peer.connection)
    assert seen is not None
    assert seen.info is not None
    assert NUMBERS[state].snd_nxt - NUMBERS[state].snd_una == seen.info.unacked


def test_another_state_is_told_with_both_names(lab: Session) -> None:
    _, peer = reach(lab, None, "FIN-WAIT-1")
    with pytest.raises(Mismatch, match=r"(?s)in CLOSING, owned\n.*FIN-WAIT-1, owned, as sock_diag"):
        lab.expect_state(peer, "CLOSING", OWNED)
    with pytest.raises(Mismatch, match="in FIN-WAIT-1, orphaned\n"):
        lab.expect_state(peer, "FIN-WAIT-1", ORPHANED)
    with pytest.raises(Mismatch, match="in CLOSED\n"):
        lab.expect_state(peer, "CLOSED")


def test_no_socket_is_closed_and_no_other_state(lab: Session) -> None:
    _, peer = reach(lab, None, "CLOSED", ORPHANED)
    assert lab.state_of(peer) == "CLOSED"
    with pytest.raises(Mismatch, match=r"(?s)in ESTABLISHED\n.*no socket, as sock_diag"):
        lab.expect_state(peer, "ESTABLISHED")


@pytest.mark.parametrize(
    ("state", "ownership", "opening", "told"),
    [
        ("ESTABLISHED", ORPHANED, "passively", "no connection can be orphaned in ESTABLISHED; try: owned, unaccepted"),
        ("CLOSE-WAIT", UNACCEPTED, ACTIVELY, "unaccepted in CLOSE-WAIT when opened actively"),
        ("FIN-WAIT", OWNED, "passively", "no connection can be owned in FIN-WAIT; try: CLOSED, LISTEN"),
    ],
)
def test_a_way_that_there_is_not_is_told_with_those_that_there_are(
    lab: Session, state: str, ownership: str, opening: str, told: str
) -> None:
    with pytest.raises(FinwaitError, match=told):
        reach(lab, None, state, ownership, opening)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("expect_state(peer, 'TIMEWAIT')", "there is no state 'TIMEWAIT'; try: TIME-WAIT"),
        ("expect_state(peer, 'ESTABLISHED', 'owner')", "there is no ownership 'owner'; try: owned"),
        ("expect_error(server, 'TIMEOUT')", "there is no error 'TIMEOUT'; try: ETIMEDOUT"),
    ],
)
def test_misspelt_name_is_no_deviation_of_the_kernel(
    conversation: Connection, opened: Session, call: str, told: str
) -> None:
    with pytest.raises(FinwaitError, match=told):
        eval(f"session.{call}", {"session": opened, "server": conversation.endpoint, "peer": conversation.peer})


def test_error_that_a_segment_brings_is_due_at_once(lab: Session) -> None:
    listener = lab.listen()
    (first, one), (second, other) = lab.establish(listener), lab.establish(listener)
    one.send(RST, seq=1)
    lab.expect_error(first, "ECONNRESET")
    other.send(RST, seq=1)
    with pytest.raises(Mismatch) as raised:
        lab.expect_error(second, "ETIMEDOUT")
    assert re.fullmatch(r"  ETIMEDOUT   by \d+ ms", raised.value.evidence.expected[0].what)
