"""What of a kernel's code a scenario reached is counted from its first fixture to its last, and kept."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from harness.code.collecting import Reached, records
from harness.plugin.code_counting import CodeCounting
from harness.plugin.items import SCENARIO
from harness.plugin.recorder import Scenario
from harness.probes.code_counts import CodeCounts
from harness.trace.folder import RunFolder


class Counting:
    """Two objects with a count each."""

    objects = ("net/ipv4/tcp", "net/ipv6/tcp_ipv6")

    def __init__(self) -> None:
        self.counts = [7, 7]

    def reset(self) -> None:
        self.counts = [0, 0]

    def read(self) -> list[bytes]:
        return [bytes([count] * 3) for count in self.counts]


def test_each_scenario_has_its_own_counts(tmp_path: Path) -> None:
    kernel = Counting()
    counting = CodeCounting(cast(CodeCounts, kernel), RunFolder(tmp_path))
    for number, name in enumerate(("first", None, "second"), 1):
        item = SimpleNamespace(stash=pytest.Stash(), config=None)
        hook = counting.pytest_runtest_protocol(cast(pytest.Item, item))
        next(hook)
        kernel.counts[0] += number
        if name:
            item.stash[SCENARIO] = Scenario(name)
        with pytest.raises(StopIteration):
            hook.send(True)
    objects = (("net/ipv4/tcp", 3), ("net/ipv6/tcp_ipv6", 3))
    assert list(records(tmp_path)) == [
        Reached("first", b"\1\1\1\0\0\0", objects),
        Reached("second", b"\3\3\3\0\0\0", objects),
    ]
