"""Runs a script on the real kernel, with a tolerance that no machine is too slow for."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.packetdrill.parser import parse
from harness.packetdrill.run import ScriptRun
from harness.tcp.verdict import Mismatch
from harness.trace.events import Timeline

LISTEN = """\
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
"""
"""A socket that listens."""

OPEN = (
    LISTEN
    + """\
+0 < S 0:0(0) win 32792 <mss 1000,nop,wscale 7>
+0 > S. 0:0(0) ack 1 <...>
+0 < . 1:1(0) ack 1 win 257
+0 accept(3, ..., ...) = 4
"""
)
"""A connection from outside that a socket has accepted."""

WHOLE = (
    OPEN
    + """\
+0 write(4, ..., 1000) = 1000
+0 > P. 1:1001(1000) ack 1
+0 < . 1:1(0) ack 1001 win 257
+0 close(4) = 0
+0 > F. 1001:1001(0) ack 1
+0 < F. 1:1(0) ack 1002 win 257
+0 > . 1002:1002(0) ack 2
"""
)
"""The whole of one."""

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
