"""The lab that is tried in a process of its own."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

from netns import trial
from netns.trial import Trial, try_in_child


def _namespaces_here() -> list[str]:
    return [str((Path("/proc/self/ns") / name).readlink()) for name in ("net", "user")]


def test_a_lab_is_made_and_this_process_stays_where_it_is() -> None:
    before = _namespaces_here()
    found = try_in_child()
    assert found.error == ""
    assert found.way in {"root", "user namespace"}
    assert found.lab_seconds > 0
    assert found.stamps == found.sock_diag == ""
    assert found.tcp_info >= 104  # up to tcpi_total_retrans, as in every kernel since 2.6
    assert "reno" in found.congestion
    assert _namespaces_here() == before


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import absent_library", "ModuleNotFoundError: No module named 'absent_library'"),
        ("import os; os.abort()", "exit status -6"),
        ("print('[1]')", "exit status 0"),
        ("print('{\"unknown\": 1}')", "exit status 0"),
    ],
)
def test_whatever_ends_the_child_is_the_trials_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    _stand_in(tmp_path, monkeypatch, f"#!/bin/sh\nexec {shlex.join([sys.executable, '-c', program])}\n")
    assert try_in_child() == Trial(error=f"a lab could not be tried: {said}")


def test_a_child_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _stand_in(tmp_path, monkeypatch, "#!/bin/sh\nexec tail -f /dev/null\n")
    monkeypatch.setattr(trial, "_TRIAL_SECONDS", 0.1)
    assert "timed out" in try_in_child().error


def test_an_interpreter_that_may_not_be_started_is_an_error_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path))
    assert os.strerror(13) in try_in_child().error


def _stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    path = folder / "python"
    path.write_text(script)
    path.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(path))
