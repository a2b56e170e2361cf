"""What each call returns in each state: the user calls of RFC 9293 3.10.1 to 3.10.6, and the errno that says so.

The RFC names the answers; POSIX has the errnos for them (connect, listen, send, recv, shutdown in IEEE Std 1003.1).
Nothing is sent by a call that is refused, and the connection stays where it is.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from harness import (
    ACK,
    RST,
    SYN,
    Cell,
    Connection,
    Endpoint,
    Session,
    errno_of,
    in_shared_lab,
    in_states,
    requirement,
)

pytestmark = in_shared_lab

# error: connection already exists
EXISTS = ("EISCONN", "EALREADY")
# error: connection does not exist; after its end, or before its beginning
DOES_NOT_EXIST = ("ENOTCONN", "EPIPE")
# error: connection closing
CLOSING_SEND = ("EPIPE",)
CLOSING_CLOSE = ("ENOTCONN", "EPIPE", "ESHUTDOWN")
# queued until ESTABLISHED: a call that must not wait is told that it would have to
LATER = ("EAGAIN",)
DONE = ("",)

ALL_OPEN = ("SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT")


def connect(server: Endpoint) -> None:
    server.connect(("203.0.113.1", 9))  # where nobody is: the call must not come as far as to ask


def listen(server: Endpoint) -> None:
    server.listen(1)


def send(server: Endpoint) -> None:
    server.send(b"data")


def end_of_stream(server: Endpoint) -> str:
    """The answer of recv(2); POSIX says "connection closing" to a reader by 0 bytes."""
    read: list[bytes] = []
    refused = errno_of(lambda: read.append(server.receive()))
    return refused or f"{len(read[0])} bytes"


def answer_of(cell: Cell, call: Callable[[Endpoint], None]) -> str:
    with cell.endpoint.without_waiting():
        return errno_of(lambda: call(cell.endpoint))


def answers_as_before(cell: Cell) -> None:
    """The port, on which there is no connection, takes a SYN or refuses it as before the call."""
    cell.peer.send(SYN, seq=0)
    cell.peer.expect(SYN if cell.state == "LISTEN" else RST, seq=0, ack=1)


# -- OPEN (3.10.1)


@requirement("RFC9293-3.10.1")
@in_states(
    {
        "SYN-SENT": "FSM-029",
        "SYN-RECEIVED": "FSM-030",
        "ESTABLISHED": "FSM-031",
        "FIN-WAIT-1": "FSM-032",
        "FIN-WAIT-2": "FSM-033",
        "CLOSE-WAIT": "FSM-034",
        "CLOSING": "FSM-035",
        "LAST-ACK": "FSM-036",
        "TIME-WAIT": "FSM-037",
    },
    ownership=["owned"],
)
def test_active_open_of_what_is_open_is_refused(cell: Cell) -> None:
    assert answer_of(cell, connect) in EXISTS
    cell.expect_same_state()


@requirement("RFC9293-3.10.1")
@in_states(dict.fromkeys(("SYN-SENT", *ALL_OPEN[:-1]), "RFC9293-3.10.1"), ownership=["owned"])
def test_passive_open_of_what_is_open_is_refused(cell: Cell) -> None:
    assert answer_of(cell, listen) == "EINVAL"
    cell.expect_same_state()


# -- SEND (3.10.2)


@requirement("RFC9293-3.10.2")
@in_states({"CLOSED": "FSM-038"}, ownership=["owned"])
def test_send_without_a_connection_is_refused(cell: Cell) -> None:
    assert answer_of(cell, send) in DOES_NOT_EXIST
    answers_as_before(cell)


@requirement("RFC9293-3.10.2")
@in_states({"LISTEN": "RFC9293-3.10.2"})
def test_send_on_a_listener_without_a_remote_socket_is_refused(cell: Cell) -> None:
    assert answer_of(cell, send) in DOES_NOT_EXIST
    answers_as_before(cell)


@requirement("RFC9293-3.10.2")
@in_states({"SYN-SENT": "FSM-039", "SYN-RECEIVED": "FSM-040"}, ownership=["owned"])
def test_send_that_must_not_wait_is_put_off_until_established(cell: Cell) -> None:
    assert answer_of(cell, send) in LATER
    cell.expect_same_state()


@requirement("RFC9293-3.10.2")
@in_states({"ESTABLISHED": "FSM-041", "CLOSE-WAIT": "FSM-042"}, ownership=["owned"])
def test_send_sends(cell: Cell) -> None:
    assert answer_of(cell, send) in DONE
    cell.peer.expect(ACK, seq=cell.at.snd_nxt, ack=cell.at.rcv_nxt, data=b"data")
    cell.expect_same_state()


@requirement("RFC9293-3.10.2")
@in_states(
    {
        "FIN-WAIT-1": "FSM-043",
        "FIN-WAIT-2": "FSM-044",
        "CLOSING": "FSM-045",
        "LAST-ACK": "FSM-046",
        "TIME-WAIT": "FSM-047",
    },
    ownership=["owned"],
)
def test_send_after_the_close_is_refused(cell: Cell) -> None:
    assert answer_of(cell, send) in CLOSING_SEND
    cell.expect_same_state()


# -- RECEIVE (3.10.3)


@requirement("RFC9293-3.10.3")
@in_states({"CLOSED": "RFC9293-3.10.3", "LISTEN": "RFC9293-3.10.3"}, ownership=["owned"])
def test_receive_without_a_connection_is_refused(cell: Cell) -> None:
    with cell.endpoint.without_waiting():
        assert end_of_stream(cell.endpoint) == "ENOTCONN"
    answers_as_before(cell)


@requirement("RFC9293-3.10.3")
@in_states(
    dict.fromkeys(("SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2"), "RFC9293-3.10.3"),
    ownership=["owned"],
)
def test_receive_waits_while_data_may_come(cell: Cell) -> None:
    with cell.endpoint.without_waiting():
        assert end_of_stream(cell.endpoint) == "EAGAIN"
    cell.expect_same_state()


@requirement("RFC9293-3.10.3")
@in_states(
    {"CLOSE-WAIT": "FSM-051", "CLOSING": "FSM-048", "LAST-ACK": "FSM-049", "TIME-WAIT": "FSM-050"}, ownership=["owned"]
)
def test_receive_after_the_peers_fin_is_told_of_the_end(cell: Cell) -> None:
    with cell.endpoint.without_waiting():
        assert end_of_stream(cell.endpoint) == "0 bytes"
    cell.expect_same_state()


# -- CLOSE (3.10.4)


def close_sending(server: Endpoint) -> None:
    server.shutdown(socket.SHUT_WR)


@requirement("RFC9293-3.10.4")
@in_states({"CLOSED": "RFC9293-3.10.4"}, ownership=["owned"])
def test_close_without_a_connection_is_refused(cell: Cell) -> None:
    assert answer_of(cell, close_sending) in DOES_NOT_EXIST
    answers_as_before(cell)


@requirement("RFC9293-3.10.4")
@in_states({"FIN-WAIT-1": "FSM-052", "FIN-WAIT-2": "FSM-053"}, ownership=["owned"])
def test_second_close_sends_no_second_fin(cell: Cell) -> None:
    # "an error ... a CLOSE response of 'ok' would be acceptable, too, as long as a second FIN is not emitted"
    assert answer_of(cell, close_sending) in (*DONE, *CLOSING_CLOSE)
    cell.expect_same_state()


@requirement("RFC9293-3.10.4")
@in_states({"CLOSING": "FSM-054", "LAST-ACK": "FSM-055", "TIME-WAIT": "FSM-056"}, ownership=["owned"])
def test_close_while_closing_is_refused(cell: Cell) -> None:
    assert answer_of(cell, close_sending) in CLOSING_CLOSE
    cell.expect_same_state()


# -- STATUS (3.10.6)


@requirement("RFC9293-3.10.6")
@in_states(dict.fromkeys(("SYN-SENT", *ALL_OPEN[:-1]), "RFC9293-3.10.6"), ownership=["owned"])
def test_status_names_the_state(cell: Cell) -> None:
    assert status_of(cell) == cell.state


@requirement("RFC9293-3.10.6")
@in_states(dict.fromkeys(("CLOSED", "LISTEN"), "RFC9293-3.10.6"), ownership=["owned"])
def test_status_names_the_state_without_a_connection(cell: Cell) -> None:
    assert status_of(cell) == cell.state
    answers_as_before(cell)


def status_of(cell: Cell) -> str:
    return str(cell.endpoint.tcp_info("state"))


# -- calls that wait


@requirement("RFC9293-3.10.2", "FSM-039")
def test_send_in_syn_sent_goes_out_once_established(syn_sent: Connection, session: Session) -> None:
    client, peer = syn_sent
    sender = client.begin_send(b"data")
    session.settle()
    peer.send(SYN, seq=0, ack=1)
    peer.expect(ACK, seq=1, ack=1)
    peer.expect(ACK, seq=1, ack=1, data=b"data")
    assert sender.end() == 4


@requirement("RFC9293-3.10.2", "FSM-040")
def test_send_in_syn_received_goes_out_once_established(syn_received_actively: Connection, session: Session) -> None:
    client, peer = syn_received_actively
    sender = client.begin_send(b"data")
    session.settle()
    peer.send(ACK, seq=1, ack=1)
    peer.expect(ACK, seq=1, ack=1, data=b"data")
    assert sender.end() == 4


@requirement("RFC9293-3.10.3")
def test_receive_in_syn_sent_waits_for_data(syn_sent: Connection, session: Session) -> None:
    client, peer = syn_sent
    reader = client.begin_receive(9)
    session.settle()
    assert reader.waits
    peer.send(SYN, seq=0, ack=1)
    peer.expect(ACK, seq=1, ack=1)
    peer.send(ACK, seq=1, ack=1, data=b"data")
    peer.expect(ACK, seq=1, ack=5)
    assert reader.end() == b"data"
