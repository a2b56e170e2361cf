"""What of a kernel's code a run reached: the tables, the index, and the pages."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import msgspec
from rich.console import Console

from harness.cli.show import chosen
from harness.code.collecting import CodeCollector, build_of, records
from harness.code.index import FILE, CodeIndex, load_index
from harness.code.tables import write_tables
from harness.errors import FinwaitError
from harness.kernels.supply.build import builds_that_count
from harness.kernels.supply.cache import Cache
from harness.trace.folder import write_whole
from harness.trace.owner import hand_back_tree
from harness.trace.runs import load
from reports import code_coverage
from reports.lines import set_in, show, width_of
from reports.pages.code_lines import add_scenarios


def show_code(runs: Sequence[Path], options: argparse.Namespace, console: Console) -> int:
    """Do what ``finwait coverage --code`` asks for.

    Raises:
        FinwaitError: several runs, nothing was counted, a tool is missing, or the kernel's build is gone.
    """
    if len(runs) != 1:
        raise FinwaitError("code is shown of one run", why=f"{len(runs)} are named", hint="finwait coverage --code RUN")
    (run,) = runs
    if options.line:
        _show_line(load_index(run), options.line, console)
        return 0
    if options.name:
        _show_scenario(load_index(run), chosen(load(run), options.name).scenario, console)
        return 0
    index = collect(run, options.output)
    show(console, code_coverage.code_table(run).lines(width_of(console)))
    _show_unreached(index, console)
    console.print(f"the index of {len(index.scenarios)} scenarios is {run / FILE}", soft_wrap=True)
    if options.output:
        console.print(f"the pages are in {options.output / 'index.html'}", soft_wrap=True)
    return 0


def collect(run: Path, pages: Path | None = None) -> CodeIndex:
    """Make a run's index and summary anew, and where asked for the pages.

    Raises:
        FinwaitError: see ``show_code``.
    """
    name = load(run).name
    counted = records(run)
    first = next(counted)
    build = build_of(first, builds_that_count(Cache.of_user()))
    collector = CodeCollector(build, first)
    for record in (first, *counted):
        collector.take(record)
    index = collector.index(name)
    write_whole(run / FILE, msgspec.json.encode(index))
    write_tables(collector.sums(), build, collector.in_tree, run / code_coverage.FILE, pages)
    if pages:
        add_scenarios(pages, index)
        hand_back_tree(pages)
    return index


def _show_line(index: CodeIndex, line: str, console: Console) -> None:
    file, _, number = line.rpartition(":")
    if not number.isdigit() or file not in index.files:
        near = ", ".join(name for name in index.files if name.endswith(".c"))
        raise FinwaitError(f"--line {line}: not a line of code that was counted", hint=f"FILE:N, of {near}")
    for scenario in index.reaching(file, int(number)):
        console.print(scenario, soft_wrap=True)


def _show_scenario(index: CodeIndex, scenario: str, console: Console) -> None:
    """What a scenario reaches: lines by file, and the functions that they are of."""
    if scenario not in index.scenarios:
        raise FinwaitError(f"of {scenario} no code was counted", why="the run died before its end")
    lines = [(file, line) for file, line in index.reached(scenario) if file.startswith("net/")]
    console.print(f"{scenario} reaches {len(lines)} lines", soft_wrap=True, markup=False)
    for file, those in groupby(lines, key=lambda one: one[0]):
        numbers = [line for _, line in those]
        functions = [
            one.name for one in index.files[file].functions if any(one.first <= line <= one.last for line in numbers)
        ]
        text = f"{file}: {len(numbers)} of {len(index.files[file].lines)} lines: {', '.join(functions)}"
        show(console, set_in(text, 4, "", width_of(console)))


def _show_unreached(index: CodeIndex, console: Console) -> None:
    """The functions that nobody reaches, by their file; those of headers are others' too."""
    unreached = [one for one in index.unreached() if one.file.endswith(".c")]
    console.print(f"\n{len(unreached)} functions are never reached:", soft_wrap=True)
    for file, those in groupby(unreached, key=lambda one: one.file):
        text = f"{file}: {', '.join(one.function for one in those)}"
        show(console, set_in(text, 4, "", width_of(console)))
