"""Shows that every scenario can fail: alters each of the kernel's answers, and names what no scenario noticed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console

from harness.errors import FinwaitError
from harness.rounds import ALTERED, Plan
from harness.runfolder import make_folder, write_whole
from harness.segment import SYN
from harness.tamper import KINDS
from harness.timeline import Event, Received, Result
from harness.verdict import Outcome
from reports.runs import LoadedRun, load

_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Mutations:
    """What came of altering answers.

    Args:
        planned: how many alterations were to be made.
        unnoticed: those after which the scenario conformed with the same answer as before, by altered id.
        missing: those that left no result, or came too late to alter anything.
        left_out: how many scenarios were not altered, since they did not conform by themselves.
    """

    planned: int
    unnoticed: tuple[str, ...]
    missing: tuple[str, ...]
    left_out: int

    @property
    def exit_status(self) -> int:
        """0 when every alteration was made and noticed."""
        return 1 if self.unnoticed or self.missing or not self.planned else 0


def numbers(result: Result, events: Iterable[Event]) -> range:
    """Which of the kernel's answers a scenario judged after the handshake, from 1 on; all where none came later."""
    received = [event for event in events if isinstance(event, Received)][: result.received]
    last = max((number for number, event in enumerate(received, 1) if event.segment.flags & SYN), default=0)
    return range(last + 1 if last < len(received) else 1, len(received) + 1)


def plan_of(run: LoadedRun, *, sample: int | None = None, seed: int = 0) -> Plan:
    """Every kind of tampering with every answer, of each scenario that conformed.

    Args:
        run: an ordinary one.
        sample: so many of them, chosen at random; None for all.
        seed: of the choice.
    """
    every = [
        (scenario, f"{kind}:{number}")
        for scenario, result in run.results.items()
        if result.outcome == Outcome.CONFORMS
        for number in numbers(result, run.timeline(result))
        for kind in KINDS
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
    """Which alterations nobody noticed.

    One is noticed when the scenario does not conform any more, or has taken another of the answers that it declares.
    """
    unnoticed, missing = [], []
    for scenario, several in plan.items():
        for text in several:
            altered = f"{scenario}{ALTERED}{text}"
            result = after.get(altered)
            if result is None or not result.tampered:
                missing.append(altered)
            elif result.outcome == Outcome.CONFORMS and (result.answer, result.choices) == (
                before[scenario].answer,
                before[scenario].choices,
            ):
                unnoticed.append(altered)
    left_out = sum(result.outcome != Outcome.CONFORMS for result in before.values())
    return Mutations(sum(map(len, plan.values())), tuple(unnoticed), tuple(missing), left_out)


def mutate(
    arguments: Sequence[str], checkout: Path, parent: Path, *, sample: int | None = None, seed: int = 0
) -> Mutations:
    """Run a selection once as it is and once with all alterations; the run folders lie together below ``parent``.

    Args:
        arguments: of pytest.
        checkout: where it runs.
        parent: where the folder is made.
        sample: see ``plan_of``.
        seed: see ``plan_of``.

    Raises:
        FinwaitError: the ordinary run left nothing behind.
    """
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    folder = make_folder(parent / f"mutate-{stamp}-{os.getpid()}").absolute()
    ordinary = _run(arguments, checkout, folder, "ordinary", [])
    plan = plan_of(ordinary, sample=sample, seed=seed)
    if not plan:
        return judge(plan, ordinary.results, {})
    path = folder / "plan.json"
    write_whole(path, msgspec.json.encode(plan))
    altered = _run(arguments, checkout, folder, "altered", ["--mutations", str(path), "--captures", "none"])
    return judge(plan, ordinary.results, altered.results)


def _run(arguments: Sequence[str], checkout: Path, folder: Path, name: str, more: Sequence[str]) -> LoadedRun:
    settings = [f"--rootdir={checkout}", f"--config-file={checkout / 'pyproject.toml'}", "-q", "--no-summary"]
    command = [sys.executable, "-m", "pytest", *settings, "--run-dir", str(folder), "--run-name", name]
    said = folder / f"{name}.txt"
    with said.open("wb") as output:
        subprocess.run([*command, *more, *arguments], cwd=checkout, stdout=output, stderr=output, check=False)
    try:
        return load(folder / name)
    except FinwaitError as error:
        last = (said.read_text(errors="replace").splitlines() or [""])[-1]
        raise FinwaitError(f"the {name} run left nothing behind ({last})", why=str(error)) from error


def present(found: Mutations, console: Console) -> None:
    """Print what was not noticed, and the sums."""
    for title, several in (("not noticed", found.unnoticed), ("not made", found.missing)):
        for altered in several[:_SHOWN]:
            console.print(f"{title}: {altered}", soft_wrap=True, markup=False)
        if len(several) > _SHOWN:
            kinds = Counter(altered.rpartition(ALTERED)[2].partition(":")[0] for altered in several)
            told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
            console.print(f"{title}: {len(several) - _SHOWN} more; in all {told}")
    noticed = found.planned - len(found.unnoticed) - len(found.missing)
    console.print(
        f"{noticed} of {found.planned} alterations noticed; "
        f"{found.left_out} scenarios left out that do not conform by themselves"
    )

