"""The records that a run folder keeps: of the run, of each result, of each timeline. Pure.

Every record carries the format's version; readers refuse one they do not know instead of guessing.
"""

from __future__ import annotations

import zlib

import msgspec

from harness.program.steps import Program
from harness.tcp.timing import TimingProfile
from harness.tcp.verdict import Evidence, LabCondition
from harness.trace.events import Event

FORMAT = 2
"""Version of the records below; it grows when a reader of the old one would misread the new one."""


class TimelineRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a file below ``timelines/``: what happened in one scenario."""

    format: int = FORMAT
    scenario: str
    events: tuple[Event, ...]
    program: Program | None = None


class CodeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a file below ``code/``: how often a scenario reached what of the kernel's code.

    Args:
        scenario: its id.
        counts: gcov's data files of all objects, one behind the other, compressed by zlib; in all lines but the file's
            first, the bits in which they differ from the first's, which are few.
        objects: in the first line, the objects and the bytes of their data, the same for all lines.
    """

    scenario: str
    counts: bytes
    objects: tuple[tuple[str, int], ...] = ()

    def data(self, first: bytes = b"") -> bytes:
        """The data files.

        Args:
            first: those of the file's first line; none where this is it.
        """
        content = zlib.decompress(self.counts)
        return differing(content, first) if first else content


def differing(one: bytes, other: bytes) -> bytes:
    """The bits in which two contents of the same length differ."""
    return (int.from_bytes(one, "little") ^ int.from_bytes(other, "little")).to_bytes(len(one), "little")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``results.jsonl``.

    Args:
        scenario: the pytest node id, without the folder that pytest was started in.
        outcome: one of the four.
        answer: what the kernel answered where alternatives were declared, else empty.
        answer_ns: how long after its cause the decisive answer came.
        choices: all that the kernel answered where alternatives were declared, in order; silence by its clause.
        evidence: of what deviates, where an expectation was not met; its text is the message.
        message: the failure, the reason of a skip, or empty.
        params: the scenario's parameters by name.
        requirements: ids of the requirements the scenario is tied to.
        reports: the public reports that it rests on: URLs, CVEs, commits, bugs.
        fixed_by: the commit that fixes the deviation, where known.
        known: whether the deviation is known and lets the run pass.
        reason: why it is known, whether it passes or not; of what conforms, why that is wrong.
        digest: of the scenario's source, so that runs of different versions of it are never compared.
        seconds: of the kernel's clock, with lab and drain.
        host_seconds: from the timeline before it to its own, by the clock of the machine that keeps the folder: a
            guest's own may run apart; 0 where there was none before.
        costs: of ``seconds``, by part, in ns: lab, craft, kernel, match, write.
        received: the number of the last segment of the kernel's that the scenario judged, counted over all its
            connections from 1; what came after it and was allowed decides nothing.
        mutated: whether an answer was mutated before it was judged, so that this says nothing about the kernel.
        counters: what the kernel's TCP counters grew by, zeros left out.
        machine: who judged it, where a run was made by several.
        timeline: a file of the run folder; behind a colon the byte that the record begins with, where it holds several.
        capture: a file of the run folder.
    """

    scenario: str
    outcome: str
    answer: str = ""
    answer_ns: int = -1
    choices: tuple[str, ...] = ()
    message: str = ""
    evidence: Evidence | None = None
    params: dict[str, str] = {}
    requirements: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
    fixed_by: str = ""
    known: bool = False
    reason: str = ""
    digest: str = ""
    seconds: float = 0.0
    host_seconds: float = 0.0
    costs: dict[str, int] = {}
    received: int = 0
    mutated: bool = False
    counters: dict[str, int] = {}
    machine: str = ""
    timeline: str = ""
    capture: str = ""


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """``run.json``: on what the run was made, and which scenarios it was to run.

    A planned scenario without a result is ``lost``. ``conditions`` are those of a scenario that waits for no timer.
    """

    format: int = FORMAT
    id: str
    started: str
    kernel: str
    kernel_name: str
    machine: str
    versions: dict[str, str]
    preconditions: dict[str, str]
    missing: dict[str, str]
    conditions: tuple[LabCondition, ...] = ()
    timing: TimingProfile
    planned: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
