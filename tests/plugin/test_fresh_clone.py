"""The first command that people type, in a checkout where nothing ran before."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse
from harness.run.jobs import backend_of
from netns.enter import in_user_namespace

CALLER = 12345
CHECKOUT = Path(__file__).parents[2]
MADE = shutil.ignore_patterns("__pycache__", "runs", ".*")
ONE = ("scenarios/closing/test_disorder.py", "-k", "fin_overtaken_by_its_ack and close-IPv4")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of what there is to run, without what running left behind."""
    made = tmp_path / "a clone"
    for name in ("harness", "netns", "reports", "scenarios"):
        shutil.copytree(CHECKOUT / name, made / name, ignore=MADE)
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, made / name)
    return made


def finwait_run(clone: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """``finwait run`` as README has it, of one scenario."""
    return python(clone, "-m", "harness", "run", *ONE, "--known-deviations", *options)


def python(clone: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python in the clone, with nothing set that tests set for themselves."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "PYTHON"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=clone,
        env=inherited | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_first_run_in_a_fresh_clone_ends_without_a_warning(clone: Path) -> None:
    ran = finwait_run(clone)
    assert ran.returncode == 0, ran.stdout
    assert "finwait: " in ran.stdout
    assert "warning" not in ran.stdout.lower()


def test_a_checkout_where_pytest_can_keep_no_cache_is_no_failure(clone: Path, tmp_path: Path) -> None:
    (clone / ".pytest_cache").write_text("")  # a folder cannot be made here, not even by root
    ran = finwait_run(clone, f"--run-dir={tmp_path}")
    assert ran.returncode == 0, ran.stdout
    assert "Traceback" not in ran.stdout


@pytest.mark.skipif(os.geteuid() != 0 or in_user_namespace(), reason="only root hands back")
@pytest.mark.parametrize(
    "command",
    [
        ("pytest", "-q", *ONE),
        ("pytest", "--nosuch"),
        ("harness", "kernels", "list"),
        ("harness", "matrix", "--kernel=host", *ONE),
        ("harness", "matrix", "--kernel=uml:5.10", "--baseline=scenarios/baselines/linux.toml", *ONE),
    ],
    ids=["pytest", "pytest with a mistake", "kernels", "matrix", "matrix with a guest"],
)
def test_under_sudo_nothing_of_roots_is_left_in_the_callers_checkout(clone: Path, command: tuple[str, ...]) -> None:
    if "--kernel=uml:5.10" in command and (missing := backend_of(parse("uml:5.10"), Cache.of_user()).available()):
        pytest.skip(missing)
    for path in (clone, *clone.rglob("*")):
        os.chown(path, CALLER, CALLER)
    ran = python(clone, "-m", *command, SUDO_UID=str(CALLER), SUDO_GID=str(CALLER))
    assert ran.returncode == (4 if "--nosuch" in command else 0), ran.stdout
    assert [path for path in clone.rglob("*") if path.lstat().st_uid != CALLER] == []


def test_a_warning_of_a_library_fails_the_harness_s_own_tests() -> None:
    with pytest.raises(DeprecationWarning, match="mend me"):
        warnings.warn("mend me", DeprecationWarning, stacklevel=1)
