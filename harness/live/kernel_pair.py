"""A connection between two kernels, as a scenario holds it."""

from __future__ import annotations

from typing import NamedTuple

from harness.live.endpoint import Endpoint
from harness.path.path import Path


class KernelPair(NamedTuple):
    """The two ends of a connection between two kernels, and the path between them."""

    client: Endpoint
    server: Endpoint
    path: Path
