"""Tells whether this machine gives a script's commands mounts of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

_MOUNTS = Path("/proc/self/mountinfo").read_text().splitlines()
own_mounts = pytest.mark.skipif(
    all(line.split()[4] != "/" for line in _MOUNTS), reason="a chroot gives a script's commands no mounts of their own"
)
"""Skips in a chroot, whose root is no mount that could be made private (mount(2), EINVAL)."""
