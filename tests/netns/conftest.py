"""Processes of their own for what a process can do only once: enter a user namespace, lose its rights, be killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from netns import privilege
from netns.enter import in_user_namespace

CHECKOUT = Path(__file__).parents[2]
NOBODY = 65534

Python = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session", autouse=True)
def right_to_namespaces() -> str:
    return privilege.ensure()


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(CHECKOUT)}


def _run(argv: list[str], environment: dict[str, str], user: int | None = None) -> subprocess.CompletedProcess[str]:
    identity = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        argv, env=environment, cwd="/", capture_output=True, text=True, timeout=60, check=False, **identity
    )


def _skip_without_user_namespaces(tried: subprocess.CompletedProcess[str]) -> None:
    """Asks unshare(1), which knows nothing of what is tested here."""
    if tried.returncode != 0:
        pytest.skip(f"this machine has no user namespaces without root: {tried.stderr.strip()}")


@pytest.fixture
def own_user_namespace(environment: dict[str, str]) -> None:
    _skip_without_user_namespaces(_run(["unshare", "--user", "--map-root-user", "true"], environment))


@pytest.fixture
def python_without_rights(environment: dict[str, str]) -> Python:
    """Runs code without the capabilities that namespaces take."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("setpriv (util-linux) is missing")
    lost = "-sys_admin,-net_admin,-net_raw"
    command = [setpriv, "--bounding-set", lost, "--inh-caps", lost, "--"]
    _skip_without_user_namespaces(
        _run([*command, "unshare", "--user", "--map-root-user", "--net", "true"], environment)
    )
    return lambda code: _run([*command, sys.executable, "-c", code], environment)


@pytest.fixture
def python_of_nobody(environment: dict[str, str]) -> Python:
    """Runs code as an ordinary user of the machine."""
    if os.geteuid() != 0 or in_user_namespace():
        pytest.skip("only root can become somebody else")
    try:
        reachable = _run([sys.executable, "-c", "import netns.lab"], environment, NOBODY).returncode == 0
    except PermissionError:
        reachable = False
    if not reachable:
        pytest.skip(f"user {NOBODY} may not read {sys.executable} or {CHECKOUT}")
    _skip_without_user_namespaces(_run(["unshare", "--user", "--map-root-user", "--net", "true"], environment, NOBODY))
    return lambda code: _run([sys.executable, "-c", code], environment, NOBODY)
