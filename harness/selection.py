"""Completes what a user gives pytest, so that the plugin and the scenarios are found wherever they lie."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


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
    arguments, paths = [], []
    for argument in given:
        file, separator, rest = argument.partition("::")
        if not argument.startswith("-") and Path(file).exists():
            paths.append(Path(file).resolve())
            argument = f"{paths[-1]}{separator}{rest}"  # noqa: PLW2901
        arguments.append(argument)
    if not paths and all(argument.startswith("-") for argument in arguments):
        arguments.append(str(checkout / "scenarios"))
    outside = tuple(path for path in paths if not path.is_relative_to(checkout))
    folders = [path if path.is_dir() else path.parent for path in outside]
    root = Path(os.path.commonpath(folders)) if outside else checkout
    return Selection(
        (
            "-p",
            "harness.pytest_plugin",
            f"--rootdir={root}",
            f"--config-file={checkout / 'pyproject.toml'}",
            *arguments,
        ),
        outside,
    )
