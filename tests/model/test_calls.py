"""What CLOSE and ABORT have sent, held against RFC 9293 3.10.4 and 3.10.5."""

from __future__ import annotations

import pytest

from harness.model.calls import aborted, closed
from harness.model.connection import ControlBlock
from tests.model.told import told


def at(state: str) -> ControlBlock:
    return ControlBlock(state, snd_una=7, snd_nxt=7, rcv_nxt=50, rcv_wnd=10)


@pytest.mark.parametrize(
    ("state", "sent"),
    [
        ("LISTEN", ("", "CLOSED")),
        ("SYN-SENT", ("", "CLOSED")),
        ("SYN-RECEIVED", ("<SEQ=7><ACK=50><CTL=FIN,ACK>", "FIN-WAIT-1")),
        ("ESTABLISHED", ("<SEQ=7><ACK=50><CTL=FIN,ACK>", "FIN-WAIT-1")),
        ("CLOSE-WAIT", ("<SEQ=7><ACK=50><CTL=FIN,ACK>", "LAST-ACK")),
        ("FIN-WAIT-2", ("", "FIN-WAIT-2")),
        ("TIME-WAIT", ("", "TIME-WAIT")),
    ],
)
def test_close(state: str, sent: tuple[str, str]) -> None:
    (answer,) = closed(at(state))
    assert told(answer) == sent
    assert answer.after.snd_nxt == 7 + bool(sent[0])


def test_close_with_data_unread_may_reset() -> None:
    assert [told(one)[1] for one in closed(at("FIN-WAIT-2"), unread=True)] == ["CLOSED", "CLOSED", "FIN-WAIT-2"]
    assert len(list(closed(at("TIME-WAIT"), unread=True))) == 1


@pytest.mark.parametrize(
    ("state", "sent"),
    [
        *((state, ["<SEQ=7><CTL=RST>", "<SEQ=7><ACK=50><CTL=RST,ACK>"]) for state in ("ESTABLISHED", "FIN-WAIT-2")),
        *((state, [""]) for state in ("SYN-SENT", "CLOSING", "LAST-ACK", "TIME-WAIT")),
    ],
)
def test_abort_deletes_the_connection(state: str, sent: list[str]) -> None:
    assert [told(one) for one in aborted(at(state))] == [(one, "CLOSED") for one in sent]
