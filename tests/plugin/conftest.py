"""A pytest of its own for scenarios that a test writes, as a user would start it, and what it recorded."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[2]

HEAD = """
import os, pytest
from harness import *
from harness.errors import Unsupported

"""
FOUR = """
def test_conforms(established):
    server, peer = established
    server.send(b"x")
    peer.expect(ACK, seq=1, ack=1, data=b"x")

def test_deviates(established):
    server, peer = established
    server.send(b"x")
    peer.expect(ACK, seq=1, ack=1, data=b"y")

def test_unsupported(session):
    raise Unsupported("this kernel has no such thing", why="too old", hint="a newer one")

def test_lost(session):
    raise ZeroDivisionError("a bug in the scenario")
"""


# a module of the same name and text is imported again by each
SEVERAL = """
import json, sys
import pytest
for options in json.loads(sys.argv[1]):
    status = pytest.main(["-p", "harness.plugin.hooks", "--import-mode=importlib", *options])
    print("status", int(status), flush=True)
"""


@dataclass
class Ran:
    """What came of one pytest, and of its run folder."""

    status: int
    output: str
    folder: Path

    @property
    def results(self) -> dict[str, dict[str, Any]]:
        lines = (self.folder / "results.jsonl").read_text().splitlines()
        return {result["scenario"].partition("::")[2]: result for result in map(json.loads, lines)}

    @property
    def outcomes(self) -> dict[str, str]:
        return {name: result["outcome"] for name, result in self.results.items()}

    @property
    def record(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return content


RunScenarios = Callable[..., Ran]
RunSeveral = Callable[..., list[Ran]]


def _run(folder: Path, text: str, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    (folder / "test_s.py").write_text(HEAD + dedent(text))
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -ra --strict-markers -p no:cacheprovider\n")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    environment |= {"PYTHONPATH": str(CHECKOUT), "COLUMNS": "200"}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def run(tmp_path: Path) -> RunScenarios:
    """Write scenarios, run them with the options given, and give back what came of it."""

    def run_scenarios(text: str, *options: str, name: str = "run", within: Sequence[str] = ()) -> Ran:
        if not any(option.startswith("--run-dir") for option in options):
            options = (*options, f"--run-dir={tmp_path / 'a run'}")
        command = [sys.executable, "-m", "pytest", "-p", "harness.plugin.hooks", f"--run-name={name}", *options]
        ended = _run(tmp_path, text, [*within, *command])
        return Ran(ended.returncode, ended.stdout, tmp_path / "a run" / name)

    return run_scenarios


@pytest.fixture
def run_several(tmp_path: Path) -> RunSeveral:
    """The same for each of several sets of options, in one process: a short run spends its time on starting one."""

    def run_scenarios(text: str, *each: Sequence[str]) -> list[Ran]:
        names = [f"run{number}" for number in range(len(each))]
        where = [[f"--run-dir={tmp_path / 'a run'}", f"--run-name={name}"] for name in names]
        options = json.dumps([[*given, *ours] for given, ours in zip(each, where, strict=True)])
        ended = _run(tmp_path, text, [sys.executable, "-c", SEVERAL, options])
        *parts, rest = re.split(r"^status (\d+)\n", ended.stdout, flags=re.MULTILINE)
        assert (len(parts), rest) == (2 * len(each), ""), ended.stdout
        return [
            Ran(int(status), output, tmp_path / "a run" / name)
            for name, output, status in zip(names, parts[::2], parts[1::2], strict=True)
        ]

    return run_scenarios
