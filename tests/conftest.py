"""Real labs for the harness's own tests.

Not the fixtures that scenarios use: what takes those is a scenario, is recorded, and counts as one.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from harness.live.calibration import calibrate
from harness.live.session import Connection, Session
from harness.tcp.timing import TimingProfile
from harness.trace.records import RunRecord

# How long an example takes says how busy the machine is, and nothing about the code. The same examples each time: a
# change is not blamed for what it did not break. `make nightly` looks for new ones.
settings.register_profile("finwait", deadline=None, derandomize=True, database=None)
settings.register_profile("nightly", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile("nightly" if "FINWAIT_NIGHTLY" in os.environ else "finwait")

os.environ.pop("COLUMNS", None)  # how wide the terminal is in which they run is no part of the tests

collect_ignore_glob = ["data/*"]  # scripts there are what tests read, and not what they judge a kernel by


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A library's warning is ours to mend before it turns into a failure; whoever tests a kernel has no part in it."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.filterwarnings("error"), append=False)


def run_record(**fields: Any) -> RunRecord:  # noqa: ANN401  (fields of a record)
    """What a run says of itself, where a test is about something else of it."""
    plain: dict[str, Any] = {
        "id": "run",
        "started": "2026-11-20T06:39:06Z",
        "kernel": "6.18.0",
        "kernel_name": "host",
        "machine": "x86_64",
        "versions": {},
        "preconditions": {},
        "missing": {},
        "timing": TimingProfile(),
    }
    return RunRecord(**plain | fields)


@pytest.fixture(scope="session")
def profile() -> TimingProfile:
    """The tolerances of this machine."""
    return calibrate()


@pytest.fixture(params=[4, 6], ids=["IPv4", "IPv6"])
def version(request: pytest.FixtureRequest) -> int:
    chosen: int = request.param
    if chosen == 6:
        try:
            socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
        except OSError as error:
            pytest.skip(f"this kernel has no IPv6 ({error.strerror})")
    return chosen


@pytest.fixture
def opened(profile: TimingProfile) -> Iterator[Session]:
    """A lab over IPv4 with nothing in it yet."""
    with Session(profile) as session:
        yield session


@pytest.fixture
def conversation(opened: Session) -> Connection:
    """A server of the kernel's and the peer that has connected to it."""
    return opened.establish(opened.listen())
