"""Two real kernels with a path between them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.live.calibration import calibrate
from harness.live.kernel_pair import KernelPair
from harness.live.two_kernels import TwoKernelSession
from harness.tcp.timing import TimingProfile
from netns import privilege


@pytest.fixture(scope="session")
def profile() -> TimingProfile:
    """The machine's tolerances."""
    privilege.ensure()
    return calibrate()


@pytest.fixture
def two_kernels(profile: TimingProfile) -> Iterator[TwoKernelSession]:
    with TwoKernelSession(profile) as opened:
        yield opened


@pytest.fixture
def joined(two_kernels: TwoKernelSession) -> KernelPair:
    """A connection of the two."""
    return two_kernels.connect(two_kernels.listen())
