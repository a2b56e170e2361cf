"""A machine that has everything, for tests that take one thing away."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.doctor import examine
from harness.machine import TRACEPOINTS, Finding, Machine
from netns.trial import Trial

GOOD_TRIAL = Trial(way="root", lab_seconds=0.005, congestion=["reno", "cubic", "bbr"], tcp_info=280)


def nothing(_: str) -> None:
    return None


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine that has everything, below a folder."""
    files = {
        "proc/sys/kernel/osrelease": "6.1.0-test\n",
        "proc/filesystems": "nodev\ttracefs\n",
        "proc/sys/user/max_user_namespaces": "96365\n",
        "dev/kvm": "",
    }
    for name, text in files.items():
        write(tmp_path / name, text)
    for name in TRACEPOINTS:
        (tmp_path / "sys/kernel/tracing/events" / name).mkdir(parents=True)
    environment = {"HOME": str(tmp_path)}
    return Machine(
        root=tmp_path,
        which=lambda name: f"/usr/bin/{name}",
        trial=lambda: GOOD_TRIAL,
        version=lambda name: f"{len(name)}.0",
        python=(3, 11, 2),
        user=1000,
        tick_seconds=lambda: 0.004,
        environment=environment.get,
    )


def write(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def finding(machine: Machine, what: str) -> Finding:
    (found,) = [finding for finding in examine(machine) if finding.what == what]
    return found
