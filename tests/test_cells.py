"""Cells: what a scenario can ask of a connection that was brought into a state."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import ACK, NUMBERS, RST, FinwaitError, Mismatch, Pattern, Session, reach
from harness.cells import Cell, in_states
from harness.closing import Arrival, Tcb
from harness.timing import TimingProfile
from netns import privilege

PATIENT_NS = 1_000_000_000  # time is not what is tested here
TCB = Tcb("ESTABLISHED", 1, 1, 1)
SILENT = Arrival(TCB, "no clause")
ACKNOWLEDGES = Arrival(TCB, "some clause", {"acknowledges": Pattern(ACK, seq=1, ack=4)})
MAY_ACKNOWLEDGE = Arrival(TCB, "some clause", ACKNOWLEDGES.answers, optional=True)


@pytest.fixture(scope="module")
def lab() -> Iterator[Session]:
    privilege.ensure()
    with Session(TimingProfile(slack_ns=PATIENT_NS)) as session:
        yield session


@pytest.fixture
def cell(lab: Session) -> Cell:
    server, peer = reach(lab, None, "ESTABLISHED")
    return Cell(lab, server, peer, "ESTABLISHED", "owned", NUMBERS["ESTABLISHED"])


def test_expected_answer_is_taken(cell: Cell) -> None:
    cell.peer.send(ACK, seq=1, ack=1, data=b"abc")
    cell.answers(ACKNOWLEDGES)
    assert cell.peer.leftover() == []


def test_missing_answer_is_told_without_waiting_for_it(cell: Cell) -> None:
    cell.peer.send(ACK, seq=1, ack=1)
    told = r"> . 1:1\(0\) ack 4 .*\(some clause\)\nobserved  nothing, and the kernel has taken in all it was sent"
    with pytest.raises(Mismatch, match=told):
        cell.answers(ACKNOWLEDGES)


def test_answer_where_none_is_due_is_told(cell: Cell) -> None:
    cell.peer.send(ACK, seq=1, ack=1, data=b"abc")
    with pytest.raises(Mismatch, match=r"> nothing   \(no clause\)"):
        cell.answers(SILENT)


@pytest.mark.parametrize("data", [b"", b"abc"])
def test_optional_answer_may_come_or_not(cell: Cell, data: bytes) -> None:
    cell.peer.send(ACK, seq=1, ack=1, data=data)
    cell.answers(MAY_ACKNOWLEDGE)
    assert cell.peer.leftover() == []


def test_optional_answer_has_to_be_the_right_one(cell: Cell) -> None:
    cell.peer.send(ACK, seq=1, ack=1, data=b"longer")
    with pytest.raises(Mismatch, match="ack: 7, not 4"):
        cell.answers(MAY_ACKNOWLEDGE)


def test_state_that_changed_is_no_longer_the_same(cell: Cell) -> None:
    cell.stays()
    cell.peer.send(RST, seq=1)
    with pytest.raises(FinwaitError, match="not in ESTABLISHED, owned"):
        cell.stays()
    cell.becomes("CLOSED")
    cell.is_gone()


def test_connection_that_is_there_is_not_gone(cell: Cell) -> None:
    with pytest.raises(Mismatch, match="R 1:1"):
        cell.is_gone()


def test_each_state_has_a_cell_for_each_way_and_cites_its_transition() -> None:
    mark = in_states({"CLOSING": "FSM-164", "ESTABLISHED": ("FSM-061", "FSM-197")}, held=["owned"]).mark
    names, cells = mark.args
    assert names == ("state", "held")
    assert [cell.id for cell in cells] == ["CLOSING-owned", "ESTABLISHED-owned"]
    assert [cell.marks[0].args for cell in cells] == [("FSM-164",), ("FSM-061", "FSM-197")]
