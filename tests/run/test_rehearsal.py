"""What a user gets wrong is said once, in pytest's words, before any kernel is booted."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import main as cli

CHECKOUT = Path(__file__).parents[2]
WHERE = str(CHECKOUT / "scenarios" / "lectures" / "test_ports.py")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["-k", "nosuchthing", WHERE], "no scenario is selected; no tests collected (4 deselected); try: "),
        (["/nowhere/test_mine.py"], "pytest: file or directory not found: /nowhere/test_mine.py; try: "),
        ([f"{WHERE}::test_nosuchthing"], f"pytest: not found: {WHERE}::test_nosuchthing; try: "),
        (["--nosuchoption", WHERE], "pytest: unrecognized arguments: --nosuchoption; try: finwait run --help"),
        (["-n", "auto", WHERE], "pytest: unrecognized arguments: -n; try: --at-once N "),
        (["-k", "(", WHERE], "pytest: Wrong expression passed to '-k': (: at column 2: "),
        (["--markers"], "--markers runs nothing, on whichever kernel; try: finwait run --markers"),
    ],
)
def test_mistake_is_one_line_and_leaves_no_folder(
    given: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verb = ["mutate"] if given == ["/nowhere/test_mine.py"] else ["matrix", "--kernel=host"]
    assert cli.main([*verb, "--run-dir", str(tmp_path / "runs"), *given]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"finwait: {said}")
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_each_file_that_cannot_be_imported_has_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_one.py").write_text("import nothing_here\n")
    (tmp_path / "test_two.py").write_text("def test_(:\n")
    (tmp_path / "test_three.py").write_text("from harness import requirement\n@requirement\ndef test_it(): pass\n")
    assert cli.main(["matrix", "--kernel=host", f"--run-dir={tmp_path / 'runs'}", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "test_one.py:1: mistake in the scenario: ModuleNotFoundError: No module named 'nothing_here'; " in error
    assert "test_two.py:1: mistake in the scenario: SyntaxError: " in error
    assert "test_two.py: " not in error
    assert "'test_it' is not the id of a requirement" in error
    assert error.count("\n") == 1


def test_conftest_that_cannot_be_imported_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "conftest.py").write_text("import nothing_here\n")
    (tmp_path / "test_one.py").write_text("def test_it(established): pass\n")
    assert cli.main(["matrix", "--kernel=host", f"--run-dir={tmp_path / 'runs'}", str(tmp_path)]) == 2
    said = f"conftest '{tmp_path / 'conftest.py'}': ModuleNotFoundError: No module named 'nothing_here'"
    assert said in capsys.readouterr().err
