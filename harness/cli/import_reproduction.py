"""finwait import --reproduce: every hypothesis about a captured connection, tried on kernels, as a table in words."""

from __future__ import annotations

import argparse
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console

from harness.capture.conversation import Sighting
from harness.capture.near import near_side
from harness.capture.story import Story
from harness.capture.trying import Hypothesis, hypotheses
from harness.cli.import_minimized import save_minimized
from harness.cli.import_programs import AskedForPrograms, Tried
from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, KernelSpec
from harness.run.workers import Workers
from harness.tcp.timing import DAY, SECOND, Span
from harness.tcp.verdict import Outcome
from harness.trace.folder import make_folder
from reports.grid import Cell, Grid, Section
from reports.lines import Line, show

USUAL_KERNELS = ("host", "uml:5.10")
"""The kernels that are asked where none is named."""

QUESTION = 10 * SECOND
"""What it takes to ask kernels that are up for one thing more: pytest is started anew."""

KernelsByName = Callable[[Sequence[str]], list[KernelSpec]]
"""Gives kernels by their names, fetched where they are not here yet."""


def reproduce(
    story: Story,
    sightings: list[Sighting],
    options: argparse.Namespace,
    specs: Sequence[KernelSpec],
    folder: Path,
    checkout: Path,
    console: Console,
) -> int:
    """Try every hypothesis on each kernel, and say which gives the answers of the capture.

    Returns:
        The exit status: 0 where one does on any kernel, else 1.
    """
    if options.save and not options.save.parent.is_dir():
        raise FinwaitError(f"{options.save} cannot be written: there is no folder {options.save.parent}")
    near, why = near_side(story, options.endpoint)
    found = hypotheses(story.conversation, sightings, near, _patience(options, specs))
    console.print()
    console.print(f"the kernel to ask is {story.conversation.name(near)}: {why}")
    for line in dict.fromkeys(line for one in found for line in one.made.said):
        console.print(f"inferred: {line}")
    title = f"{options.file.name}, connection {story.conversation.number}"
    output, names = make_folder(folder).absolute(), [spec.title for spec in specs]
    with Workers(output, checkout, Cache.of_user(), console) as workers:
        kernels = AskedForPrograms(workers, specs, output, options.real_wait, console)
        tried = _tried(found, title, options.runs, kernels, more=bool(options.save))
        console.print()
        for part in _tables(tried, names):
            show(console, part)
        for name in names:
            console.print(_conclusion(tried, name))
        best = max(tried, key=lambda one: sum(map(one.reproduced, names)))
        if options.save:
            save_minimized(best, tried, title, options.runs, kernels, options.save)
    return 0 if any(map(best.reproduced, names)) else 1


def _patience(options: argparse.Namespace, specs: Sequence[KernelSpec]) -> Span:
    """How long a program may wait: where all kernels' time is virtual, it costs nothing."""
    return DAY if _all_virtual(specs) else options.real_wait


def _all_virtual(specs: Sequence[KernelSpec]) -> bool:
    return all(spec.kind is KernelKind.UML_VIRTUAL for spec in specs)


def _tried(found: Sequence[Hypothesis], title: str, runs: int, kernels: AskedForPrograms, *, more: bool) -> list[Tried]:
    tried = [Tried(one, defaultdict(list)) for one in found]
    for numbers in filter(None, _questions(found, runs, kernels.specs)):
        telling = _telling(tried) if numbers.start > 1 else {one.order for one in found}
        wanted = {
            f"{one.hypothesis.name}_run_{number}": one
            for number, one in itertools.product(numbers, tried)
            if one.hypothesis.order in telling
        }
        if not wanted:
            break
        texts = {name: one.hypothesis.text(title) for name, one in wanted.items()}
        for name, results in kernels.ask(texts, more=more or numbers.stop <= runs).items():
            for kernel, result in results.items():
                wanted[name].results[kernel].append(result)
    return tried


def _questions(found: Sequence[Hypothesis], runs: int, specs: Sequence[KernelSpec]) -> tuple[range, ...]:
    """The runs that kernels are asked for together.

    A question takes seconds, so that there is one for all runs; where they wait longer than that, the first one tells
    which of them are worth more.
    """
    again = 0 if _all_virtual(specs) else (runs - 1) * sum(one.made.waited for one in found)
    return (range(1, 2), range(2, runs + 1)) if again > QUESTION.ns else (range(1, runs + 1),)


def _telling(tried: Sequence[Tried]) -> set[str]:
    """The orders of arrival in which some ending gave the answers of the capture on some kernel."""
    return {one.hypothesis.order for one in tried if any(map(one.reproduced, one.results))}


def _tables(tried: Sequence[Tried], names: Sequence[str]) -> Iterator[list[Line]]:
    """A table with a section for each order of arrival in which some ending gives the answers, or for all orders."""
    orders = list(dict.fromkeys(one.hypothesis.order for one in tried))
    telling = [order for order in orders if order in _telling(tried)]
    sections = [
        Section(order, tuple(_row(one, names) for one in tried if one.hypothesis.order == order))
        for order in telling or orders
    ]
    yield Grid(("what the process may have called", *names), tuple(sections)).lines()
    if telling and (others := [order for order in orders if order not in telling]):
        yield [[(f"in no ending gives the answers: {'; '.join(others)}", "")]]


def _row(one: Tried, names: Sequence[str]) -> tuple[Cell, ...]:
    return ((f"  {one.hypothesis.ending}", ""), *(_cell(one, name) for name in names))


def _cell(one: Tried, name: str) -> Cell:
    results = one.results.get(name, [])
    if count := one.reproduced(name):
        return f"reproduces it, {count} of {len(results)}", "green"
    if not results:
        return "not run", "dim"
    evidence = next((result.evidence for result in results if result.evidence), None)
    if evidence is not None and results[0].outcome == Outcome.DEVIATES:
        return f"no: {_brief(evidence.observed)}", "red"
    return f"{results[0].outcome}: {results[0].message.partition(chr(10))[0][:60]}", "magenta"


def _brief(observed: str) -> str:
    """A segment without its window and options."""
    return observed.partition(" win ")[0]


def _conclusion(tried: Sequence[Tried], name: str) -> str:
    does = [one for one in tried if one.reproduced(name)]
    if not does:
        return f"{name}: nothing gives the answers of the capture"
    yes = list(dict.fromkeys(one.hypothesis.ending for one in does))
    no = [ending for ending in dict.fromkeys(one.hypothesis.ending for one in tried) if ending not in yes]
    order = "" if does[0].hypothesis.captured else f" where {does[0].hypothesis.order}"
    fewest, runs = min((one.reproduced(name), len(one.results[name])) for one in does)
    said = f"{name}: {_joined(yes)} reproduce{'s' * (len(yes) == 1)} it{order}, in {fewest} of {runs} runs"
    return said + (f"; {_joined(no)} do{'es' * (len(no) == 1)} not" if no else "")


def _joined(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
