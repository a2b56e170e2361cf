"""ABORT in each state (RFC 9293 3.10.5): close(2) with a linger time of 0, or connect(2) to AF_UNSPEC."""

from __future__ import annotations

import pytest

from harness import ACK, FIN, RST, Cell, Ending, Endpoint, Pattern, both_families, in_shared_lab, in_states, requirement

pytestmark = in_shared_lab


def linger_0(server: Endpoint) -> None:
    server.linger(0)
    server.close()


def disconnect(server: Endpoint) -> None:
    server.disconnect()


aborts = pytest.mark.parametrize("abort", [linger_0, disconnect])


@requirement("RFC9293-3.10.5", "RFC9293-E-18")
@both_families
@aborts
@in_states(
    {
        "SYN-RECEIVED": ("FSM-060", "FSM-201"),
        "ESTABLISHED": ("FSM-061", "FSM-197"),
        "FIN-WAIT-1": ("FSM-062", "FSM-199"),
        "FIN-WAIT-2": ("FSM-063", "FSM-200"),
        "CLOSE-WAIT": ("FSM-064", "FSM-198"),
    },
    ownership=["owned"],
)
def test_abort_resets_the_connection(cell: Cell, abort: Ending) -> None:
    abort(cell.endpoint)
    # 3.10.5 shows <SEQ=SND.NXT><CTL=RST>; an acknowledgment with it says no more than the connection knew
    cell.peer.expect_one_of(
        plain=Pattern(RST, seq=cell.at.snd_nxt), acknowledging=Pattern(RST, seq=cell.at.snd_nxt, ack=cell.at.rcv_nxt)
    )
    cell.expect_gone()


@requirement("RFC9293-3.10.5", "RFC9293-E-18")
@both_families
@in_states({"ESTABLISHED": "FSM-061", "CLOSE-WAIT": "FSM-064"}, ownership=["unaccepted"])
def test_closing_the_listener_resets_what_it_has_not_accepted(cell: Cell) -> None:
    cell.endpoint.close()
    cell.peer.expect_one_of(
        plain=Pattern(RST, seq=cell.at.snd_nxt), acknowledging=Pattern(RST, seq=cell.at.snd_nxt, ack=cell.at.rcv_nxt)
    )
    cell.expect_gone()


@requirement("RFC9293-3.10.5")
@both_families
@aborts
@in_states({"CLOSING": "FSM-065", "LAST-ACK": "FSM-066"}, ownership=["owned"])
def test_abort_after_both_fins_forgets_the_connection_in_silence(cell: Cell, abort: Ending) -> None:
    abort(cell.endpoint)
    cell.expect_gone()


@requirement("RFC9293-3.10.5")
@both_families
@aborts
@in_states({"TIME-WAIT": "FSM-067"}, ownership=["owned"])
def test_abort_in_time_wait_forgets_the_connection(cell: Cell, abort: Ending) -> None:
    abort(cell.endpoint)
    cell.peer.send(FIN, seq=1, ack=2)
    reply = cell.peer.expect_one_of(forgotten=Pattern(RST, seq=2), remembered=Pattern(ACK, seq=2, ack=2))
    reply.require("forgotten")
