"""``python -m benchmarks.soak``: all scenarios many times on busy processors; no verdict may change."""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from harness.errors import FinwaitError
from reports.runs import load

CHECKOUT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Soak; 0 when every scenario had the same outcome in every round, 1 when not, 2 for a run that never was."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("scenarios", nargs="*", default=["scenarios"])
    options = parser.parse_args()
    outcomes: dict[str, set[str]] = defaultdict(set)
    try:
        with tempfile.TemporaryDirectory() as scratch, busy():
            for number in range(options.rounds):
                one_round(Path(scratch), number, options.workers, options.scenarios, outcomes)
                print(f"round {number + 1} of {options.rounds}: {len(outcomes)} scenarios", flush=True)
    except FinwaitError as error:
        print(f"soak: {error}", file=sys.stderr)
        return 2
    changed = {scenario: seen for scenario, seen in outcomes.items() if len(seen) > 1}
    for scenario, seen in changed.items():
        print(f"{scenario}: {', '.join(sorted(seen))}")
    print(f"{len(outcomes)} scenarios, {options.rounds} rounds: {len(changed)} changed their verdict")
    return 1 if changed else 0


def one_round(scratch: Path, number: int, workers: int, scenarios: list[str], outcomes: dict[str, set[str]]) -> None:
    """Run all scenarios once and note how each ended.

    Raises:
        FinwaitError: pytest did not get as far as a run folder.
    """
    name = f"round-{number}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", str(workers)]
    command += ["--run-dir", str(scratch), "--run-name", name, *scenarios]
    ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if not (scratch / name).exists():
        raise FinwaitError(f"pytest made no run folder: {(ended.stderr or ended.stdout).strip()}")
    for scenario, result in load(scratch / name).results.items():
        outcomes[scenario].add(result.outcome)


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
