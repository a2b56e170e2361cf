"""Output that nobody reads to its end, and output that has no room."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
each_way_to_print = pytest.mark.parametrize("verb", ["kernels list", "doctor", "run --help"])


def _ended(verb: str, into: int) -> tuple[int, str]:
    argv = [sys.executable, "-m", "harness", *verb.split()]
    ended = subprocess.run(argv, cwd=CHECKOUT, stdout=into, stderr=subprocess.PIPE, text=True, check=False)
    return ended.returncode, ended.stderr


@each_way_to_print
def test_reader_who_has_gone_is_no_failure(verb: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert _ended(verb, writing) == (141, "")
    finally:
        os.close(writing)


@each_way_to_print
def test_full_disk_is_told_in_one_line(verb: str) -> None:
    with Path("/dev/full").open("wb") as full:
        status, said = _ended(verb, full.fileno())
    assert (status, said) == (2, "finwait: the output cannot be written (No space left on device)\n")
