"""The marks that a scenario wears: the clause it checks, and the variants it runs in. Pure."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import FinwaitError
from harness.tcp.timing import Span


def requirement(*ids: str, fixed_by: str = "") -> pytest.MarkDecorator:
    """Tie a scenario to what it checks.

    Args:
        ids: such as ``RFC9293-3.10.7.4`` (a section) or ``RFC9293-E-17`` (a numbered requirement).
        fixed_by: the kernel commit that mends the deviation, where one is known; with ``--known-deviations`` a
            deviation of such a scenario is reported and passes.

    Raises:
        FinwaitError: an id is no text, as where the parentheses are missing.
    """
    if wrong := next((one for one in ids if not isinstance(one, str)), None):
        raise FinwaitError(
            f"{getattr(wrong, '__name__', wrong)!r} is no id of a requirement",
            why="the mark stands without its parentheses, or with something else in them",
            hint='@requirement("RFC9293-3.10.7.4")',
        )
    mark: Any = pytest.mark.requirement(*ids, fixed_by=fixed_by)
    decorated: pytest.MarkDecorator = mark
    return decorated


def waits(*spans: Span) -> pytest.MarkDecorator:
    """Say how long a scenario waits for timers in all.

    In real time one that waits for longer than ``--real-wait`` (``harness.tcp.timing.REAL_WAIT`` unless given) is
    unsupported, with that reason.
    """
    mark: Any = pytest.mark.waits(*spans)
    decorated: pytest.MarkDecorator = mark
    return decorated


both_families = pytest.mark.parametrize("ip_version", [4, 6], ids=["IPv4", "IPv6"])
"""Run over IPv4 and over IPv6."""

with_and_without_timestamps = pytest.mark.parametrize("timestamps", [True, False], ids=["TS", "noTS"])
"""Run with TCP timestamps and without."""

in_shared_lab = pytest.mark.usefixtures("shared_lab")
"""Run in a lab that the worker's other scenarios have before and after: for cells that must cost next to nothing."""

owned_and_orphaned = pytest.mark.parametrize("ownership", ["owned", "orphaned"])
"""Run with the socket owned by its process, and orphaned by close(2); see ``harness.live.states``."""

both_sides = pytest.mark.parametrize("opening", ["passively", "actively"])
"""Run with the kernel under test as server and as client; see ``harness.live.states``."""
