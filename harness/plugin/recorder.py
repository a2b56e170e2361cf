"""Turns what became of a scenario into its records in the run folder."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import msgspec
import pytest

from harness.errors import FinwaitError, Unsupported
from harness.live.session import Session
from harness.live.two_kernels import PathSession
from harness.tcp.verdict import Mismatch, Outcome
from harness.trace.folder import RunFolder
from harness.trace.pcapng import pcapng
from harness.trace.records import Result, TimelineRecord

AnySession = Session | PathSession
"""What a scenario works with: a peer and a kernel, or two kernels."""


@dataclass(slots=True)
class Scenario:
    """What is known of a scenario before it ran; its outcome starts as the bad one."""

    id: str
    params: Mapping[str, str]
    requirements: tuple[str, ...]
    fixed_by: str
    digest: str
    outcome: Outcome = Outcome.LOST
    message: str = "nothing was said"
    known: bool = False
    sessions: list[AnySession] = field(default_factory=list)


SCENARIO = pytest.StashKey[Scenario]()
"""Where a pytest item has its scenario."""


def scenario_of(item: pytest.Item) -> Scenario:
    """The scenario behind a pytest item."""
    callspec = getattr(item, "callspec", None)
    marks = list(item.iter_markers("requirement"))
    return Scenario(
        id=item.nodeid,
        params={name: shown(value) for name, value in (callspec.params if callspec else {}).items()},
        requirements=tuple(dict.fromkeys(str(one) for mark in marks for one in mark.args)),
        fixed_by=next((mark.kwargs["fixed_by"] for mark in marks if mark.kwargs.get("fixed_by")), ""),
        digest=_digest(getattr(item, "function", None)),
    )


@cache
def _digest(function: Callable[..., object] | None) -> str:
    # once a function: a table has a thousand items of one, and each search for its source reads the file anew
    source = inspect.getsource(function) if function else ""
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def shown(value: object) -> str:
    """A parameter as ids and tables show it: a function by its name."""
    return str(getattr(value, "__name__", value))


def classify(error: BaseException | None) -> tuple[Outcome, str]:
    """The outcome that an exception (or its absence) stands for, and what it says."""
    if error is None:
        return Outcome.CONFORMS, ""
    if isinstance(error, Unsupported | pytest.skip.Exception):
        return Outcome.UNSUPPORTED, str(error)
    if isinstance(error, AssertionError | pytest.fail.Exception):
        return Outcome.DEVIATES, str(error)
    if isinstance(error, FinwaitError):
        return Outcome.LOST, str(error)
    return Outcome.LOST, f"{type(error).__name__}: {error}"


def record(
    scenario: Scenario, folder: RunFolder, seconds: float, *, keep_capture: bool, keep_evidence: bool = True
) -> Result:
    """Write timeline and capture and give back the line for ``results.jsonl``.

    Captures are always kept for what did not conform, unless no evidence is to be kept at all.
    """
    result = Result(
        scenario=scenario.id,
        outcome=scenario.outcome.value,
        message=scenario.message,
        params=dict(scenario.params),
        requirements=scenario.requirements,
        fixed_by=scenario.fixed_by,
        known=scenario.known,
        digest=scenario.digest,
        seconds=seconds,
    )
    if not scenario.sessions:
        return result
    session = scenario.sessions[-1]
    account = session.account()
    with session.stopwatch.part("write"):
        timeline = capture = ""
        if keep_evidence:
            events = tuple(session.timeline)
            timeline = folder.write_timeline(TimelineRecord(scenario=scenario.id, events=events))
        if keep_evidence and (keep_capture or scenario.outcome is not Outcome.CONFORMS):
            capture = folder.write_capture(scenario.id, pcapng(account.frames, scenario.id))
    replies = [reply for reply in account.replies if reply.name] or account.replies  # a declared choice tells more
    return msgspec.structs.replace(
        result,
        answer=replies[-1].name if replies else "",
        answer_ns=replies[-1].elapsed_ns if replies else -1,
        choices=tuple(account.choices),
        costs=dict(session.stopwatch.spent),
        received=account.judged,
        mutated=account.mutated,
        counters=account.counters,
        timeline=timeline,
        capture=capture,
    )


def explain(scenario: Scenario, error: BaseException | None) -> None:
    """Let a mismatch say what the kernel knew, while the session is still there to ask."""
    if isinstance(error, Mismatch) and scenario.sessions:
        scenario.sessions[-1].explain(error)
