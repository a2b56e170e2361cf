"""``python -m benchmarks.soak``: all scenarios many times over; none may end otherwise than before.

On the running kernel with more workers than processors, and every processor busy with something else. On other kernels
as ``finwait matrix`` runs them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from harness.cli.shared_options import add_cluster
from harness.cli.workers import opener
from harness.errors import FinwaitError
from harness.kernels.supply.spec import KernelSpec, parse
from harness.run.matrix import run_with
from harness.run.workers import TakesTasks
from harness.trace.runs import LoadedRun, load

CHECKOUT = Path(__file__).resolve().parent.parent

Endings = dict[tuple[str, str], dict[str, int]]
"""How often each way in which a scenario ended was seen, by kernel and scenario."""


def main() -> int:
    """Soak; 0 when every scenario ended alike in every round, 1 when not, 2 for a run that never was."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=8, help="on the running kernel [8]")
    parser.add_argument("--kernel", action="append", metavar="NAME", help="may be repeated [the running one]")
    parser.add_argument("scenarios", nargs="*", default=["scenarios"])
    add_cluster(parser)
    options = parser.parse_args()
    if options.cluster and not options.kernel:
        parser.error("--cluster is for other kernels than the running one: --kernel NAME")
    endings: Endings = defaultdict(lambda: defaultdict(int))
    try:
        specs = [parse(name) for name in options.kernel or ()]
        with (
            tempfile.TemporaryDirectory() as scratch,
            opener(options, CHECKOUT, Console(file=io.StringIO()))(Path(scratch)) as workers,
            contextlib.nullcontext() if specs else busy(),
        ):
            for number in range(options.rounds):
                folder = Path(scratch) / f"round-{number}"
                more = number + 1 < options.rounds
                runs = guests(workers, folder, specs, options, more=more) if specs else [beside_others(folder, options)]
                for run in runs:
                    note(run, endings)
                shutil.rmtree(folder)
                print(f"round {number + 1} of {options.rounds}: {len(endings)} scenarios", flush=True)
    except FinwaitError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 2
    return tell(endings, options.rounds)


def tell(endings: Endings, rounds: int) -> int:
    """Print what did not end alike every time; the exit status."""
    changed = {who: seen for who, seen in endings.items() if len(seen) > 1 or sum(seen.values()) != rounds}
    for (kernel, scenario), seen in changed.items():
        counts = ", ".join(f"{count} times {ending}" for ending, count in sorted(seen.items()))
        print(f"{kernel}: {scenario}: {counts}")
    print(f"{len(endings)} scenarios, {rounds} rounds: {len(changed)} did not end alike every time")
    return 1 if changed or not endings else 0


def note(run: LoadedRun, endings: Endings) -> None:
    """Count how each scenario ended: the verdict, and the answers among those that the scenario declares."""
    for scenario, result in run.results.items():
        ending = " ".join(filter(None, [str(result.outcome), result.answer, *result.choices]))
        endings[run.name, scenario][ending] += 1


def guests(
    workers: TakesTasks, folder: Path, specs: Sequence[KernelSpec], options: argparse.Namespace, *, more: bool
) -> tuple[LoadedRun, ...]:
    """One round on other kernels, which stay up where there will be more.

    Raises:
        FinwaitError: a kernel did not get to its end.
    """
    folder.mkdir()
    found = run_with(workers, specs, folder, options.scenarios, split=True, more=more)
    if found.failures:
        raise FinwaitError("; ".join(found.failures))
    return found.runs


def beside_others(folder: Path, options: argparse.Namespace) -> LoadedRun:
    """One round on the running kernel.

    Raises:
        FinwaitError: pytest did not get as far as a run folder.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", str(options.workers)]
    command += ["--run-dir", str(folder.parent), "--run-name", folder.name, *options.scenarios]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if not folder.exists():
        raise FinwaitError(f"pytest made no run folder: {(ended.stderr or ended.stdout).strip()}")
    return load(folder)


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """Keep every processor busy with something else."""
    context = multiprocessing.get_context("spawn")
    hogs = [context.Process(target=spin, args=(os.getpid(),), daemon=True) for _ in os.sched_getaffinity(0)]
    for hog in hogs:
        hog.start()
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.join()


def spin(parent: int) -> None:
    """Use a processor up until the one that asked for it is gone."""
    while os.getppid() == parent:
        sum(range(100_000))


if __name__ == "__main__":
    sys.exit(main())
