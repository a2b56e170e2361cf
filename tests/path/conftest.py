"""Two real kernels with a path between them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.calibration import calibrate
from harness.duo import Duo, PathSession
from harness.timing import TimingProfile
from netns import privilege


@pytest.fixture(scope="session")
def profile() -> TimingProfile:
    """The machine's tolerances."""
    privilege.ensure()
    return calibrate()


@pytest.fixture
def two_kernels(profile: TimingProfile) -> Iterator[PathSession]:
    with PathSession(profile) as opened:
        yield opened


@pytest.fixture
def joined(two_kernels: PathSession) -> Duo:
    """A connection of the two."""
    return two_kernels.connect(two_kernels.listen())
