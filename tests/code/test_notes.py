"""What gcov's notes and counts say, held against gcov itself."""

from __future__ import annotations

import json
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.code.notes import counters, functions, stamp
from harness.errors import FinwaitError
from tests.code.toy import NAME


def reached(notes: bytes, counts: bytes) -> set[int]:
    places = counters(counts)
    return {
        line
        for one in functions(notes)
        for start, number in [places[one.ident]]
        for _, line in one.reached(struct.unpack_from(f"={number}Q", counts, start))
    }


@pytest.mark.parametrize("arguments", [0, 1, 2, 9, 20])
def test_lines_that_gcov_says_were_reached(build: Path, count: Callable[..., bytes], arguments: int) -> None:
    counts, notes = count(arguments), (build / f"{NAME}.gcno").read_bytes()
    gcov = ["gcov", "--json-format", "--stdout", f"{NAME}.gcda"]
    (told,) = (
        file
        for file in json.loads(subprocess.run(gcov, cwd=build, capture_output=True, check=True).stdout)["files"]
        if file["file"].endswith("toy.c")
    )
    assert reached(notes, counts) == {line["line_number"] for line in told["lines"] if line["count"]}
    assert {line for one in functions(notes) for _, line in one.lines} == {one["line_number"] for one in told["lines"]}


def test_notes_and_counts_of_one_compilation_have_the_same_stamp(build: Path, count: Callable[..., bytes]) -> None:
    assert stamp((build / f"{NAME}.gcno").read_bytes()) == stamp(count(0))


def test_what_is_neither() -> None:
    with pytest.raises(FinwaitError, match="neither notes nor counts"):
        functions(b"ELF")
