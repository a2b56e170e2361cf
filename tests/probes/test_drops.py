"""Why a kernel drops: read of perf's records where it has perf events, else of the text of a tracefs instance."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from harness.probes import drops
from harness.probes.drops import Drops
from harness.probes.tracefs import Tracefs
from netns import privilege

MANY = 20
"""The kernel may leave what it receives to ksoftirqd, and not all of it."""


@pytest.fixture(scope="module", autouse=True)
def _as_root() -> None:
    privilege.ensure()


@pytest.fixture(params=["perf", "tracefs"])
def recording(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drops]:
    def without_perf(*_: object) -> None:
        raise OSError(errno.ENOSYS, "no perf events")

    if request.param == "tracefs":
        monkeypatch.setattr(drops, "Recorder", without_perf)
    with closing(Drops()) as made:
        if made.take() is None:
            pytest.skip("this kernel tells no reasons, before 5.17, or no tracepoints of it can be read")
        yield made


def test_reason_is_told_once(recording: Drops) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        for _ in range(MANY):
            with socket.socket() as client, pytest.raises(ConnectionRefusedError):
                client.connect(bound.getsockname())
    assert set(recording.take() or ()) == {"NO_SOCKET"}
    assert recording.take() == ()


def test_nothing_is_left_of_the_instance(recording: Drops) -> None:
    recording.close()
    tracefs = Tracefs()
    try:
        assert not [name for name in tracefs.names("instances") if name == f"finwait-{os.getpid()}"]
    finally:
        tracefs.close()
