"""What a path does to everything that a side sends, by the kernel's own queue."""

from __future__ import annotations

from abc import ABC

from harness.errors import Unsupported
from harness.path.rules import Side
from harness.path.ruling import Ruling, check_chance, plain_rules
from harness.program.recording import step
from harness.program.steps import PathRule
from harness.tcp.segment import check_range
from harness.tcp.timing import Time, span_of
from harness.trace.events import Timeline
from netns import netem
from netns.lab import PathLab
from netns.link import PATH_ENDS


class Impairing(Ruling, ABC):
    """States rules, and impairments of a lab's path."""

    _lab: PathLab
    _timeline: Timeline
    impaired = False
    """Whether the kernel's queue was told to, so that what it takes on the path is not the path's doing."""

    @step(PathRule)
    def impair(self, *, from_: str, delay: Time | None = None, loss: float = 0.0, bytes_per_second: int = 0) -> None:
        """Delay, lose or slow down everything that a side sends, with the kernel's netem.

        Without netem, the path itself can do one of the three.

        Args:
            from_: ``client`` or ``server``.
            delay: of every frame.
            loss: probability that a frame is dropped, 0 to 1.
            bytes_per_second: 0 for no limit.

        Raises:
            FinwaitError: one of them is out of its range.
            Unsupported: there is no netem, and more than one of the three is given.
        """
        side, late = Side(from_), span_of(delay or 0, "delay")
        check_chance("loss", loss)
        check_range("bytes_per_second", bytes_per_second, 63)
        device = PATH_ENDS[list(Side).index(side.other)]
        self._timeline.step(f"path: impair what comes from the {side}")
        try:
            netem.impair(self._lab.path, device, delay_ns=late.ns, loss=loss, bytes_per_second=bytes_per_second)
            self.impaired = True
        except Unsupported:
            wanted = plain_rules(side, late.ns, loss, bytes_per_second)
            if len(wanted) > 1:
                raise
            for rule in wanted:
                self.add(rule)
