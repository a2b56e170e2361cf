"""What is asked of a kernel and what it replied, as records that may travel to other machines."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from harness.kernels.supply.spec import KernelKind, KernelSpec
from harness.mutation.runner import Plan
from harness.run.selection import select
from harness.tcp.timing import REAL_WAIT, SECOND

REAL_LIMIT = 900.0
"""Seconds of real time that one kernel gets for all its scenarios; more where each may wait longer for timers."""

VIRTUAL_LIMIT = 40 * 86400.0
"""Seconds of a virtual clock that it gets: each scenario waits for the next phase of the timer wheel, some for hours,
and one for the 24 days after which a connection's timestamps count no more (RFC 7323 5.5).

Below 49.7 days, where the kernel's clock of timestamps, which counts milliseconds, begins anew.
"""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A pytest for a kernel; it names no path of this machine.

    Args:
        kernel: what it is called.
        timing: the timing profile, as the option of that name takes it.
        arguments: for pytest; paths count from the checkout.
        outside: files and folders of them that are not part of the checkout, likewise.
        written: options of pytest that name a file to write, and the file that the user wants, likewise.
        part: which part of the selection, from 1 on, and of how many.
        costs: scenarios of it that cost more than others: how many usual ones each; the parts are of equal cost.
        plan: the mutations to make; empty for none.
        done: scenarios of the selection that have a result already, and are not run.
        real_limit: seconds of real time after which the kernel is called hung.
        virtual_limit: seconds of its own clock with the same effect, where that clock runs apart.
    """

    kernel: str
    timing: str
    arguments: tuple[str, ...]
    outside: tuple[str, ...] = ()
    written: tuple[tuple[str, str], ...] = ()
    part: tuple[int, int] = (1, 1)
    costs: Mapping[str, float] = {}
    plan: Plan = {}
    done: tuple[str, ...] = ()
    real_limit: float = REAL_LIMIT
    virtual_limit: float = VIRTUAL_LIMIT


class KernelReply(msgspec.Struct, frozen=True, kw_only=True):
    """The reply to a request.

    Args:
        status: pytest's exit status; None when the kernel did not finish.
        lost: why it did not finish, or was not begun; else empty.
        console: its last lines.
        seconds: of real time.
    """

    status: int | None = None
    lost: str = ""
    console: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def said(self) -> str:
        """The last line of a pytest that never got as far as a run folder."""
        lines = [line for line in self.console if line.strip()]
        return lines[-1].removeprefix("ERROR: ") if lines else ""


def ask(spec: KernelSpec, given: Sequence[str], checkout: Path) -> Request:
    """What a user gives pytest, as a request to a kernel.

    Args:
        spec: which kernel.
        given: for pytest, paths from the user's folder; none for all scenarios.
        checkout: the folder with pyproject.toml.

    Raises:
        FinwaitError: pytest does not take the arguments.
    """
    selection = select(given, checkout, start=checkout)
    return Request(
        kernel=spec.title,
        timing="virtual" if spec.kind is KernelKind.UML_VIRTUAL else "calibrated",
        arguments=selection.arguments,
        outside=tuple(os.path.relpath(path, checkout) for path in selection.outside),
        written=tuple((option, os.path.relpath(path, checkout)) for option, path in selection.written),
        real_limit=REAL_LIMIT * max(1.0, selection.real_wait * SECOND.ns / REAL_WAIT.ns),
    )
