"""``python -m benchmarks.roundtrip``: scenarios' own captures are imported and tried on the kernel that made them.

Scenarios are drawn by a seed, evenly from all files. Of each that has one connection, every hypothesis that ``finwait
import --reproduce`` makes of its capture is run once on the same kernel, which is booted once.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import NamedTuple, TypeVar

from rich.console import Console

from harness.capture.conversation import Conversations, Sighting
from harness.capture.near import near_side
from harness.capture.reading import read
from harness.capture.story import Story
from harness.capture.trying import Hypothesis, hypotheses
from harness.cli.import_capture import MOST_FRAMES
from harness.cli.import_programs import AskedForPrograms
from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelSpec, parse
from harness.program.steps import Call, Program
from harness.run.matrix import run_with
from harness.run.workers import Workers
from harness.tcp.timing import DAY, REAL_WAIT
from harness.tcp.verdict import Outcome
from harness.trace.folder import make_folder
from harness.trace.records import Result
from harness.trace.runs import LoadedRun

CHECKOUT = Path(__file__).resolve().parent.parent
EACH = 40
"""Captures whose programs are asked for together: a guest's memory does not hold those of thousands."""

_MOST_SAID = 200
"""Characters of what came instead."""

Item = TypeVar("Item")


class Taken(NamedTuple):
    """The only connection of a scenario's capture.

    Args:
        scenario: whose.
        unseen: what the scenario called that no hypothesis has.
        found: what may have happened.
        told: whether the capture alone says which side is the kernel's; else it was named, as by --endpoint.
    """

    scenario: str
    unseen: tuple[str, ...]
    found: tuple[Hypothesis, ...]
    told: bool


class Ended(NamedTuple):
    """Whether a capture's answers came again; if not, what the hypothesis that came farthest saw."""

    taken: Taken
    reproduced: bool
    instead: str = ""


def main() -> int:
    """Measure and print; 1 where fewer came again than are asked for, 2 for a run that never was."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roundtrip", description=__doc__)
    parser.add_argument("--kernel", default="uml-virtual:7.2", metavar="NAME")
    parser.add_argument("--sample", type=int, default=240, metavar="N", help="how many are drawn; 0 for all [240]")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the draw [1]")
    parser.add_argument("--goal", type=float, default=95, metavar="PERCENT", help="that have to come again [95]")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where the captures and runs stay")
    parser.add_argument("scenarios", nargs="*", default=["scenarios"], help="from which is drawn [all]")
    options = parser.parse_args()
    try:
        ids = drawn(collected(options.scenarios), options.sample, random.Random(options.seed))
        with tempfile.TemporaryDirectory() as scratch:
            folder = make_folder(options.keep).absolute() if options.keep else Path(scratch)
            ended = list(measured(parse(options.kernel), folder, ids, kept=bool(options.keep)))
    except FinwaitError as error:
        print(f"roundtrip: {error}", file=sys.stderr)
        return 2
    return tell(ended, len(ids), options.goal)


def collected(arguments: Sequence[str]) -> list[str]:
    """The ids of all scenarios."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments]
    said = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    found = [line for line in said.stdout.splitlines() if "::" in line]
    if said.returncode or not found:
        raise FinwaitError("the scenarios cannot be collected", why=said.stdout[-500:] + said.stderr[-500:])
    return found


def drawn(ids: Iterable[str], count: int, chance: random.Random) -> list[str]:
    """So many of them, or all where it is 0: one of each file, then a second, until there are enough."""
    by_file: dict[str, list[str]] = defaultdict(list)
    for one in ids:
        by_file[one.partition("::")[0]].append(one)
    shuffled = [chance.sample(some, len(some)) for _, some in sorted(by_file.items())]
    in_turn = [one for turn in zip_longest(*shuffled) for one in turn if one]
    return sorted(in_turn[: count or None])


def measured(spec: KernelSpec, folder: Path, ids: Sequence[str], *, kept: bool) -> Iterator[Ended]:
    """Each connection that was drawn, as it ended."""
    console = Console(stderr=True)
    with Workers(folder, CHECKOUT, Cache.of_user(), console, at_once=1) as workers:
        for number, some in enumerate(in_parts(ids, 4 * EACH)):
            output = make_folder(folder / f"{number:03}")
            asked = run_with(workers, [spec], output, ["--captures=all", *some], more=True)
            if asked.failures:
                raise FinwaitError("the scenarios were not run", why="; ".join(asked.failures))
            for part, few in enumerate(in_parts(connections(asked.runs[0]), EACH)):
                programs = make_folder(output / f"programs-{part}")
                yield from tried(few, AskedForPrograms(workers, [spec], programs, REAL_WAIT, console), spec.title)
                if not kept:
                    shutil.rmtree(programs)
            if not kept:
                shutil.rmtree(output)


def in_parts(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items, so many at a time."""
    left = iter(items)
    while part := [*islice(left, size)]:
        yield part


def connections(run: LoadedRun) -> Iterator[Taken]:
    """What may have happened in each scenario whose capture has one connection."""
    for scenario, result in run.results.items():
        if not result.capture:
            continue
        stories: dict[int, Story] = {}
        sightings: list[Sighting] = []
        for conversation, sighting in Conversations().sort(read(run.path / result.capture)):
            stories.setdefault(conversation.number, Story(conversation)).tell(sighting)
            sightings.append(sighting)
        if len(stories) == 1:
            story = stories[1]
            near, told = kernel_of(story), near_side(story)[0]
            found = hypotheses(story.conversation, sightings[:MOST_FRAMES], near, DAY)
            said = {name for one in found for name in called(one.made.program)}
            unseen = [name for name in called(run.program(result)) if name not in said]
            yield Taken(scenario, tuple(dict.fromkeys(unseen)), tuple(found), near == told)


def kernel_of(story: Story) -> int:
    """The side of the kernel under test: it has the lower address of each of a lab's two, which is odd."""
    return next(side for side in (0, 1) if story.conversation.ends[side][0][-1] % 2)


def called(program: Program) -> Iterator[str]:
    """The calls of a program, those that set something with what they set."""
    for step in program.steps:
        if isinstance(step, Call):
            named = step.args[:1] if step.name in ("set_option", "sysctl") else ()
            yield " ".join([step.name, *map(str, named)])


def tried(few: Sequence[Taken], kernels: AskedForPrograms, kernel: str) -> Iterator[Ended]:
    """Each connection, as its hypotheses ended."""
    programs = {
        f"test_{number}_{at}": one.text(taken.scenario)
        for number, taken in enumerate(few)
        for at, one in enumerate(taken.found)
    }
    results: Mapping[str, Mapping[str, Result]] = kernels.ask(programs)
    for number, taken in enumerate(few):
        of_it = [results.get(f"test_{number}_{at}", {}).get(kernel) for at in range(len(taken.found))]
        got = [one for one in of_it if one is not None]
        if any(one.outcome == Outcome.CONFORMS for one in got):
            yield Ended(taken, True)
        else:
            best = max(got, key=lambda one: one.received, default=None)
            yield Ended(taken, False, "no result" if best is None else instead(best))


def instead(result: Result) -> str:
    """What came where a capture has something else."""
    if result.evidence is None:
        return f"{result.outcome}: {result.message.partition(chr(10))[0]}"
    due = " or ".join(one.what for one in result.evidence.expected)
    return f"{due}, but {result.evidence.observed}"[:_MOST_SAID]


def tell(ended: Sequence[Ended], count: int, goal: float) -> int:
    """Print what did not come again, and the share that did; the exit status."""
    lost = [one for one in ended if not one.reproduced]
    unseen: Counter[str] = Counter()
    for one in lost:
        print(f"{one.taken.scenario}\n    {one.instead}\n    unseen: {', '.join(one.taken.unseen) or 'nothing'}")
        unseen.update(one.taken.unseen)
    for name, times in unseen.most_common():
        print(f"{times:5}  {name}")
    share = 100 * (len(ended) - len(lost)) / max(1, len(ended))
    came = len(ended) - len(lost)
    print(f"of {count} scenarios {len(ended)} have one connection, of which {came} come again: {share:.1f} %")
    told = sum(one.taken.told for one in ended)
    print(f"which side is the kernel's was told by the capture of {told}, and named for {len(ended) - told}")
    return 0 if ended and share >= goal else 1


if __name__ == "__main__":
    sys.exit(main())
