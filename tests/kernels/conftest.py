"""A limit in real time that comes when a command has said its word, however long it took to get there."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from harness import process

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
