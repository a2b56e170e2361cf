"""What several of these tests need: a limit in real time that comes at a word, and a repository to fetch from."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness import process
from harness.kernels.supply.fetch import Source
from tests.kernels.repository import Mirror, make_key

WITH_CTRL_C = ("env", "--default-signal=INT")
"""Before a command that is to be interrupted: a shell starts what is to run in the background with SIGINT ignored."""

LimitAt = Callable[[str], Callable[[str], None]]


@pytest.fixture
def limit_at(monkeypatch: pytest.MonkeyPatch) -> LimitAt:
    """Make a console after whose line with that word the clock of all limits is a day ahead."""
    ahead = 0.0

    def console_for(word: str) -> Callable[[str], None]:
        def console(line: str) -> None:
            nonlocal ahead
            if line == word:
                ahead = 86400.0

        return console

    monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + ahead))
    return console_for


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, Path]]:
    """A GnuPG home and two keyrings: the right one and a stranger's."""
    home = tmp_path_factory.mktemp("g") / "home"
    home.mkdir(mode=0o700)
    try:
        right, wrong = make_key(home, "right"), make_key(home.parent, "wrong")
        yield home, right, wrong
    finally:
        for folder in (home, home.parent):
            subprocess.run(["gpgconf", "--homedir", str(folder), "--kill", "all"], check=True)


@pytest.fixture
def mirror(tmp_path: Path, keys: tuple[Path, Path, Path]) -> Mirror:
    root = tmp_path / "mirror"
    root.mkdir()
    settings = ('APT::Architecture "amd64";', 'Acquire::Retries "0";')
    return Mirror(root, keys[0], Source(f"file:{root}", keyring=keys[1], settings=settings))
