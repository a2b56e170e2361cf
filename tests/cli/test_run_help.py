"""Help fits a terminal, says what each verb does, and names nothing that the command does not take."""

from __future__ import annotations

import argparse
import re
from contextlib import suppress
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.cli.parser import command_line

CHECKOUT = Path(__file__).parents[2]
LINES, COLUMNS = 40, 80


def test_help_of_run_is_one_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS
    assert lines[0].startswith("usage: finwait run")


def test_every_option_in_it_is_taken(capsys: pytest.CaptureFixture[str], pytestconfig: pytest.Config) -> None:
    main(["run", "--help"])
    named = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", capsys.readouterr().out)) - {"-m", "--help-pytest"}
    parser = pytestconfig._parser
    known = {name for option in parser._anonymous.options for name in option.names()}
    known |= {name for group in parser._groups for option in group.options for name in option.names()}
    assert len(named) > 8
    assert named <= known | {"-n", "-q", "--report"}


def test_other_kernels_are_for_another_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--kernel=uml:5.10"]) == 2
    assert "try: finwait matrix --kernel NAME" in capsys.readouterr().err


def helps() -> list[str]:
    """The arguments that ask for each help there is."""
    parsers = {"": command_line()}
    for words in ("", "kernels"):
        (verbs,) = (one for one in parsers[words]._actions if isinstance(one, argparse._SubParsersAction))
        parsers |= {f"{words} {name}".strip(): parser for name, parser in verbs.choices.items()}
    return list(parsers)


@pytest.mark.parametrize("words", helps())
def test_help_fits_a_terminal_and_says_what_the_verb_does(
    words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    with suppress(SystemExit):  # argparse ends with it
        main([*words.split(), "--help"])
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= COLUMNS
    assert len(text.splitlines()) <= LINES
    assert re.match(r"[A-Z].*\.$", text.partition("\n\n")[2].splitlines()[0])
