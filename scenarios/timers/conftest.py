"""Scenarios about the kernel's timers, which ``waits`` leaves to the kernel."""

from __future__ import annotations

import pytest

from harness import Session, Span, Unsupported


@pytest.fixture
def first_rto(session: Session) -> Span:
    """The longest that the first retransmission timer of a connection may be."""
    return session.profile.first_rto()


@pytest.fixture
def virtual(session: Session) -> None:
    """A clock that stands still while a program runs: a timer is seen to be as long as it is."""
    if not session.profile.virtual:
        raise Unsupported(
            "a timer is not seen to be as long as it is in real time",
            why="the first round trip is the peer's own slowness, and the timer follows from it (RFC 6298 2.2)",
            hint="finwait matrix --kernel uml-virtual:7.2",
        )
