"""Scenarios about the kernel's timers, which ``waits`` leaves to the kernel."""

from __future__ import annotations

import pytest

from harness import Session, Span


@pytest.fixture
def no_tail_loss_probe(session: Session) -> None:
    """The probe would come in place of the first retransmission, and the timer start again (RFC 8985 7.2, 7.3)."""
    session.sysctl("net/ipv4/tcp_early_retrans", 0)


@pytest.fixture
def first_rto(session: Session) -> Span:
    """The longest that the first retransmission timer of a connection may be."""
    return session.profile.first_rto()
