"""``finwait show``: what a run found, one result with its reason, ladder and evidence, or the program that it ran."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from harness.cli.report import known_by_baselines
from harness.errors import FinwaitError
from harness.model import requirements
from harness.program.packetdrill import packetdrill
from harness.program.python import python
from harness.trace.events import Called, Event
from harness.trace.owner import hand_back
from harness.trace.records import Result
from harness.trace.result_kind import ResultKind
from harness.trace.runs import LoadedRun, load
from reports.findings import Reason, explain
from reports.ladder import ladder
from reports.lectures import HANDSHAKE, part
from reports.lines import Line, set_in, show, width_of
from reports.picture import picture

_LISTED = 10


def present(options: argparse.Namespace, checkout: Path, console: Console) -> int:
    """Print what a run found, or one result of it.

    Args:
        options: as ``finwait show`` takes them.
        checkout: the folder with the baselines.
        console: where to print.

    Raises:
        FinwaitError: there is no such run or result, or it cannot be drawn or printed as it should be.
    """
    run = load(options.run)
    if not options.name:
        if options.svg or options.kind:
            raise FinwaitError("which result to show is not said", hint="-k NAME")
        print_findings(run, known_by_baselines(checkout / "scenarios" / "baselines"), console)
        return 0
    result = chosen(run, options.name)
    if options.svg:
        draw(run, result, options.svg, brief=options.brief, since=options.since)
    elif options.kind:
        console.out(program_text(run, result, options.kind), end="")
    else:
        print_result(run, result, console, brief=options.brief, since=options.since)
    return 0


def chosen(run: LoadedRun, name: str) -> Result:
    """The one result whose scenario is called ``name``, or has all of its words in its id.

    Raises:
        FinwaitError: there is none, or more than one.
    """
    if name in run.results:
        return run.results[name]
    words = name.lower().split()
    found = [scenario for scenario in run.results if all(word in scenario.lower() for word in words)]
    if len(found) == 1:
        return run.results[found[0]]
    if not found:
        raise FinwaitError(
            f"no result in {run.path} matches {name!r}",
            why=f"the run has {len(run.results)} results, and none has all these words in its id",
            hint="fewer words",
        )
    listed = "".join(f"\n  {scenario}" for scenario in found[:_LISTED])
    more = f"\n  and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    raise FinwaitError(f"{len(found)} results match {name!r}", hint=f"more words, or one of these ids:{listed}{more}")


def program_text(run: LoadedRun, result: Result, kind: str) -> str:
    """The program of a result as text: ``python`` or ``pkt``, a packetdrill script.

    Raises:
        FinwaitError: the run kept none.
    """
    program = run.program(result)
    if kind == "pkt":
        return program.script or packetdrill(program, result.scenario, run.record.conditions)
    return python(program, result.scenario)


def draw(run: LoadedRun, result: Result, file: Path, *, brief: bool = False, since: str = "") -> None:
    """Write what happened as an SVG picture.

    Args:
        brief: no windows and options, unless the pointer rests on a segment.
        since: what begins it, see ``shown_events``.

    Raises:
        FinwaitError: the run kept nothing of it, or the file cannot be written.
    """
    events = shown_events(run, result, since)
    if not events:
        raise FinwaitError(
            f"{run.path} holds no timeline of {result.scenario}",
            why="it never had a lab, or the run kept no evidence",
            hint="run it again, without --captures=none",
        )
    odd = result.evidence.observed.removeprefix("> ") if result.evidence else ""
    drawn = picture(ladder(events, kernel=run.name, brief=brief), name=result.scenario, odd=odd)
    try:
        file.write_text(drawn, encoding="utf-8")
        hand_back(file)
    except OSError as error:
        raise FinwaitError(f"{file} cannot be written ({error.strerror})") from error


def shown_events(run: LoadedRun, result: Result, since: str) -> Sequence[Event]:
    """What is drawn of a result.

    Args:
        since: the call that begins it, ``handshake`` for the first segment; empty for all.

    Raises:
        FinwaitError: the timeline cannot be read, or nothing in it is called so.
    """
    events = run.timeline(result)
    found = part(events, since, "")
    if events and not found:
        calls = dict.fromkeys(event.name for event in events if isinstance(event, Called))
        raise FinwaitError(f"nothing here begins with {since}", hint=", ".join([HANDSHAKE, *calls]))
    return found


def print_result(run: LoadedRun, result: Result, console: Console, *, brief: bool = False, since: str = "") -> None:
    """Print what a result says: its outcome and reason, what happened as a ladder, and where the evidence is.

    Args:
        brief: no windows and options in the ladder.
        since: what begins it, see ``shown_events``.
    """
    events = shown_events(run, result, since)
    for line in _head(run, result):
        console.print(line, soft_wrap=True, markup=False)
    if result.timeline:
        console.print()
        show(console, ladder(events, kernel=run.name, brief=brief).lines(width_of(console)))
    console.print()
    for what, file in (("timeline", result.timeline.partition(":")[0]), ("capture", result.capture)):
        if file:
            console.print(f"{what:<9} {run.path / file}", soft_wrap=True, markup=False)
    grown = "; ".join(f"{name} +{count}" for name, count in result.counters.items())
    for what, said in (("counters", grown), ("machine", result.machine)):
        if said:
            console.print(f"{what:<9} {said}", soft_wrap=True, markup=False)


def print_findings(run: LoadedRun, reason: Reason, console: Console) -> None:
    """Print what a run found other than that the kernel conforms: what is news first, a line for each reason.

    Args:
        run: any.
        reason: why a deviation is known.
        console: where to.
    """
    found: dict[ResultKind, dict[str, list[str]]] = {kind: {} for kind in ResultKind}
    for scenario, result in run.results.items():
        kind, why = explain(run, result, reason)
        found[kind].setdefault(why, []).append(scenario)
    width = width_of(console)
    counts = {kind: sum(map(len, reasons.values())) for kind, reasons in found.items() if reasons}
    made: list[Line] = []
    for kind in (kind for kind in counts if kind != ResultKind.CONFORMS):
        made.append([(f"{kind} ({counts[kind]})", "bold")])
        for why, scenarios in sorted(found[kind].items(), key=lambda one: -len(one[1])):
            made += [*set_in(f"{len(scenarios)}  {why}", 2, "", width), *set_in(scenarios[0], 4, "dim", width)]
        made.append([])
    said = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "no results"
    show(console, [*made, *set_in(f"{run.name}: {said}; -k NAME shows one", 0, "", width)])


def _head(run: LoadedRun, result: Result) -> Iterator[str]:
    yield result.scenario
    yield f"{result.outcome} on {run.name} ({run.release})" + (f": {result.answer}" if result.answer else "")
    known = requirements.load()
    for one in result.requirements:
        yield f"{one}  {known.text(one)}".rstrip()
    for report in result.reports:
        yield f"reported  {report}"
    if result.fixed_by:
        yield f"fixed by  {result.fixed_by}"
    evidence = result.evidence and msgspec.structs.replace(result.evidence, requirements=(), reports=(), capture="")
    if told := str(evidence) if evidence else result.message:
        yield ""
        yield told
