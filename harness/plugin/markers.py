"""The marks of a scenario: the clause it checks, the reports it rests on, its variants. Pure."""

from __future__ import annotations

import re
from typing import Any

import pytest

from harness.errors import FinwaitError
from harness.tcp.timing import Time, span_of

_SOURCE = re.compile(r"https?://\S+|CVE-\d{4}-\d{4,}|[0-9a-f]{8,40}|(?!CVE)[A-Za-z][\w.-]* #?\d+")


def requirement(*ids: str, fixed_by: str = "") -> pytest.MarkDecorator:
    """Name the clauses that a scenario checks.

    Args:
        ids: such as ``RFC9293-3.10.7.4`` (a section) or ``RFC9293-E-17`` (a numbered requirement).
        fixed_by: the kernel commit that removes the deviation, where one is known; a deviation of the scenario is
            then reported as a known defect, and passes with ``--known-deviations`` alone.

    Raises:
        FinwaitError: an id is not a text, for example because the parentheses are missing.
    """
    if wrong := next((one for one in ids if not isinstance(one, str)), None):
        raise FinwaitError(
            f"{getattr(wrong, '__name__', wrong)!r} is not the id of a requirement",
            why="the mark lacks its parentheses, or holds something else",
            hint='@requirement("RFC9293-3.10.7.4")',
        )
    mark: Any = pytest.mark.requirement(*ids, fixed_by=fixed_by)
    decorated: pytest.MarkDecorator = mark
    return decorated


def report(*sources: str) -> pytest.MarkDecorator:
    """Cite the public reports that a scenario rests on; they are told with its result.

    Args:
        sources: addresses (``https://...``), ``CVE-2019-11477``, commits of the kernel (``97a9063518f1``) or bugs by
            tracker and number (``bugzilla.kernel.org 65981``).

    Raises:
        FinwaitError: there is none, or one is nothing of the kind, for example because the parentheses are missing.
    """
    for one in sources or ("",):
        if not isinstance(one, str) or not _SOURCE.fullmatch(one):
            raise FinwaitError(
                f"{getattr(one, '__name__', one)!r} is no report",
                why="a report is a URL, a CVE, a commit of 8 to 40 hexadecimal digits, or a tracker and a number",
                hint='@report("CVE-2019-11477", "https://...", "bugzilla.kernel.org 65981")',
            )
    mark: Any = pytest.mark.report(*sources)
    decorated: pytest.MarkDecorator = mark
    return decorated


def waits(*spans: Time) -> pytest.MarkDecorator:
    """Say how long a scenario waits for the kernel's timers, in total; its lab holds none of them (docs/conditions.md).

    In real time, a scenario that waits longer than ``--real-wait`` (``harness.tcp.timing.REAL_WAIT`` unless given) is
    unsupported, with that reason.

    Raises:
        FinwaitError: there is none, or one is no length of time, for example because the parentheses are missing.
    """
    given: tuple[Any, ...] = spans or ("",)
    # a scenario that is taken for a time is told by its name
    mark: Any = pytest.mark.waits(*(span_of(getattr(one, "__name__", one), "waits") for one in given))
    decorated: pytest.MarkDecorator = mark
    return decorated


both_families = pytest.mark.parametrize("ip_version", [4, 6], ids=["IPv4", "IPv6"])
"""Run twice: over IPv4 and over IPv6."""

with_and_without_timestamps = pytest.mark.parametrize("timestamps", [True, False], ids=["TS", "noTS"])
"""Run twice: with TCP timestamps and without."""

in_shared_lab = pytest.mark.usefixtures("shared_lab")
"""Reuse a lab of earlier scenarios, which saves the time to build one: for the many small cells of a table."""

owned_and_orphaned = pytest.mark.parametrize("ownership", ["owned", "orphaned"])
"""Run twice: with the socket owned by its process, and orphaned by close(2)."""

both_sides = pytest.mark.parametrize("opening", ["passively", "actively"])
"""Run twice: with the kernel under test as server and as client."""
