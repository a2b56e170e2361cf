"""Keeps what of a kernel's code each scenario reached, where the kernel counts that."""

from __future__ import annotations

import zlib
from collections.abc import Generator
from typing import Self

import pytest

from harness.plugin.ends import recording
from harness.plugin.items import SCENARIO
from harness.probes.code_counts import CodeCounts
from harness.trace.folder import RunFolder
from harness.trace.records import CodeRecord, differing


class CodeCounting:
    """Begins to count anew before each scenario's lab is asked for, and reads when it was let go.

    Args:
        counts: the kernel's.
        folder: the run's.
    """

    def __init__(self, counts: CodeCounts, folder: RunFolder) -> None:
        self._counts = counts
        self._folder = folder
        self._first = b""

    @classmethod
    def where_counted(cls, folder: RunFolder) -> Self | None:
        """None where the kernel does not count, or this user may not look."""
        try:
            return cls(CodeCounts(), folder)
        except OSError:
            return None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """A scenario, from its first fixture to its last."""
        self._counts.reset()
        done = yield
        if (scenario := item.stash.get(SCENARIO, None)) is None:
            return done
        contents = self._counts.read()
        data, objects = b"".join(contents), tuple[tuple[str, int], ...]()
        if self._first:
            data = differing(data, self._first)
        else:
            self._first, objects = data, tuple(zip(self._counts.objects, map(len, contents), strict=True))
        with recording(item.config):
            counts = zlib.compress(data, level=1)
            self._folder.append_code(CodeRecord(scenario=scenario.id, counts=counts, objects=objects))
        return done

    def pytest_sessionfinish(self) -> None:
        """Let go of the counts."""
        self._counts.close()
