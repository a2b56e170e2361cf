"""Scenarios about the kernel's timers, which ``waits`` leaves to the kernel."""

from __future__ import annotations

import pytest

from harness import Session, Span


@pytest.fixture
def first_rto(session: Session) -> Span:
    """The longest that the first retransmission timer of a connection may be."""
    return session.profile.first_rto()
