"""A lab that is tried in a process of its own, and the result.

A process of its own, because entering a user namespace cannot be undone, and because whatever goes wrong there (a
library that is missing, say) is a finding and no failure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

_TRIAL_SECONDS = 30.0


@dataclass
class Trial:
    """The result. A text that says why is empty where the thing works.

    Args:
        error: why there is no lab at all; the rest says nothing then.
        way: ``root`` or ``user namespace``.
        lab_seconds: how long the lab took.
        not_pinned: sysctls that could not be pinned, with the reason.
        ipv6: why there is none.
        congestion: the congestion controls that are loaded.
        sock_diag: why sockets cannot be listed.
        tcp_info: how many bytes the kernel tells about a connection.
        stamps: why a frame gets no kernel timestamp in nanoseconds.
    """

    error: str = ""
    way: str = ""
    lab_seconds: float = 0.0
    not_pinned: dict[str, str] = field(default_factory=dict)
    ipv6: str = ""
    congestion: list[str] = field(default_factory=list)
    sock_diag: str = ""
    tcp_info: int = 0
    stamps: str = ""


def try_in_child() -> Trial:
    """Make a lab in a process of its own; whatever ends that process is the trial's error."""
    root = str(Path(__file__).parents[1])
    try:
        child = subprocess.run(
            [sys.executable, "-m", "netns.attempt"],
            env={**os.environ, "PYTHONPATH": root},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Trial(error=f"a lab could not be tried: {error}")
    try:
        return Trial(**json.loads(child.stdout))
    except (ValueError, TypeError):
        last = child.stderr.strip().splitlines()[-1:] or [f"exit status {child.returncode}"]
        return Trial(error=f"a lab could not be tried: {last[0]}")
