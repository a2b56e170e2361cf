"""What scenarios of several folders ask for."""

from __future__ import annotations

import pytest

from harness import Session


@pytest.fixture
def no_tail_loss_probe(session: Session) -> None:
    """The probe would come in place of the first retransmission, and the timer start again (RFC 8985 7.2, 7.3)."""
    session.sysctl("net/ipv4/tcp_early_retrans", 0)
