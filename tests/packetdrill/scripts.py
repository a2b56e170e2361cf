"""Runs a script on the real kernel, with a tolerance that no machine is too slow for."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.packetdrill.parser import parse
from harness.packetdrill.run import ScriptRun
from harness.tcp.verdict import Mismatch
from harness.trace.events import Timeline

WHOLE = (Path(__file__).parents[2] / "benchmarks" / "script.pkt").read_text()
"""A connection from outside that is accepted, takes data and is closed."""

OPEN = WHOLE[: WHOLE.index("+0 write")]
"""Its beginning, until a socket has accepted it."""

LISTEN = WHOLE[: WHOLE.index("+0 < S")]
"""A socket that listens."""

CONNECTING = """\
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0 > S 0:0(0) <...>
"""
"""A connection to outside that nobody has answered."""

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
