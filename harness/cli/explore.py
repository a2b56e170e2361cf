"""``finwait explore``: what kernels do differently, or against RFC 9293, found by programs that nobody wrote."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from harness.cli.findings import save
from harness.cli.workers import searched_kernels
from harness.errors import FinwaitError
from harness.explore.asked import Asked, KernelsGone
from harness.explore.attempt import DROPS, IGNORED, UNJUDGED, Attempt, Put
from harness.explore.corpus import FILE, Corpus, read_corpus, write_corpus
from harness.explore.divergence import Divergence
from harness.explore.explorer import Explorer
from harness.explore.finding import read
from harness.explore.kernels import AskedKernel
from harness.explore.known import KnownChange
from harness.explore.starts import lead
from harness.explore.steering import Steering
from harness.explore.themes import LONGEST_IN_REAL_TIME, kinds_of, theme_of
from harness.explore.timeline import events
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, KernelSpec
from harness.model.linux import NEWS
from harness.process import Stop
from reports.compare import side_by_side
from reports.ladder import ladder
from reports.lines import WIDTH, Line, show

DEFAULT_SECONDS = 60.0
_BATCH_IN_REAL_TIME = 10
"""Programs, which let up to some ten seconds pass each."""
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_LADDER = 68
"""Columns of a kernel's ladder, two of which stand side by side."""


def seconds_of(text: str, option: str = "--for") -> float:
    """How long a search is to last: a number with its unit, such as 90s or 5m.

    Raises:
        FinwaitError: it is none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found:
        raise FinwaitError(f"{option} {text}: not a time", hint="90s, 5m or 1h")
    return float(found[1]) * _UNITS[found[2] or "s"]


def ignored_of(seen: Sequence[str]) -> tuple[str, ...]:
    """What a comparison leaves out of sight.

    Args:
        seen: what it does not, of ``IGNORED``; ``all`` for nothing.

    Raises:
        FinwaitError: there is none of that name.
    """
    if unknown := [name for name in seen if name not in (*IGNORED, "all")]:
        raise FinwaitError(f"--see {unknown[0]}: nothing of that name is out of sight", hint=", ".join(IGNORED))
    return () if "all" in seen else tuple(name for name in IGNORED if name not in seen)


def kernels_of(options: argparse.Namespace) -> Sequence[str]:
    """The names of the kernels: those that are asked for, else those of the finding that is to be run again.

    Raises:
        FinwaitError: none is named, or the finding cannot be read.
    """
    if options.kernel:
        return list(options.kernel)
    if options.replay:
        return read(options.replay).kernels
    raise FinwaitError("no kernel is named", hint="--kernel uml-virtual:7.2")


def explore(options: argparse.Namespace, specs: Sequence[KernelSpec], checkout: Path, console: Console) -> int:
    """Search, and print what was found; the exit status: 1 where kernels differ, or one deviates from RFC 9293.

    Ctrl-C ends the search and not the report.

    Args:
        options: as ``finwait explore`` takes them.
        specs: the kernels, whose files are here; one alone is held against the model.
        checkout: the folder with pyproject.toml.
        console: for progress and what was found.

    Raises:
        FinwaitError: an unknown theme, a kernel that cannot be asked, or a finding that cannot be read or differs no
            longer.
    """
    seconds = seconds_of(options.seconds) if options.seconds else None if options.programs else DEFAULT_SECONDS
    theme = theme_of(options.theme)
    waits = "pause" in kinds_of(theme) and any(spec.kind is not KernelKind.UML_VIRTUAL for spec in specs)
    if waits:
        theme = replace(theme, longest_ms=LONGEST_IN_REAL_TIME)
        console.print(f"no pause is longer than {LONGEST_IN_REAL_TIME} ms: a kernel's time is real", style="dim")
    if options.see and len(specs) == 1:
        raise FinwaitError("--see compares kernels", why="one is held against RFC 9293", hint="another --kernel")
    ignored = ignored_of(options.see) if len(specs) > 1 else UNJUDGED
    again = read(options.replay) if options.replay else None
    corpus = read_corpus(options.corpus) if options.corpus else None
    if corpus:
        write_corpus(options.corpus, corpus)  # what cannot be written is better told before the search than behind it
    names = tuple(spec.name for spec in specs)
    with ExitStack() as held:
        kernels = opened(held, specs, checkout, options, console)
        explorer = Explorer(
            kernels, theme, options.seed, ignored, tell=partial(console.print, style="dim"), names=names
        )
        if waits:
            explorer.batch = _BATCH_IN_REAL_TIME
        if corpus or any(kernel.code for kernel in kernels):
            explorer.steering = Steering(corpus or Corpus())
        if corpus:
            explorer.first, explorer.seen = corpus.ran.get(_ran(options), 0), corpus.signatures(names)
        how = searched(explorer, options.programs, seconds, again.attempt if again else None)
    present(explorer, [spec.title for spec in specs], how, console)
    if corpus:
        corpus.ran[_ran(options)] = explorer.first + explorer.programs
        corpus.show(names, explorer.signatures)
        write_corpus(options.corpus, corpus)
        console.print(f"kept: {_programs(len(corpus.kept))} in {options.corpus / FILE}", soft_wrap=True)
    if options.save:
        save(explorer.found, names, options.save, console)
    if again and how == "done" and not explorer.found:
        raise FinwaitError(
            f"{options.replay} differs no longer", why="these kernels all do the same, or as RFC 9293 says"
        )
    return 1 if explorer.found or explorer.lost or how not in ("done", "interrupted") else 0


def opened(
    held: ExitStack, specs: Sequence[KernelSpec], checkout: Path, options: argparse.Namespace, console: Console
) -> Sequence[Asked]:
    """The kernels, of this machine or the cluster's, to be asked until the stack is left, or one of them is stopped.

    Raises:
        FinwaitError: the cluster cannot be used.
    """
    folder = Path(held.enter_context(TemporaryDirectory(prefix="finwait-explore-")))
    if options.cluster:
        return searched_kernels(held, specs, folder, checkout, options, console)
    stop, cache = held.enter_context(Stop()), Cache.of_user()
    return [
        held.enter_context(AskedKernel(spec, cache, checkout, folder / str(number), stop))
        for number, spec in enumerate(specs)
    ]


def searched(explorer: Explorer, programs: int | None, seconds: float | None, again: Attempt | None = None) -> str:
    """Search, or run a program again, and confirm what was found: done, interrupted by Ctrl-C, or who has gone."""
    try:
        if again is None:
            explorer.explore(programs, seconds)
        else:
            explorer.replay(again)
        explorer.confirm()
    except KeyboardInterrupt:
        return "interrupted"
    except KernelsGone as error:
        return str(error)
    return "done"


def _ran(options: argparse.Namespace) -> str:
    """What a corpus calls the programs of a theme and seed."""
    return f"{options.theme} {options.seed}"


def present(explorer: Explorer, names: Sequence[str], how: str, console: Console) -> None:
    """Print what was found, the most frequent first."""
    found = explorer.found
    for number, one in enumerate(found, 1):
        why_lost = [kernel.why_lost.get(one.attempt, "") for kernel in explorer.kernels]
        show(console, list(_lines(number, one, names, why_lost, explorer.known(one.signature))))
    console.print()
    for entry, count in explorer.designs.most_common():
        told = f"in no baseline, {count} times: {entry}" if entry in NEWS else f"by design, {count} times: {entry}"
        console.print(told, markup=False, highlight=False, soft_wrap=True)
    for change, count in sorted(explorer.alike.items()):
        console.print(
            f"like change {change} of docs/changes.md too, and not looked into: {count} kinds", soft_wrap=True
        )
    known = sum(bool(explorer.known(one.signature)) for one in found)
    what = "differences" if len(names) > 1 else "deviations"
    console.print(
        f"{how}: {len(found)} {what} in {_programs(explorer.programs)} of seed {explorer.seed}, "
        f"and {explorer.shortening} to shorten them, in {explorer.seconds:.0f} s"
        + (f"; {known} of them known" if known else "")
        + (f"; nothing is known of {_programs(explorer.lost)}" if explorer.lost else "")
    )
    console.print(f"out of sight: {', '.join(explorer.ignored) or 'nothing'}", soft_wrap=True)


def _programs(count: int) -> str:
    return f"{count} program{'' if count == 1 else 's'}"


def _steps(attempt: Attempt) -> str:
    """How long a program is, and how much of it leads into the state that it begins in."""
    leading = lead(attempt)
    several = f"{len(attempt.steps)} steps" if len(attempt.steps) > 1 else "1 step"
    return f"{several}, {leading} of them a usual opening" if leading else several


def _lines(
    number: int, one: Divergence, names: Sequence[str], why_lost: Sequence[str], known: Sequence[KnownChange]
) -> Iterator[Line]:
    yield []
    yield [(f"{number}. {headline(one)}", "bold")]
    count = _programs(one.programs)
    confirmed = "confirmed on fresh kernels" if one.confirmed else "not confirmed"
    yield [(f"   {count}, the first after {one.seconds:.1f} s; {_steps(one.attempt)}; {confirmed}", "dim")]
    yield from ([(f"   known: docs/changes.md, {change.number}, {change.what}", "dim")] for change in known)
    yield from ([(f"   {text}", "dim")] for text in _beside(one))
    brief = _is_brief(one)
    width = _LADDER if brief else WIDTH
    drawn = []
    for name, noted, why in zip(names, one.noted, why_lost, strict=True):
        shown = ladder(events(one.attempt, noted or ()), zero=0, kernel=name, brief=brief, width=width)
        drawn.append(shown.lines(width) if noted is not None else [[(f"{name}: {why}", "bold red")]])
    if not brief:
        yield from (line for lines in drawn for line in lines)
        return
    for left, right in zip(drawn[::2], [*drawn[1::2], []], strict=False):
        yield from side_by_side(left, right, _LADDER)


def _beside(one: Divergence) -> Iterator[str]:
    """IP headers, fields of TCP_INFO, counters and drop reasons, as far as the difference is one of these."""
    seen = [noted[one.at] for noted in one.noted if noted]
    for name in one.signature.other:
        values = [str(each.info.get(name, each.grown.get(name, 0))) for each in seen]
        if name == DROPS:
            told = (", ".join(each.drops) or "none" if each.drops is not None else "not told" for each in seen)
            yield f"{DROPS}: {' | '.join(told)}"
        elif name == "ip":
            headers = ([back.ip for back in each.back] for each in seen)
            yield from (
                f"ip: {' | '.join(several)}" for several in zip(*headers, strict=False) if len(set(several)) > 1
            )
        elif len(set(values)) > 1:
            yield f"{name}: {' | '.join(values)}"


def _is_brief(one: Divergence) -> bool:
    """Whether windows and options play no part, and ladders without them have room beside each other."""
    plain = Put(0)
    puts = [step for step in one.attempt.steps if isinstance(step, Put)]
    usual = all((put.window, put.options) == (plain.window, plain.options) for put in puts)
    return usual and not one.signature.other


def headline(one: Divergence) -> str:
    """A difference in one line: where, after what, and what each kernel did."""
    state, step, answers = one.signature
    return f"in {state}, {step}: {' | '.join(answers)}"
