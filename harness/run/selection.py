"""Completes what a user gives pytest, so that the plugin and the scenarios are found wherever they lie."""

from __future__ import annotations

import argparse
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.config import get_config

from harness.errors import FinwaitError

_PLUGIN = ("-p", "harness.plugin.hooks")
_FILES = ("--baseline", "--mutations", "--mutate-after")
"""Those options of ours that name what is read."""
_WRITTEN = (
    *("--junitxml", "--junit-xml", "--html", "--log-file", "--report-log"),
    *("--ktap", "--kcidb", "--gitlab"),
)
"""Options of pytest, its plugins and ours that name a file to write."""
_RELATIVE = re.compile(r"(?<![\w./])(?:\.\.?/)+[\w./+-]+")


@dataclass(frozen=True, slots=True)
class Selection:
    """What pytest is given to find the plugin and the scenarios, wherever these lie.

    Args:
        arguments: for pytest.
        outside: what they need that is not part of the checkout: the folders of scenarios, and files that are read.
        written: options that name a file to write, with the file; no part of ``arguments`` where these can travel.
        real_wait: seconds that one scenario may wait for timers in real time.
    """

    arguments: tuple[str, ...]
    outside: tuple[Path, ...]
    written: tuple[tuple[str, Path], ...]
    real_wait: float


class _Given(str):
    """An argument as it was given: the parser hands on the very object, so that equal ones are told apart."""

    __slots__ = ()


def select(given: Sequence[str], checkout: Path, *, start: Path | None = None) -> Selection:
    """Complete what a user gives pytest: paths count from the user's folder, and all scenarios are the default.

    Ids of scenarios count from the checkout, or from the folder that all those outside of it have in common, unless
    that is ``/``.

    Args:
        given: for pytest.
        checkout: the folder with pyproject.toml.
        start: the folder that pytest is started in, which the paths are to count from; None for absolute ones.

    Raises:
        FinwaitError: pytest does not take the arguments.
    """

    def name(path: Path) -> str:
        return os.path.relpath(path, start) if start else str(path)

    arguments = [*map(_Given, _with_values(given))]
    parsed = _parsed(arguments)
    positional = {id(one) for one in parsed.file_or_dir}
    completed: list[str] = []
    scenarios: list[Path] = []
    read: list[Path] = []
    written: list[tuple[str, Path]] = []
    for one in arguments:
        file, separator, rest = one.partition("::")
        option, _, value = one.partition("=")
        if id(one) in positional and file and Path(file).exists():
            scenarios.append(Path(file).resolve())
            completed.append(f"{name(scenarios[-1])}{separator}{rest}")
        elif option in _FILES and id(one) not in positional and Path(value).exists():
            read.append(Path(value).resolve())
            completed.append(f"{option}={name(read[-1])}")
        elif start and option in _WRITTEN and id(one) not in positional and value:
            written.append((option, Path(value).absolute()))
        else:
            completed.append(str(one))
    if not positional:
        completed.insert(0, name(checkout / "scenarios"))
    outside = [path for path in scenarios if not path.is_relative_to(checkout)]
    folders = [path if path.is_dir() else path.parent for path in outside]
    common = Path(os.path.commonpath(folders)) if outside else checkout
    root = common if common != Path("/") else checkout
    settings = (f"--rootdir={name(root)}", f"--config-file={name(checkout / 'pyproject.toml')}")
    also_read = [path for path in read if not path.is_relative_to(checkout)]
    travels = dict.fromkeys(one for path in outside for one in _with_all_it_needs(path, checkout))
    travels |= dict.fromkeys(one for path in outside for one in named_by_scripts(path))
    return Selection((*_PLUGIN, *settings, *completed), (*travels, *also_read), tuple(written), parsed.real_wait)


def _with_all_it_needs(scenario: Path, checkout: Path) -> Iterator[Path]:
    """A scenario's folder, and each above it that has a conftest.py, or a module of the scenario's package.

    Of a home or a folder that all users share, such as /tmp, only the Python files and the scenario's own: the rest has
    nothing to do with it.
    """
    folder = scenario if scenario.is_dir() else scenario.parent
    for each in (folder, *folder.parents):
        if checkout.is_relative_to(each):
            return  # where pytest, with the checkout's settings, looks for no conftest.py
        if each == folder or any((each / name).is_file() for name in ("conftest.py", "__init__.py")):
            shared = each.stat().st_mode & stat.S_ISVTX or each == Path.home()
            alone = [*sorted(each.glob("*.py")), *([scenario] if scenario.suffix == ".pkt" else [])]
            yield from alone if shared and each != scenario else [each]


def named_by_scripts(scenario: Path) -> list[Path]:
    """The files that packetdrill's scripts name by a relative path, and those that these name in turn.

    Args:
        scenario: a script, or a folder with scripts in it; what lies in it is not told.
    """
    scripts = [scenario] if scenario.suffix == ".pkt" else sorted(scenario.rglob("*.pkt"))
    found: dict[Path, None] = {}
    ahead = [(script, script.parent) for script in scripts if script.is_file()]
    while ahead:
        file, folder = ahead.pop()  # commands begin in the folder of the script
        for name in _RELATIVE.findall(file.read_text(errors="replace")):
            path = (folder / name).resolve()
            if path.is_file() and path not in found and path != scenario and not path.is_relative_to(scenario):
                found[path] = None
                ahead.append((path, folder))
    return list(found)


def _with_values(given: Sequence[str]) -> Iterator[str]:
    """The same arguments, those options that name files in one word with their value."""
    rest = list(given)
    while rest:
        one = rest.pop(0)
        yield f"{one}={rest.pop(0)}" if one in (*_FILES, *_WRITTEN) and rest else one


def _parsed(arguments: list[_Given]) -> argparse.Namespace:
    """The arguments as pytest's own parser takes them, with its plugins' options and ours."""
    config = get_config([*_PLUGIN, *arguments])
    try:
        config.pluginmanager.consider_preparse([*_PLUGIN, *arguments], exclude_only=False)
        config.pluginmanager.load_setuptools_entrypoints("pytest11")
        return config._parser.parse_known_args(arguments)
    except pytest.UsageError as error:
        raise FinwaitError(str(error).rpartition("error: ")[2].partition("\n")[0], hint="finwait run --help") from error
    finally:
        config._ensure_unconfigure()
