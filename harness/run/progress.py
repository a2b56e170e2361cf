"""Shows, while several kernels run, how far each of them is. For the eye only: nothing is decided by it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from rich.console import Console


class Display:
    """Shows how far the kernels are: one changing line on a terminal, nothing elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("") if console.is_terminal else None
        self._last: dict[str, str] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def tell(self, name: str, text: str) -> None:
        """Take note of what became of a kernel last; called from several threads."""
        with self._lock:
            self._last[name] = text
            if self._status:
                self._status.update("   ".join(f"{name}: {last}" for name, last in self._last.items()))


class Watch:
    """Counts the results of a run while it goes on, for the eye only."""

    _EVERY_SECONDS = 0.2

    def __init__(self, results: Path, tell: Callable[[str], None]) -> None:
        self._results = results
        self._tell = tell
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        seen = 0
        while not self._over.wait(self._EVERY_SECONDS):
            try:
                count = self._results.read_bytes().count(b"\n")
            except OSError:
                continue
            if count != seen:
                seen = count
                self._tell(f"{count} scenarios judged")
