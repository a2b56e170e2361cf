"""Under sudo only what this run made is handed back, and nothing outside of the checkout is touched."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.trace.owner import hand_back_caches, hand_back_tree
from netns.enter import in_user_namespace

CALLER = 12345
real_root = pytest.mark.skipif(os.geteuid() != 0 or in_user_namespace(), reason="only root hands back")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of the caller's, in which root works by sudo."""
    made = tmp_path / "checkout"
    made.mkdir()
    if os.geteuid() == 0:
        os.chown(made, CALLER, CALLER)
    monkeypatch.setenv("SUDO_UID", str(CALLER))
    monkeypatch.setenv("SUDO_GID", str(CALLER))
    return made


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def of_the_caller(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.lstat().st_uid == CALLER}


@real_root
def test_caches_that_this_run_left_in_the_checkout_are_handed_back(checkout: Path) -> None:
    kept = {"__pycache__/a.pyc", ".venv/lib/x/__pycache__/b.pyc", ".pytest_cache/v/lastfailed", ".hypothesis/c/0"}
    for name in (*kept, "notes/of root", ".git/__pycache__/a.pyc"):
        touch(checkout / name)
    hand_back_caches(checkout, time.time() - 60)
    handed = of_the_caller(checkout)
    assert kept <= handed
    assert {name.partition("/")[0] for name in handed} == {"__pycache__", ".venv", ".pytest_cache", ".hypothesis"}
    assert ".venv" not in handed


@real_root
def test_cache_beside_a_scenario_outside_of_the_checkout_is_handed_back(checkout: Path) -> None:
    touch(checkout / "of root")
    (checkout / "test_it.py").write_text("def test_it():\n    pass\n")
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    env = ours | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "harness.plugin.hooks", f"--run-dir={checkout}", "."]
    subprocess.run(command, cwd=checkout, env=env, capture_output=True, check=True)
    handed = of_the_caller(checkout)
    assert ".pytest_cache/v/cache/nodeids" in handed
    assert {name.partition("/")[0] for name in handed} == {".pytest_cache"}


@real_root
def test_what_was_there_before_stays_whose_it_was(checkout: Path) -> None:
    touch(checkout / "__pycache__" / "a.pyc")
    hand_back_caches(checkout, time.time() + 60)
    assert of_the_caller(checkout) == set()


@real_root
def test_nothing_outside_of_the_checkout_is_touched(checkout: Path, tmp_path: Path) -> None:
    elsewhere = touch(tmp_path / "elsewhere" / "__pycache__" / "c.pyc")
    (checkout / "linked").symlink_to(elsewhere.parents[1])
    (checkout / "__pycache__").symlink_to(elsewhere.parent)
    (checkout / ".hypothesis").mkdir()
    (checkout / ".hypothesis" / "hard").hardlink_to(elsewhere)
    hand_back_caches(checkout, time.time() - 60)
    assert of_the_caller(tmp_path / "elsewhere") == set()


def test_nothing_is_handed_back_in_a_checkout_of_somebody_else(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(checkout / "__pycache__" / "a.cpython-311.pyc")
    monkeypatch.setenv("SUDO_UID", str(checkout.stat().st_uid + 1))
    monkeypatch.setattr(os, "chown", lambda *_, **__: pytest.fail("touched"))
    hand_back_caches(checkout, 0)


@real_root
def test_what_a_kernel_left_in_a_run_folder_is_handed_back(checkout: Path) -> None:
    touch(checkout / "run" / "timelines" / "a.json")
    touch(checkout / "beside")
    hand_back_tree(checkout / "run")
    assert of_the_caller(checkout) == {"run", "run/timelines", "run/timelines/a.json"}
