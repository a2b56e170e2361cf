"""An index from scenarios to lines of code, and what it says of a change."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness.code.index import (
    FILE,
    Affected,
    ChangedLines,
    CodeFile,
    CodeFunction,
    CodeIndex,
    CodeLine,
    Reaching,
    load_index,
    packed,
)
from harness.errors import FinwaitError

# ack() stands in lines 10 to 20, drop() in 30 to 39, and nobody reaches free() in 50 to 52.
FUNCTIONS = (CodeFunction("ack", 10, 20), CodeFunction("drop", 30, 39), CodeFunction("free", 50, 52))
ALL, NONE, SYN, TWO = range(4)
INDEX = CodeIndex(
    kernel="uml-virtual:7.2",
    scenarios=("wide", "narrow", *(f"filler{number}" for number in range(7)), "tenth"),
    files={
        "tcp.c": CodeFile(FUNCTIONS, {10: ALL, 12: TWO, 15: SYN, 18: NONE, 30: SYN, 33: SYN, 51: NONE}),
        "tcp.h": CodeFile((CodeFunction("before", 5, 7),), {6: SYN}),
    },
    sets=(packed(0b10_0000_0011), packed(0), packed(0b1), packed(0b11)),
)


def affected(first: int, last: int, file: str = "tcp.c") -> Affected:
    return INDEX.affected([ChangedLines(file, first, last)])


def test_from_a_line_to_its_scenarios_and_back() -> None:
    assert INDEX.reaching("tcp.c", 10) == ("wide", "narrow", "tenth")
    assert INDEX.reaching("tcp.c", 18) == INDEX.reaching("tcp.c", 19) == INDEX.reaching("udp.c", 10) == ()
    assert INDEX.reached("narrow") == (("tcp.c", 10), ("tcp.c", 12))
    assert INDEX.reached("filler3") == ()
    assert INDEX.unreached() == (CodeLine("tcp.c", 50, "free"),)


def test_who_reaches_most_of_the_change_and_least_else_comes_first() -> None:
    assert affected(10, 12).scenarios == (Reaching("narrow", 2, 2), Reaching("wide", 2, 6), Reaching("tenth", 1, 1))


def test_who_reaches_the_function_alone_comes_last() -> None:
    assert affected(15, 15).scenarios == (Reaching("wide", 1, 6), Reaching("tenth", 0, 1), Reaching("narrow", 0, 2))


def test_changed_lines_that_nobody_reaches_are_named() -> None:
    found = affected(15, 19)
    assert found.lines == (CodeLine("tcp.c", 15, "ack"), CodeLine("tcp.c", 18, "ack"))
    assert found.unreached == (CodeLine("tcp.c", 18, "ack"),)
    lost = (CodeLine("tcp.c", 51, "free"),)
    assert affected(50, 52) == Affected((), lost, lost, ())


def test_a_line_without_code_is_part_of_the_one_above_it() -> None:
    assert affected(13, 14).lines == (CodeLine("tcp.c", 12, "ack"),)


@pytest.mark.parametrize(("file", "first", "last"), [("tcp.c", 22, 25), ("tcp.c", 50, 50), ("udp.c", 1, 2)])
def test_a_change_outside_of_what_was_counted(file: str, first: int, last: int) -> None:
    assert affected(first, last, file) == Affected((), (), (), (ChangedLines(file, first, last),))


def test_a_change_across_two_functions_and_two_files() -> None:
    found = INDEX.affected([ChangedLines("tcp.c", 18, 30), ChangedLines("tcp.h", 6, 6)])
    assert [(one.line, one.function) for one in found.lines] == [(18, "ack"), (30, "drop"), (6, "before")]
    assert found.scenarios[0] == Reaching("wide", 2, 6)


def test_it_is_kept_as_a_file(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(msgspec.json.encode(INDEX))
    assert load_index(tmp_path) == load_index(tmp_path / FILE) == INDEX


def test_no_index_and_a_broken_one_are_plain_errors(tmp_path: Path) -> None:
    with pytest.raises(FinwaitError, match=r"there is no index of code .* try: finwait matrix"):
        load_index(tmp_path)
    (tmp_path / FILE).write_text("{")
    with pytest.raises(FinwaitError, match="cannot be read"):
        load_index(tmp_path)
