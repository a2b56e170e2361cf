"""Orders inside the kernel that is asked: what goes wrong with one is a line for whoever waits for its answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("order", "told"),
    [(None, "explore: [Errno 2] No such file or directory"), (b"[[", "explore: DecodeError")],
)
def test_order_that_cannot_be_read_is_told_in_one_line(order: bytes | None, told: str, tmp_path: Path) -> None:
    file = tmp_path / "order.json"
    if order is not None:
        file.write_bytes(order)
    argv = (sys.executable, "-m", "harness.explore.answer", "answer", str(file), str(tmp_path / "answer.json"))
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(told)
