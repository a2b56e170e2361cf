"""Programs in a namespace: what becomes of their leash, and what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.live.command import Command
from harness.live.session import Session


def test_program_that_cannot_be_started_leaves_no_descriptor(opened: Session) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="Argument list too long"), Command(("true", "x" * (1 << 22)), opened.lab.kernel):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
