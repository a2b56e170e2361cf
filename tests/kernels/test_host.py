"""Jobs on the running kernel."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.kernels.boot.backend import Backend, Job
from harness.kernels.boot.host import Host
from tests.kernels.conftest import LimitAt


def python(code: str, folder: Path, **env: str) -> Job:
    return Job((sys.executable, "-c", code), folder, folder, env, real_limit=30)


def test_it_is_a_backend_that_is_always_there() -> None:
    backend: Backend = Host()
    assert backend.available() is None


def test_status_lines_and_files(tmp_path: Path) -> None:
    folder = tmp_path / "with a blank"
    folder.mkdir()
    seen: list[str] = []
    code = "import os, sys; print(os.environ['A'], os.getcwd()); open('made', 'w').close(); sys.exit(3)"
    run = Host().run(python(code, folder, A="b"), seen.append)
    assert (run.status, run.lost) == (3, None)
    assert run.console == (f"b {folder}",) == tuple(seen)
    assert [path.name for path in folder.iterdir()] == ["made"]


def test_environment_is_minimal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--something")
    run = Host().run(python("import os; print(*sorted(os.environ))", tmp_path))
    assert run.console == ("HOME LANG PATH TERM",)


def test_hung_job_is_lost(tmp_path: Path, limit_at: LimitAt) -> None:
    hangs = python("print('here', flush=True); __import__('signal').pause()", tmp_path)
    run = Host().run(hangs, limit_at("here"))
    assert run.status is None
    assert run.lost == "hung: not done after 30 s of real time; last line: here"


def test_bad_job_is_an_error_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(FinwaitError, match="cannot run"):
        Host().run(Job((os.fspath(tmp_path / "none"),), tmp_path, tmp_path))
