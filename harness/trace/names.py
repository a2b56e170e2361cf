"""What a scenario's id says: its file, its theme, its name in words, its parameters. Pure."""

from __future__ import annotations

import re
from pathlib import PurePath


def file_of(scenario: str) -> str:
    """The file that the scenario stands in; empty where the id names none."""
    return scenario.partition("::")[0] if "::" in scenario else ""


def theme_of(scenario: str) -> str:
    """The folder that the scenario's file lies in; the file's own name where the id names no folder."""
    file = PurePath(file_of(scenario))
    return file.parent.name or file.stem


def parameters(scenario: str) -> str:
    """What stands in the brackets of the id, without them."""
    return scenario.rstrip().removesuffix("]").partition("[")[2]


def in_words(scenario: str) -> str:
    """The requirement that the name states: ``test_fin_is_acknowledged[IPv4]`` is ``fin is acknowledged``."""
    name = scenario.partition("[")[0].rpartition("::")[2]
    return name.removeprefix("test_").replace("_", " ")


def in_any_run(message: str) -> str:
    """A message without what is another in each run: the folders of a path, and where an object lies in memory."""
    return re.sub(r"0x[0-9a-f]{6,}", "0x...", re.sub(r"(?<![\w.])(?:/[\w.+@~-]+)+/", ".../", message))
