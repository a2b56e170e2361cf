"""Completes what a user gives pytest, so that the plugin and the scenarios are found wherever they lie."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_FILES = ("--baseline", "--mutations", "--mutate-after")
_TAKE_A_VALUE = frozenset(
    (
        *_FILES,
        *("--run-dir", "--run-name", "--captures", "--timing", "--kernel-name", "--mutate-answer"),
        *("-k", "-m", "-p", "-c", "-o", "-r", "-W", "-n", "--config-file", "--rootdir", "--override-ini", "--basetemp"),
        *("--tb", "--color", "--capture", "--maxfail", "--durations", "--durations-min", "--verbosity"),
        *("--report-chars", "--show-capture", "--junit-xml", "--junitxml", "--junit-prefix", "--pythonwarnings"),
        *("--ignore", "--ignore-glob", "--deselect", "--confcutdir", "--import-mode", "--assert", "--log-level"),
        *("--log-cli-level", "--log-file", "--log-file-level", "--numprocesses", "--maxprocesses", "--dist"),
        *("--hypothesis-profile", "--hypothesis-seed", "--hypothesis-verbosity"),
    )
)
"""The options, of pytest, of the plugins that finwait installs and of its own, behind which a value may stand."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What pytest is given to find the plugin and the scenarios, wherever these lie.

    Args:
        arguments: for pytest.
        outside: files and folders of them that are not part of the checkout.
    """

    arguments: tuple[str, ...]
    outside: tuple[Path, ...]


def select(given: Sequence[str], checkout: Path) -> Selection:
    """Complete what a user gives pytest: paths count from the user's folder, and all scenarios are the default.

    Ids of scenarios count from the checkout, or from the folder that all those outside of it have in common.
    """
    arguments: list[str] = []
    scenarios: list[Path] = []
    files: list[Path] = []
    named = False
    for option, value in _sorted_out(given):
        file, separator, rest = value.partition("::")
        wanted = not option or option in _FILES
        if wanted and file and Path(file).exists():
            (files if option else scenarios).append(Path(file).resolve())
            value = f"{Path(file).resolve()}{separator}{rest}"  # noqa: PLW2901
        named |= not option
        arguments += [f"{option}={value}"] if option in _FILES and value else filter(None, (option, value))
    if not named:
        arguments.append(str(checkout / "scenarios"))
    outside = tuple(path for path in scenarios if not path.is_relative_to(checkout))
    folders = [path if path.is_dir() else path.parent for path in outside]
    root = Path(os.path.commonpath(folders)) if outside else checkout
    settings = ("-p", "harness.plugin.hooks", f"--rootdir={root}", f"--config-file={checkout / 'pyproject.toml'}")
    also_read = (path for path in files if not path.is_relative_to(checkout))
    return Selection((*settings, *arguments), (*outside, *also_read))


def _sorted_out(given: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each option with its value, if it has one; what names scenarios is a value without an option."""
    waiting = ""
    for argument in given:
        option, equals, value = argument.partition("=")
        if waiting:
            yield waiting, argument
            waiting = ""
        elif argument in _TAKE_A_VALUE:
            waiting = argument
        elif equals and option in _FILES:
            yield option, value
        else:
            yield (argument, "") if argument.startswith("-") else ("", argument)
    if waiting:
        yield waiting, ""
