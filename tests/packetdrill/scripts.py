"""Runs a script on the real kernel, with a tolerance that no machine is too slow for."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.packetdrill.parser import parse
from harness.packetdrill.run import ScriptRun
from harness.tcp.verdict import Mismatch
from harness.trace.events import Timeline

SLACK = "1000000"  # us: how fast the machine is is not looked at


def run(text: str, folder: Path, **given: str) -> Timeline:
    """Run a script to its end; what happened."""
    options = {"tolerance_usecs": SLACK, **given}
    with ScriptRun(parse(text, "x.pkt"), folder / "x.pkt", text.splitlines(), options) as one:
        one.run()
        return one.timeline


def failure(text: str, folder: Path, **given: str) -> Mismatch:
    """How a script fails that has to."""
    with pytest.raises(Mismatch) as raised:
        run(text, folder, **given)
    return raised.value
