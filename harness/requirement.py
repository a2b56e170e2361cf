"""The tie between a scenario and the clause it checks. Pure."""

from __future__ import annotations

from typing import Any

import pytest


def requirement(*ids: str, fixed_by: str = "", reason: str = "") -> pytest.MarkDecorator:
    """Mark a scenario with the requirements it checks.

    Args:
        ids: such as ``RFC9293-3.10.7.4`` (a section) or ``RFC9293-MUST-59`` (a numbered requirement).
        fixed_by: the kernel commit that mends the deviation, where one is known; ``make test`` reports a
            deviation of such a scenario and passes.
        reason: one line on why a deviation is one, shown with it.
    """
    mark: Any = pytest.mark.requirement(*ids, fixed_by=fixed_by, reason=reason)
    decorated: pytest.MarkDecorator = mark
    return decorated
