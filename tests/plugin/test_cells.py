"""Cells: what a scenario can ask of a connection that was brought into a state."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import NUMBERS, RST, Mismatch, Session, reach
from harness.model.connection import ControlBlock
from harness.plugin.cells import Cell, in_states
from harness.tcp.timing import TimingProfile
from netns import privilege

PATIENT_NS = 1_000_000_000  # time is not what is tested here


@pytest.fixture(scope="module")
def lab() -> Iterator[Session]:
    privilege.ensure()
    with Session(TimingProfile(slack_ns=PATIENT_NS)) as session:
        yield session


@pytest.fixture
def cell(lab: Session) -> Cell:
    server, peer = reach(lab, None, "ESTABLISHED")
    return Cell(lab, server, peer, "ESTABLISHED", "owned", NUMBERS["ESTABLISHED"])


def test_state_that_changed_is_no_longer_the_same(cell: Cell) -> None:
    cell.expect_same_state()
    cell.peer.send(RST, seq=1)
    with pytest.raises(Mismatch, match="in ESTABLISHED, owned\n"):
        cell.expect_same_state()
    cell.expect_state("CLOSED")
    cell.expect_gone()


def test_state_may_be_one_of_several(cell: Cell) -> None:
    cell.expect_state("CLOSED", "ESTABLISHED")
    with pytest.raises(Mismatch, match="in CLOSED\n"):
        cell.expect_state("CLOSED", "CLOSE-WAIT")


def test_standing_has_the_window_that_the_kernel_offered(cell: Cell) -> None:
    offered = cell.peer.offered_window(1)
    assert offered > 0
    assert cell.control_block == ControlBlock("ESTABLISHED", 1, 1, 1, rcv_wnd=offered, quickack=True)


def test_connection_that_is_there_is_not_gone(cell: Cell) -> None:
    with pytest.raises(Mismatch, match="R 1:1"):
        cell.expect_gone()


def test_each_state_has_a_cell_for_each_way_and_cites_its_transition() -> None:
    mark = in_states({"CLOSING": "FSM-164", "ESTABLISHED": ("FSM-061", "FSM-197")}, ownership=["owned"]).mark
    names, cells = mark.args
    assert names == ("state", "ownership")
    assert [cell.id for cell in cells] == ["CLOSING-owned", "ESTABLISHED-owned"]
    assert [cell.marks[0].args for cell in cells] == [("FSM-164",), ("FSM-061", "FSM-197")]
