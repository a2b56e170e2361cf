"""The process that forwards on a path: whom it serves, how it ends, and what it tells when frames were lost."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.live.kernel_pair import KernelPair
from harness.live.two_kernels import TwoKernelSession
from harness.path import path, process
from harness.tcp.timing import MS, TimingProfile

CHECKOUT = Path(__file__).parents[2]


def test_forwarder_that_was_killed_is_told(two_kernels: TwoKernelSession) -> None:
    forwarder = two_kernels.path.forwarder
    os.kill(forwarder.pid, signal.SIGKILL)
    with pytest.raises(FinwaitError, match="ended with status -9; it was killed"):
        two_kernels.path.settle()


def test_forwarder_serves_one_lab_after_the_other(two_kernels: TwoKernelSession, joined: KernelPair) -> None:
    pid = two_kernels.path.forwarder.pid
    joined.path.allow_rest()
    two_kernels.finish()
    taken = process.borrow()
    assert taken.pid == pid
    process.give_back(taken)


HOLD_A_PATH = """
import signal
from harness.live.two_kernels import TwoKernelSession
from harness.tcp.timing import TimingProfile
from netns import privilege
privilege.ensure()
with TwoKernelSession(TimingProfile()) as session:
    session.connect(session.listen())
    print(session.path.forwarder.pid, flush=True)
    signal.pause()
"""


def test_killed_session_leaves_no_forwarder() -> None:
    session = subprocess.Popen(
        [sys.executable, "-c", HOLD_A_PATH], env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, stdout=subprocess.PIPE
    )
    assert session.stdout is not None
    with session.stdout:
        forwarder = os.pidfd_open(int(session.stdout.readline()))
    session.kill()
    session.wait()
    assert select.select([forwarder], [], [], 60)[0], "the forwarder outlived its session"
    os.close(forwarder)


def test_capture_that_overflowed_is_told_by_name(profile: TimingProfile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(path, "_BUFFER", 4096)
    with TwoKernelSession(profile) as session:
        joined = session.connect(session.listen())
        joined.client.set_option("TCP_NODELAY", 1)
        os.kill(joined.path.forwarder.pid, signal.SIGSTOP)
        for _ in range(8):
            joined.client.send(bytes(1000))
        os.kill(joined.path.forwarder.pid, signal.SIGCONT)
        with pytest.raises(FinwaitError, match=r"the capture overflowed: \d+ frames were lost"):
            joined.path.watch(1000 * MS)
