"""Tells the command where the pytest that it calls kept its run."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.plugin.hooks import RUNNER
from harness.trace.folder import RUN
from harness.trace.runs import LoadedRun, load


class RunFolderFinder:
    """A plugin for one call of pytest."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Keep the folder; a session that lists scenarios alone has none."""
        runner = session.config.stash.get(RUNNER, None)
        self._folder = runner.folder.path if runner else None

    def runs(self) -> list[LoadedRun]:
        """The run; none where nothing was recorded."""
        return [load(self._folder)] if self._folder and (self._folder / RUN).exists() else []
