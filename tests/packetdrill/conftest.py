"""What a script on the real kernel takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.wire.capture import keep_stamping
from netns import privilege


@pytest.fixture(scope="session")
def stamped() -> Iterator[None]:
    """The right to namespaces, and frames with the kernel's own times."""
    privilege.ensure()
    with keep_stamping():
        yield
