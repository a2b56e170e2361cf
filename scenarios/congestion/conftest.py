"""What scenarios about congestion ask for."""

from __future__ import annotations

import pytest

from harness import Session, Unsupported


@pytest.fixture
def steady(session: Session) -> None:
    """Round trips that are all alike, as only virtual time has them: by how long they take the kernel tells losses."""
    if not session.profile.virtual:
        raise Unsupported(
            "round trips are not all alike in real time",
            why="by how long they take the kernel tells what is lost (RFC 8985 6.2)",
            hint="finwait matrix --kernel uml-virtual:7.2",
        )
