"""Shows that every scenario can fail: mutates each of the kernel's answers, and names what no scenario noticed."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
from rich.console import Console

from harness.errors import FinwaitError
from harness.kernels.supply.spec import KernelSpec
from harness.mutation.runner import MUTATED, Plan
from harness.run.jobs import Task
from harness.run.parts import ask_in_parts
from harness.run.request import REAL_LIMIT, VIRTUAL_LIMIT, KernelReply, Request, ask
from harness.run.resume import RunAsked, run_folder
from harness.run.workers import Opener
from harness.tcp.mutation import KINDS, OF_NO_ACCOUNT
from harness.tcp.segment import SYN
from harness.tcp.timing import PHASE_NS, SECOND
from harness.tcp.verdict import Outcome
from harness.trace.events import Event, Forwarded, Received
from harness.trace.folder import RUN
from harness.trace.records import Result
from harness.trace.runs import LoadedRun, load

JUDGES_NOTHING = "conforms, but judges no answer"
ALLOWS_AN_EXCHANGE = "allows segments on a path whatever their numbers, and these are not mutated"
"""Why scenarios that conformed are left out, wholly or in part."""
_SHOWN = 50
_MUTATED_RUN = "mutated-"

_MUTATIONS_EACH = 6_000  # pytest keeps some 10 kB of each to its end, and a guest with 256 MB must not come near
_USUAL_SECONDS = 0.02  # where nothing was measured
_SECONDS_A_MUTATION = 0.5  # of real time, where all goes well a tenth of it
_SECONDS_EACH = 0.8 * VIRTUAL_LIMIT
_PHASE_SECONDS = PHASE_NS / 1e9  # what a scenario of a timer waits at most before it begins


@dataclass(frozen=True, slots=True)
class Mutations:
    """The results of mutating answers.

    Args:
        planned: how many mutations were to be made.
        unnoticed: those after which the scenario conformed with the same answer as before, by mutated id.
        missing: those that left no result, or came too late to mutate anything.
        left_out: see ``left_out``.
        lost: why runs did not come to their end, a line each.
    """

    planned: int
    unnoticed: tuple[str, ...]
    missing: tuple[str, ...]
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lost: tuple[str, ...] = ()

    @property
    def exit_status(self) -> int:
        """0 when every mutation was made and noticed."""
        return 1 if self.unnoticed or self.missing or not self.planned else 0


def numbers(result: Result, events: Iterable[Event]) -> range:
    """Which of the kernel's answers a scenario judged after the handshake, from 1 on; all where none came later.

    Where both ends are kernels, the answers are all segments that came to the path between them.
    """
    received = [event for event in events if isinstance(event, Received | Forwarded)][: result.received]
    last = max((number for number, event in enumerate(received, 1) if event.segment.flags & SYN), default=0)
    return range(last + 1 if last < len(received) else 1, len(received) + 1)


def mutations_of(result: Result, events: Sequence[Event]) -> Iterator[str]:
    """All that can be done to a scenario's answers: ``KIND:NUMBER``.

    A segment that no step of it was about is one that it allows; on a path whatever its numbers, since two applications
    decide in how many segments their bytes travel.
    """
    received = [event for event in events if isinstance(event, Received | Forwarded)]
    for number in numbers(result, events):
        event = received[number - 1]
        if event.step or isinstance(event, Received):
            yield from (f"{kind}:{number}" for kind in KINDS if event.step or kind not in OF_NO_ACCOUNT)


def plan_of(run: LoadedRun, *, sample: int | None = None, seed: int = 0) -> Plan:
    """Every kind of mutation of every answer, of each scenario that conformed.

    Args:
        run: an ordinary one.
        sample: so many of them, chosen at random; None for all.
        seed: of the random sample.
    """
    every = [
        (scenario, text)
        for scenario, result in run.results.items()
        if result.outcome == Outcome.CONFORMS
        for text in mutations_of(result, run.timeline(result))
    ]
    chosen = every
    if sample is not None and sample < len(every):
        kept = sorted(random.Random(seed).sample(range(len(every)), sample))
        chosen = [every[number] for number in kept]
    plan: dict[str, tuple[str, ...]] = {}
    for scenario, text in chosen:
        plan[scenario] = (*plan.get(scenario, ()), text)
    return plan


def judge(plan: Plan, before: Mapping[str, Result], after: Mapping[str, Result]) -> Mutations:
    """Which mutations nobody noticed.

    One is noticed when the scenario does not conform any more, or has taken another of the answers that it declares.
    """
    unnoticed, missing = [], []
    for scenario, several in plan.items():
        for text in several:
            mutated = f"{scenario}{MUTATED}{text}"
            result = after.get(mutated)
            if result is None or not result.mutated:
                missing.append(mutated)
            elif result.outcome == Outcome.CONFORMS and (result.answer, result.choices) == (
                before[scenario].answer,
                before[scenario].choices,
            ):
                unnoticed.append(mutated)
    return Mutations(sum(map(len, plan.values())), tuple(unnoticed), tuple(missing))


def left_out(run: LoadedRun) -> dict[str, tuple[str, ...]]:
    """The scenarios of an ordinary run in which nothing, or not every answer, is mutated, by reason."""
    reasons: dict[str, tuple[str, ...]] = {}
    for scenario, result in run.results.items():
        if result.outcome != Outcome.CONFORMS:
            reason = f"{result.outcome} without a mutation"
        elif not result.received:
            reason = JUDGES_NOTHING
        elif any(isinstance(event, Forwarded) and not event.step for event in run.timeline(result)):
            reason = ALLOWS_AN_EXCHANGE
        else:
            continue
        reasons[reason] = (*reasons.get(reason, ()), scenario)
    return reasons


def parts_of(plan: Plan, before: Mapping[str, Result], workers: int) -> list[Plan]:
    """The plan in pieces that one kernel each can go through, of about equal cost, in the order of the scenarios.

    Args:
        plan: all of it.
        before: how the scenarios went as they are: a mutated one takes as long.
        workers: how many kernels run at a time.
    """
    costs = {scenario: round((before[scenario].host_seconds or _USUAL_SECONDS) * SECOND.ns) for scenario in plan}
    total = sum(costs[scenario] * len(several) for scenario, several in plan.items())
    parts: list[Plan] = []
    part: dict[str, tuple[str, ...]] = {}
    worker, count, seconds, spent = -1, 0, 0.0, 0
    for scenario, several in plan.items():
        for text in several:
            takes = before[scenario].seconds + _PHASE_SECONDS * (before[scenario].seconds >= 1)
            turn = spent * workers // total
            if turn != worker or count == _MUTATIONS_EACH or seconds + takes > _SECONDS_EACH:
                parts.append(part := {})
                worker, count, seconds = turn, 0, 0.0
            part[scenario] = (*part.get(scenario, ()), text)
            count, seconds, spent = count + 1, seconds + takes, spent + costs[scenario]
    return parts


@dataclass(frozen=True, slots=True)
class Mutator:
    """Mutates the answers of one kernel.

    Args:
        spec: which kernel; its files are in the cache.
        checkout: the folder with pyproject.toml.
        open_workers: brings whoever is asked.
    """

    spec: KernelSpec
    checkout: Path
    open_workers: Opener

    def mutate(
        self, arguments: Sequence[str], folder: Path, *, sample: int | None = None, seed: int = 0, resume: bool = False
    ) -> Mutations:
        """Run a selection once as it is and once with all mutations; a new folder is made of ``folder``.

        Args:
            arguments: of pytest; none for all scenarios.
            folder: for the run folders of both.
            sample: see ``plan_of``.
            seed: see ``plan_of``.
            resume: whether the folder is that of a run that ended early, of which only the rest is asked.

        Raises:
            FinwaitError: a run left nothing behind, or the folder cannot be gone on with.
        """
        asked = RunAsked.of(f"mutate --sample={sample} --seed={seed}", [self.spec], arguments)
        with run_folder(folder, asked, again=resume) as output, self.open_workers(output) as workers:
            whole = Task(self.spec, output / "ordinary", ask(self.spec, arguments, self.checkout))
            (replies,) = ask_in_parts(workers, [whole], workers.at_once, more=True)
            ordinary, lost = _left(whole.folder, replies), _lost(whole.folder, replies)
            plan = plan_of(ordinary, sample=sample, seed=seed)
            before = _earlier(output)
            results = {name: one for path in before for name, one in load(path).results.items()}
            parts = parts_of(_without(plan, results), ordinary.results, workers.at_once)
            first = 1 + max((int(path.name.rpartition("-")[2]) for path in before), default=-1)
            tasks = [
                Task(self.spec, output / f"{_MUTATED_RUN}{number}", self._request(part, arguments))
                for number, part in enumerate(parts, first)
            ]
            for task, reply in zip(tasks, workers.ask(tasks), strict=True):
                results |= _left(task.folder, [reply]).results
                lost += _lost(task.folder, [reply])
        found = judge(plan, ordinary.results, results)
        return replace(found, left_out=left_out(ordinary), lost=tuple(lost))

    def _request(self, part: Plan, arguments: Sequence[str]) -> Request:
        return msgspec.structs.replace(
            ask(self.spec, ("--captures=none", *arguments), self.checkout),
            plan=part,
            real_limit=REAL_LIMIT + _SECONDS_A_MUTATION * sum(map(len, part.values())),
        )


def _earlier(output: Path) -> list[Path]:
    """The mutated runs that a try that ended early left; those that never began are removed."""
    begun = []
    for path in output.glob(f"{_MUTATED_RUN}*[0-9]"):
        if (path / RUN).is_file():
            begun.append(path)
        else:
            shutil.rmtree(path)
    return begun


def _without(plan: Plan, results: Mapping[str, Result]) -> Plan:
    """What of a plan has no result yet."""
    rest = {
        scenario: tuple(text for text in several if f"{scenario}{MUTATED}{text}" not in results)
        for scenario, several in plan.items()
    }
    return {scenario: several for scenario, several in rest.items() if several}


def _left(folder: Path, replies: Sequence[KernelReply]) -> LoadedRun:
    try:
        return load(folder)
    except FinwaitError as error:
        why = "; ".join(dict.fromkeys(reply.lost or reply.said for reply in replies))
        raise FinwaitError(f"the {folder.name} run left no results ({why})", why=str(error)) from error


def _lost(folder: Path, replies: Sequence[KernelReply]) -> list[str]:
    """Why it did not come to its end."""
    return list(dict.fromkeys(f"{folder.name}: {reply.lost}" for reply in replies if reply.lost))


def present(found: Mutations, console: Console) -> int:
    """Print what was not noticed, and the sums; the exit status."""
    for line in found.lost:
        console.print(f"lost: {line}", soft_wrap=True, markup=False)
    for title, several in (("not noticed", found.unnoticed), ("not made", found.missing)):
        for mutated in several[:_SHOWN]:
            console.print(f"{title}: {mutated}", soft_wrap=True, markup=False)
        if len(several) > _SHOWN:
            kinds = Counter(mutated.rpartition(MUTATED)[2].partition(":")[0] for mutated in several)
            told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
            console.print(f"{title}: {len(several) - _SHOWN} more; in total {told}")
    noticed = found.planned - len(found.unnoticed) - len(found.missing)
    console.print(f"{noticed} of {found.planned} mutations noticed")
    for reason, scenarios in found.left_out.items():
        console.print(f"left out: {len(scenarios)} ({reason})")
        for scenario in scenarios[:_SHOWN]:
            console.print(f"  {scenario}", soft_wrap=True, markup=False)
        if len(scenarios) > _SHOWN:
            console.print(f"  and {len(scenarios) - _SHOWN} more")
    return found.exit_status
