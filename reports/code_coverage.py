"""What of a kernel's code a run reached, where gcov counted it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from harness.errors import FinwaitError
from harness.trace.runs import LoadedRun
from reports.grid import Cell, Grid, Section

FILE = "code-coverage.json"
"""The file of a run folder that has it: the summary that ``gcovr --json-summary`` makes of gcov's counts."""


class SourceFile(msgspec.Struct, frozen=True):
    """One source file, as gcovr 8 counts it (its summary format 0.6)."""

    filename: str
    line_total: int
    line_covered: int
    branch_total: int
    branch_covered: int
    function_total: int = 0
    function_covered: int = 0


class _Summary(msgspec.Struct, frozen=True):
    files: tuple[SourceFile, ...]


class CodeRow(NamedTuple):
    """One source file: what of it each run reached, of its lines and of its branches; empty where nobody counted."""

    file: str
    reached: tuple[str, ...]


def code_rows(runs: Sequence[LoadedRun]) -> list[CodeRow]:
    """The source files that were counted in any of the runs, by name, and all of them together in the end.

    Raises:
        FinwaitError: a summary is none.
    """
    counted = [_counted(run.path) for run in runs]
    names = sorted({name for files in counted for name in files})
    rows = [
        CodeRow(name, tuple(_reached([files[name]] if name in files else []) for files in counted)) for name in names
    ]
    return [*rows, CodeRow("all", tuple(_reached(list(files.values())) for files in counted))] if rows else []


def code_table(run: Path) -> Grid:
    """What a run reached, in figures: lines, branches and functions of each source file, and of all of them.

    Raises:
        FinwaitError: a summary is none.
    """
    files = list(_counted(run).values())
    rows = [(one.filename, [one]) for one in files] + [("all", files)]
    return Grid(
        ("file", "lines", "branches", "functions"),
        (Section("", tuple(((name, "bold"), *_figures(of)) for name, of in rows)),),
        right=frozenset({1, 2, 3}),
    )


def _figures(files: Sequence[SourceFile]) -> tuple[Cell, ...]:
    pairs = (
        ([one.line_covered for one in files], [one.line_total for one in files]),
        ([one.branch_covered for one in files], [one.branch_total for one in files]),
        ([one.function_covered for one in files], [one.function_total for one in files]),
    )
    return tuple(
        (f"{sum(covered)} of {sum(total)}  {_percent(sum(covered), sum(total)):>7}", "") for covered, total in pairs
    )


def _counted(folder: Path) -> dict[str, SourceFile]:
    path = folder / FILE
    try:
        summary = msgspec.json.decode(path.read_bytes(), type=_Summary)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise FinwaitError(f"{path} cannot be read ({error})", hint="gcovr --json-summary") from error
    return {one.filename: one for one in summary.files}


def _reached(files: Sequence[SourceFile]) -> str:
    lines = _percent(sum(one.line_covered for one in files), sum(one.line_total for one in files))
    branches = _percent(sum(one.branch_covered for one in files), sum(one.branch_total for one in files))
    return f"{lines} / {branches}" if files else ""


def _percent(covered: int, total: int) -> str:
    return f"{100 * covered / total:.1f} %" if total else "none"
