"""Completes what a user gives pytest, so that the plugin and the scenarios are found wherever they lie."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.config import get_config

from harness.errors import FinwaitError

_PLUGIN = ("-p", "harness.plugin.hooks")
_FILES = ("baseline", "mutations", "mutate_after")
"""Those options of ours that name what is read, as pytest's parser calls them."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What pytest is given to find the plugin and the scenarios, wherever these lie.

    Args:
        arguments: for pytest.
        outside: files and folders of them that are not part of the checkout.
    """

    arguments: tuple[str, ...]
    outside: tuple[Path, ...]


class _Given(str):
    """An argument as it was given: the parser hands on the very object, so that equal ones are told apart."""

    __slots__ = ()


def select(given: Sequence[str], checkout: Path) -> Selection:
    """Complete what a user gives pytest: paths count from the user's folder, and all scenarios are the default.

    Ids of scenarios count from the checkout, or from the folder that all those outside of it have in common, unless
    that is ``/``.

    Raises:
        FinwaitError: pytest does not take the arguments.
    """
    arguments = [*map(_Given, given)]
    found = _parsed(arguments)
    positional = {id(one) for one in found["file_or_dir"]}
    completed: list[str] = []
    scenarios: list[Path] = []
    for one in arguments:
        file, separator, rest = one.partition("::")
        if id(one) in positional and file and Path(file).exists():
            scenarios.append(Path(file).resolve())
            completed.append(f"{scenarios[-1]}{separator}{rest}")
        else:
            completed.append(one)
    if not positional:
        completed.insert(0, str(checkout / "scenarios"))
    files = {name: Path(str(found[name])) for name in _FILES if found[name]}
    read = {name: path.resolve() for name, path in files.items() if path.exists()}
    outside = tuple(path for path in scenarios if not path.is_relative_to(checkout))
    folders = [path if path.is_dir() else path.parent for path in outside]
    root = Path(os.path.commonpath(folders)) if outside else checkout
    settings = (f"--rootdir={root if root != Path('/') else checkout}", f"--config-file={checkout / 'pyproject.toml'}")
    again = (f"--{name.replace('_', '-')}={path}" for name, path in read.items())  # the last of an option counts
    end = completed.index("--") if "--" in completed else len(completed)
    also_read = (path for path in read.values() if not path.is_relative_to(checkout))
    return Selection((*_PLUGIN, *settings, *completed[:end], *again, *completed[end:]), (*outside, *also_read))


def _parsed(arguments: list[_Given]) -> dict[str, list[str]]:
    """The arguments as pytest's own parser takes them, with its plugins' options and ours."""
    config = get_config([*_PLUGIN, *arguments])
    try:
        config.pluginmanager.consider_preparse([*_PLUGIN, *arguments], exclude_only=False)
        config.pluginmanager.load_setuptools_entrypoints("pytest11")
        return vars(config._parser.parse_known_args(arguments))
    except pytest.UsageError as error:
        raise FinwaitError(str(error).rpartition("error: ")[2].partition("\n")[0], hint="finwait run --help") from error
    finally:
        config._ensure_unconfigure()
