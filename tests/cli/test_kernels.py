"""What ``finwait kernels`` prints."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli import kernels
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=80, color_system=None)


def test_list_says_of_each_kernel_what_it_runs_as_and_what_it_costs(tmp_path: Path, console: Console) -> None:
    kernels.print_listing(Cache(tmp_path), console)
    rows = {line.split()[0]: line for line in console.file.getvalue().splitlines() if line.strip()}  # type: ignore[attr-defined]
    assert "the running kernel" in rows["host"]
    assert rows["host"].rstrip().endswith("yes")
    assert rows["uml:5.10"].split()[-4:] == ["5.10", "38", "MB", "no"]
    assert "virtual time" in rows["uml-virtual:7.2"]
    assert rows["uml-virtual:7.2"].rstrip().endswith("164 MB  no; built from source")
    assert "an emulated machine" in rows["debian:6.1"]


def test_source_alone_is_not_called_a_kernel() -> None:
    said = kernels.after_fetching(parse("uml-virtual:6.1"))
    assert said == "only the source of uml-virtual:6.1 is here; next: finwait kernels build uml-virtual:6.1"
    assert kernels.after_fetching(parse("uml:5.10")) == "uml:5.10 is here"
