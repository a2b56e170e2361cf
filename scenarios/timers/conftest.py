"""Scenarios about the kernel's timers: nothing keeps them out here."""

from __future__ import annotations

import pytest


@pytest.fixture
def hold_timers() -> bool:
    """Not held."""
    return False
