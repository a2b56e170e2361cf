"""Who runs the programs of a search, and what of them is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harness.errors import FinwaitError
from harness.explore.attempt import Attempt
from harness.explore.reached import ReachedCode

Noticed = bytes | None
"""What one kernel noted of a program, in JSON; None where the program killed it, or ``UNKNOWN``."""

UNKNOWN = b""
"""What is noted where nothing was learnt of a program: machines died that ran it with others."""


class KernelsGone(FinwaitError):
    """Nobody can be asked any more; what was found until then counts."""


class Asked(Protocol):
    """A kernel that runs programs, as ``harness.explore.kernels.AskedKernel`` does.

    ``why_lost`` says of programs how the kernel died of them, ``code`` what a kernel that counts has reached.
    """

    why_lost: dict[Attempt, str]
    code: ReachedCode | None

    def ask(self, attempts: Sequence[Attempt], ignored: tuple[str, ...] = ()) -> list[Noticed]:
        """Have each program run, and what was noted."""

    def reboot(self) -> None:
        """Boot it anew before the next question."""

    def stop(self) -> None:
        """End what is being asked, from another thread."""
