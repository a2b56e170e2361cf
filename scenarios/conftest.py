"""What scenarios of several folders ask for."""

from __future__ import annotations

import pytest

from harness import Session, Unsupported


@pytest.fixture
def no_tail_loss_probe(session: Session) -> None:
    """The probe would come in place of the first retransmission, and the timer start again (RFC 8985 7.2, 7.3)."""
    session.sysctl("net/ipv4/tcp_early_retrans", 0)


@pytest.fixture
def virtual(session: Session) -> None:
    """A clock that stands still while a program runs: a timer is seen to be as long as it is."""
    if not session.profile.virtual:
        raise Unsupported(
            "a timer is not seen to be as long as it is in real time",
            why="the first round trip is the peer's own slowness, and the timer follows from it (RFC 6298 2.2)",
            hint="finwait matrix --kernel uml-virtual:7.2",
        )
