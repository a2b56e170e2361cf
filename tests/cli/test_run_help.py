"""``finwait run --help``: one screen, and nothing in it that the command does not take."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.cli.main import main

CHECKOUT = Path(__file__).parents[2]
LINES, COLUMNS = 40, 80


def test_help_of_run_is_one_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS
    assert lines[0].startswith("usage: finwait run")


def test_every_option_in_it_is_one_of_pytests(capsys: pytest.CaptureFixture[str], pytestconfig: pytest.Config) -> None:
    main(["run", "--help"])
    named = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", capsys.readouterr().out)) - {"-m", "--help-pytest"}
    parser = pytestconfig._parser
    known = {name for option in parser._anonymous.options for name in option.names()}
    known |= {name for group in parser._groups for option in group.options for name in option.names()}
    assert len(named) > 8
    assert named <= known | {"-n", "-q"}
