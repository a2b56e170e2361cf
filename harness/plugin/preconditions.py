"""What a run was made on: probed, never guessed from a version number."""

from __future__ import annotations

import gzip
import os
import platform
import socket
import time
from importlib.metadata import version
from pathlib import Path

from harness import __version__
from harness.live.base_session import BaseSession
from harness.live.pinned import shown
from harness.tcp.verdict import LabCondition
from netns import sysctls
from netns.conditions import TABLE, Kind, Settings, in_effect, values
from netns.enter import Namespace

_LIBRARIES = ("scapy", "pytest", "pyroute2", "netaddr", "msgspec")


def kernel() -> str:
    """The release and the build of the running kernel."""
    return f"{platform.release()} {os.uname().version}"


def versions() -> dict[str, str]:
    """Python and the libraries that take part."""
    return {"finwait": __version__, "python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}


def clock_tick() -> str:
    """HZ from the kernel's own configuration where it shows it, else ``unknown``."""
    candidates = (Path("/proc/config.gz"), Path(f"/boot/config-{platform.release()}"))
    for path in candidates:
        try:
            content = path.read_bytes()
        except OSError:
            continue
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
        for line in text.splitlines():
            if line.startswith("CONFIG_HZ="):
                return line.partition("=")[2]
    return "unknown"


def gather(kernel: Namespace) -> dict[str, str]:
    """What scenarios may depend on, as it is in a lab's kernel: pinned sysctls, congestion control, tick, queue."""
    with kernel.entered():
        found = {name: sysctls.read(name) or "absent" for name in values(TABLE, Kind.SYSCTL)}
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            control = probe.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    found["congestion control"] = control.rstrip(b"\0").decode()
    found["HZ"] = clock_tick()
    found["rights"] = "root" if os.getuid() == 0 else "user namespace"
    return found


def pinned(session: BaseSession, settings: Settings) -> tuple[LabCondition, ...]:
    """What labs with one kernel have otherwise than a kernel as it is released."""
    return shown(row for row in in_effect(settings) if row.name not in session.lab.not_pinned)


def now() -> str:
    """The time in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def machine() -> str:
    """Its architecture and how many processors the run may use."""
    return f"{platform.machine()}, {len(os.sched_getaffinity(0))} processors"
