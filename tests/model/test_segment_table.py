"""The cells of the state x segment table."""

from __future__ import annotations

import pytest

from harness.model.connection import ControlBlock
from harness.model.requirements import STATES
from harness.model.segment_table import HAVE_A_ZERO_WINDOW, WITH_A_WINDOW, WITH_A_ZERO_WINDOW, TableCell, table_cells
from harness.tcp.segment import ACK, FIN, RST, SYN

AT = ControlBlock("ESTABLISHED", snd_una=5, snd_nxt=7, rcv_nxt=50, rcv_wnd=1000)
CLOSED = ControlBlock("ESTABLISHED", snd_una=5, snd_nxt=7, rcv_nxt=50, rcv_wnd=0)


def test_the_table_is_complete_and_no_cell_comes_twice() -> None:
    # 5 kinds without ACK and 6 with three acknowledgments make 23 in each place
    assert len(set(table_cells(STATES, WITH_A_WINDOW))) == 11 * 5 * 23
    assert len(set(table_cells(HAVE_A_ZERO_WINDOW, WITH_A_ZERO_WINDOW))) == 7 * 3 * 23
    names = [str(cell) for cell in table_cells(STATES, WITH_A_WINDOW)]
    assert len(set(names)) == len(names)
    assert "FIN-WAIT-1-SYN+ACK-inside-newer" in names


@pytest.mark.parametrize(
    ("place", "seq"), [("left", 49), ("at-left-edge", 50), ("inside", 150), ("at-right-edge", 1049), ("right", 1050)]
)
def test_places_about_a_window(place: str, seq: int) -> None:
    assert TableCell("ESTABLISHED", "FIN", place, "").segment(AT).seq == seq


@pytest.mark.parametrize(("place", "seq"), [("left", 49), ("at", 50), ("right", 51)])
def test_places_about_a_zero_window(place: str, seq: int) -> None:
    assert TableCell("ESTABLISHED", "FIN", place, "").segment(CLOSED).seq == seq


@pytest.mark.parametrize(("ack", "number"), [("older", 6), ("equal", 7), ("newer", 8)])
def test_acknowledgments_count_from_what_is_sent_next(ack: str, number: int) -> None:
    assert TableCell("ESTABLISHED", "ACK", "inside", ack).segment(AT).ack == number


def test_kinds_are_what_they_are_called() -> None:
    assert TableCell("ESTABLISHED", "SYN+FIN", "left", "").segment(AT).flags == SYN | FIN
    assert TableCell("ESTABLISHED", "data", "left", "older").segment(AT).data == b"x"
    assert TableCell("ESTABLISHED", "all-flags", "left", "older").segment(AT).flags & (SYN | FIN | RST | ACK)
    assert TableCell("ESTABLISHED", "no-flags", "left", "").segment(AT).flags == 0
