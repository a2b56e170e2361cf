"""What a patch affects, by an index of code: scenarios, the closest first, and lines that nobody reaches."""

from __future__ import annotations

import io
import os
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from harness.cli.affected import latest_index, show_affected
from harness.code.index import FILE, CodeFile, CodeFunction, CodeIndex, packed
from harness.errors import FinwaitError

INDEX = CodeIndex(
    kernel="uml-virtual:7.2",
    scenarios=("t.py::test_wide", "t.py::test_close[IPv4]"),
    files={"net/ipv4/tcp.c": CodeFile((CodeFunction("tcp_close", 10, 20),), {10: 0, 12: 0, 14: 1, 30: 2})},
    sets=(packed(0b11), packed(0), packed(0b1)),
)
HEAD = "--- a/net/ipv4/tcp.c\n+++ b/net/ipv4/tcp.c\n"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    file = tmp_path / "runs" / "matrix" / "uml" / FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(msgspec.json.encode(INDEX))
    return file


def told(patch: str, index: Path, *, every: bool = True) -> str:
    out = io.StringIO()
    assert show_affected(patch, lambda: index, Console(file=out, width=100), every=every) == 0
    return out.getvalue()


def test_scenarios_and_lines_that_nobody_reaches(index: Path) -> None:
    assert told(HEAD + "@@ -12,3 +12,2 @@\n-one\n-two\n-three\n+four\n+five\n", index) == (
        "changed lines of tcp_close: 2; 2 scenarios reach one, 0 the function alone\n"
        "     1 of     2 lines  t.py::test_close[IPv4]\n"
        "     1 of     3 lines  t.py::test_wide\n"
        "no scenario reaches:\n"
        "  net/ipv4/tcp.c:14  tcp_close\n"
    )


def test_lines_outside_of_what_was_counted(index: Path) -> None:
    text = told("--- a/net/ipv4/udp.c\n+++ b/net/ipv4/udp.c\n@@ -3 +3 @@\n-a\n+b\n", index)
    assert text == "not counted:\n  net/ipv4/udp.c:3-3\n"


def test_comments_alone_need_no_index(tmp_path: Path) -> None:
    text = told(HEAD + "@@ -3 +3 @@\n-/* a */\n+/* b */\n", tmp_path / "none")
    assert text == "the patch changes no code that was there: nothing is affected\n"


def test_the_newest_index_is_taken(index: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert latest_index(runs) == index
    newer = runs / "alone" / FILE
    newer.parent.mkdir()
    newer.write_bytes(b"")
    os.utime(index, (0, 0))
    assert latest_index(runs) == newer
    with pytest.raises(FinwaitError, match=r"there is no index of code .* try: finwait matrix"):
        latest_index(tmp_path / "elsewhere")
