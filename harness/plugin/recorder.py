"""Records scenarios, wherever they come from: a pytest item, a mutated one, a script, a program that was found.

Whoever runs one makes a ``Scenario`` of it, tells the recorder of each session that it opens, and how it ended while
they are still open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from harness.errors import FinwaitError, TooBusy, Unsupported
from harness.live.base_session import Account
from harness.model.requirements import load
from harness.plugin.addresses import without_addresses
from harness.plugin.mistakes import mistake, place
from harness.plugin.required import required
from harness.program.steps import Program
from harness.tcp.verdict import Due, Evidence, Mismatch, Outcome
from harness.trace.events import Timeline
from harness.trace.folder import RunFolder
from harness.trace.pcapng import pcapng
from harness.trace.records import Result, TimelineRecord
from harness.trace.stopwatch import Stopwatch
from netns.enter import Namespace

RECORDER = pytest.StashKey["ScenarioRecorder"]()
"""Where pytest's config has the recorder."""

_NEXT_LINE = "\n" + " " * 10  # below the text of a section, see Evidence


class Recordable(Protocol):
    """A lab with a scenario in it, as far as it is recorded; see ``BaseSession`` for what each gives."""

    timeline: Timeline
    stopwatch: Stopwatch

    @property
    def namespace(self) -> Namespace:
        """That of the kernel under test."""

    @property
    def missing(self) -> dict[str, str]:
        """The probes that this machine lacks, with the reason."""

    def finish(self) -> None:
        """Nothing may be left that the scenario did not mention."""

    def account(self) -> Account:
        """What the run folder keeps beside the timeline."""

    def program(self, failure: BaseException | None, outcome: str) -> Program | None:
        """What the scenario did, where that is no file of its own."""

    def explain(self, mismatch: Mismatch) -> None:
        """Put into a failure what is known; TooBusy where it says nothing of the kernel."""


@dataclass(slots=True)
class Scenario:
    """What is known of a scenario before it ran, and the sessions that it opened.

    ``place`` is the file and line where it begins, ``end`` its last.
    """

    id: str
    params: Mapping[str, str] = field(default_factory=dict)
    requirements: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
    fixed_by: str = ""
    digest: str = ""
    place: str = ""
    end: str = ""
    sessions: list[Recordable] = field(default_factory=list)

    def finish(self) -> None:
        """Nothing may be left that the scenario did not mention.

        Raises:
            Mismatch: something was.
        """
        try:
            for session in self.sessions:
                session.finish()
        except Mismatch as mismatch:
            mismatch.add(where=f"{self.end}, the end of the scenario" if self.end else "")
            raise


@dataclass(frozen=True, slots=True)
class ScenarioRecorder:
    """Makes a result of each scenario, and keeps its evidence.

    Args:
        folder: the run's.
        root: what places in a scenario are told from.
        captures: which are kept: ``none`` (nor timelines), ``deviating`` (all that do not conform) or ``all``.
        on_session: called when a scenario has opened one.
    """

    folder: RunFolder
    root: Path
    captures: str = "deviating"
    on_session: Callable[[Recordable], None] = lambda _: None

    def opened(self, scenario: Scenario, session: Recordable) -> None:
        """A scenario has its lab."""
        scenario.sessions.append(session)
        self.on_session(session)

    def ended(self, scenario: Scenario, error: BaseException | None, seconds: float) -> Result:
        """A scenario is over, and its sessions are still open; what is returned is for ``results.jsonl``.

        Args:
            scenario: which.
            error: what it raised, or None.
            seconds: how long it took.
        """
        outcome, message, evidence = self._judge(scenario, error)
        result = Result(
            scenario=scenario.id,
            outcome=outcome.value,
            message=message,
            evidence=evidence,
            params=dict(scenario.params),
            requirements=scenario.requirements,
            reports=scenario.reports,
            fixed_by=scenario.fixed_by,
            digest=scenario.digest,
            seconds=seconds,
        )
        return self._with_evidence(result, scenario, error) if scenario.sessions else result

    def _judge(self, scenario: Scenario, error: BaseException | None) -> tuple[Outcome, str, Evidence | None]:
        """The outcome that an exception (or its absence) stands for, what it says, and what it rests on."""
        if error is None:
            return Outcome.CONFORMS, "", None
        if isinstance(error, Unsupported | pytest.skip.Exception):
            return Outcome.UNSUPPORTED, str(error), None
        if isinstance(error, AssertionError | pytest.fail.Exception):
            try:
                told = self._explained(scenario, error)
            except TooBusy as busy:
                return self._judge(scenario, busy)
            return Outcome.DEVIATES, str(told), told.evidence if isinstance(told, Mismatch) else None
        found = None if isinstance(error, TooBusy) else mistake(error, self.root)
        if found or isinstance(error, FinwaitError):
            return Outcome.LOST, without_addresses(str(found or error)), None
        return Outcome.LOST, without_addresses(f"{type(error).__name__}: {error}"), None

    def _explained(self, scenario: Scenario, error: BaseException) -> BaseException:
        """A failure with what the kernel knew and what went before; an ``assert`` is what it expected itself."""
        if not scenario.sessions:
            return error
        where, text = place(error, self.root)
        if not isinstance(error, Mismatch):
            due = (Due(text),) if where else ()
            seen = without_addresses(str(error)).replace("\n", _NEXT_LINE)
            error = Mismatch(Evidence(expected=due, observed=seen, step=text))
        error.only(required(error))
        texts = {cited: load().text(cited) for cited in scenario.requirements}
        where = where or error.evidence.where or scenario.place
        requirements = tuple(f"{cited}  {text}".rstrip() for cited, text in texts.items())
        error.add(where=where, requirements=requirements, reports=scenario.reports)
        scenario.sessions[-1].explain(error)
        return error

    def _with_evidence(self, result: Result, scenario: Scenario, error: BaseException | None) -> Result:
        session = scenario.sessions[-1]
        account = session.account()
        with session.stopwatch.part("write"):
            timeline = capture = ""
            if self.captures != "none":
                program = session.program(error, result.outcome)
                record = TimelineRecord(scenario=scenario.id, events=tuple(session.timeline), program=program)
                timeline = self.folder.write_timeline(record)
            if self.captures == "all" or (self.captures != "none" and result.outcome != Outcome.CONFORMS):
                capture = self.folder.write_capture(scenario.id, pcapng(account.frames, scenario.id))
        replies = [reply for reply in account.replies if reply.name] or account.replies  # a declared choice tells more
        evidence = result.evidence
        if evidence and capture:
            evidence = msgspec.structs.replace(evidence, capture=capture)
        return msgspec.structs.replace(
            result,
            evidence=evidence,
            message=str(evidence) if evidence else result.message,
            answer=replies[-1].name if replies else "",
            answer_ns=replies[-1].elapsed_ns if replies else -1,
            choices=tuple(account.choices),
            host_seconds=self.folder.host_seconds if timeline else 0.0,
            costs=dict(session.stopwatch.spent),
            received=account.judged,
            mutated=account.mutated,
            counters=account.counters,
            timeline=timeline,
            capture=capture,
        )


def is_misuse(error: BaseException | None, root: Path) -> bool:
    """Whether the user or the machine is at fault, which is status 2."""
    if error is None or isinstance(error, Unsupported | AssertionError | pytest.skip.Exception | pytest.fail.Exception):
        return False
    return isinstance(error, FinwaitError) or mistake(error, root) is not None
