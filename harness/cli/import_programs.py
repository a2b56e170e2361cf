"""Asks kernels that stay up for programs that were made of a capture."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from harness.capture.trying import Hypothesis
from harness.kernels.supply.spec import KernelSpec
from harness.run.matrix import run_with
from harness.run.workers import Workers
from harness.tcp.timing import SECOND, Span
from harness.tcp.verdict import Outcome
from harness.trace.folder import make_folder, write_whole
from harness.trace.records import Result


class Tried(NamedTuple):
    """A hypothesis with its results by kernel, one for each run."""

    hypothesis: Hypothesis
    results: dict[str, list[Result]]

    def reproduced(self, kernel: str) -> int:
        """In how many runs the kernel gave the answers of the capture."""
        return sum(one.outcome == Outcome.CONFORMS for one in self.results.get(kernel, ()))


@dataclass
class AskedForPrograms:
    """Kernels, and where what they did is recorded.

    Args:
        workers: entered.
        specs: the kernels.
        output: the workers' folder.
        real_wait: how long a program may wait in all, in real time.
        console: is told what was lost.
    """

    workers: Workers
    specs: Sequence[KernelSpec]
    output: Path
    real_wait: Span
    console: Console
    _questions: int = 0

    def ask(self, programs: Mapping[str, str], *, more: bool = True) -> dict[str, dict[str, Result]]:
        """What each kernel did with each program: by the program's name, then by the kernel's.

        Args:
            programs: their texts as scenarios, by name.
            more: whether others will follow, for which kernels are kept.
        """
        self._questions += 1
        folder = make_folder(self.output / f"question-{self._questions}")
        files = [folder / "programs" / f"{name}.py" for name in programs]
        make_folder(folder / "programs")
        for file, text in zip(files, programs.values(), strict=True):
            write_whole(file, text.encode())
        wait = f"--real-wait={math.ceil(self.real_wait.ns / SECOND.ns)}"
        asked = run_with(self.workers, self.specs, folder, [wait, *map(str, files)], more=more)
        for failure in asked.failures:
            self.console.print(f"lost: {failure}")
        found: dict[str, dict[str, Result]] = defaultdict(dict)
        for run in asked.runs:
            for result in run.results.values():
                found[Path(result.scenario.partition("::")[0]).stem][run.name] = result
        return found
