"""Two runs side by side: what got worse, what was fixed, what else changed, and what cannot be compared."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

import msgspec

from harness.errors import FinwaitError
from harness.tcp.verdict import JUDGED, Outcome
from harness.trace.events import Event, Received, Sent
from harness.trace.names import in_any_run, in_words
from harness.trace.records import Result
from harness.trace.runs import LoadedRun, titles
from reports.behaviour import changes
from reports.change_groups import Change, ChangeGroup, Timelines, grouped
from reports.ladder import Ladder, ladder
from reports.lines import OUTCOME_STYLES, Line, plain, set_in, show, width_of

if TYPE_CHECKING:
    from rich.console import Console

_BESIDE = 90  # columns that each of two ladders needs to stand beside the other
_GAP = "   "
_SHOWN = 10  # scenarios that are named one by one when many cannot be compared for the same reason
_DRAWN = 5  # changes of a kind that are drawn: the most common ones
_IN_DOUBT = 2


@dataclass(frozen=True, slots=True)
class Uncompared:
    """A scenario that cannot be compared.

    Args:
        scenario: its id.
        why: the reason, in the same words for all of its kind.
        doubt: whether a regression may hide behind it: the second run lost what the first had judged, or the scenario
            itself was changed between the two.
    """

    scenario: str
    why: str
    doubt: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of a comparison.

    Args:
        same: how many scenarios were judged alike and showed the same behaviour.
        unseen: of how many of these only verdicts, answers and counters could be held against each other, for a run
            kept no timeline of them.
    """

    before: LoadedRun
    after: LoadedRun
    regressions: tuple[Change, ...]
    fixes: tuple[Change, ...]
    changed: tuple[Change, ...]
    uncompared: tuple[Uncompared, ...]
    same: int
    unseen: int = 0

    @property
    def exit_status(self) -> int:
        """1 with a regression; otherwise 2 where one may hide behind what cannot be compared; otherwise 0.

        Nothing to compare at all is such a case, for silence is never success.
        """
        if self.regressions:
            return 1
        compared = self.same + len(self.fixes) + len(self.changed)
        return _IN_DOUBT if not compared or any(one.doubt for one in self.uncompared) else 0


def compare(before: LoadedRun, after: LoadedRun) -> Comparison:
    """Hold the second run against the first.

    A regression conformed and deviates now; a fix is the reverse. What was judged alike is compared in its behaviour,
    see ``reports.behaviour``: the answer, its time within the slack of both machines, the kernel's segments, and the
    counters that tell behaviour.
    """
    regressions: list[Change] = []
    fixes: list[Change] = []
    changed: list[Change] = []
    uncompared: list[Uncompared] = []
    same = unseen = 0
    for scenario in dict.fromkeys([*before.results, *after.results]):
        hindered = _hindrance(scenario, before.results.get(scenario), after.results.get(scenario))
        if hindered:
            uncompared.append(hindered)
            continue
        change, unread = _change(before, after, scenario)
        if change.before.outcome != change.after.outcome:
            (regressions if change.after.outcome == Outcome.DEVIATES else fixes).append(change)
        elif change.what:
            changed.append(change)
        elif unread:
            uncompared.append(Uncompared(scenario, unread))
        else:
            same += 1
            unseen += not (change.before.timeline and change.after.timeline)
    return Comparison(before, after, tuple(regressions), tuple(fixes), tuple(changed), tuple(uncompared), same, unseen)


def _hindrance(scenario: str, before: Result | None, after: Result | None) -> Uncompared | None:
    if before is None or after is None:
        return Uncompared(scenario, f"only in the {'second' if before is None else 'first'} run")
    for result, which in ((after, "second"), (before, "first")):
        if result.outcome not in JUDGED:
            other = before if result is after else after
            doubt = result is after and result.outcome == Outcome.LOST and other.outcome in JUDGED
            reason = f": {in_any_run(result.message.splitlines()[0])}" if result.message else ""
            return Uncompared(scenario, f"{result.outcome} in the {which} run{reason}", doubt)
    if before.digest and after.digest and before.digest != after.digest:
        return Uncompared(scenario, "the two runs were made by different versions of the scenario", doubt=True)
    return None


def _change(before: LoadedRun, after: LoadedRun, scenario: str) -> tuple[Change, str]:
    """What changed, and why a timeline cannot be read where one cannot: a torn one must not hide a verdict."""
    first, second = before.results[scenario], after.results[scenario]
    timelines: Timelines = ((), ())
    unread = ""
    try:
        timelines = before.timeline(first), after.timeline(second)
    except FinwaitError as error:
        unread = str(error)
    what = changes(first, second, (before.record.timing, after.record.timing), timelines)
    return Change(first, second, what, timelines), unread


def render(comparison: Comparison, console: Console) -> None:
    """Print what came out, each change with its two timelines: side by side where the console is wide enough."""
    show(console, lines(comparison, width_of(console)))


def lines(comparison: Comparison, width: int) -> list[Line]:
    """The comparison as text with styles, ``width`` columns wide, or as wide as a ladder has to be."""
    names = titles((comparison.before, comparison.after))
    made = [*_run("before", comparison.before, width), *_run("after", comparison.after, width)]
    for title, style, found in (
        ("regressions: conformed, deviate now", "bold red", comparison.regressions),
        ("fixes: deviated, conform now", "bold green", comparison.fixes),
        ("same verdict, other behaviour", "bold yellow", comparison.changed),
    ):
        if found:
            made += [[], [(f"{title} ({len(found)})", style)]]
        groups = grouped(found)
        if len(groups) < len(found):
            made[-1] = [
                (f"{title} ({len(found)} cases, {len(groups)} {'change' if len(groups) == 1 else 'changes'})", style)
            ]
        for number, group in enumerate(groups):
            made += [[], *_group_lines(group, names, width, drawn=number < _DRAWN)]
    made += _uncompared(comparison, width)
    return [*made, [], *_folded(conclusion(comparison), width)]


def _folded(line: Line, width: int) -> list[Line]:
    """The line, or as many as it needs, broken between its pieces."""
    made: list[Line] = [[]]
    for text, style in line:
        if made[-1] and len(plain(made[-1:])) + len(text) > width:
            made.append([("  " + text.lstrip(" :;,"), style)])
        else:
            made[-1].append((text, style))
    return made


def _run(which: str, run: LoadedRun, width: int) -> list[Line]:
    named: Line = [(f"{which:<8}", "dim"), (run.name, "bold")]
    torn = set_in(f"{run.torn} result(s) cut off by a crash", 8, "yellow", width) if run.torn else []
    return [named, *set_in(run.record.kernel, 8, "", width), *set_in(str(run.path), 8, "", width), *torn]


def _group_lines(group: ChangeGroup, names: list[str], width: int, *, drawn: bool) -> list[Line]:
    """One change with its cases; the shortest one is drawn."""
    shown, *others = group.changes
    what = f"{len(others) + 1} cases: {group.what}" if others else group.what
    made = set_in(what, 2, "bold", width) if others or not drawn else []
    made += _change_lines(shown, names, width) if drawn else set_in(shown.scenario, 2, "dim", width)
    for text in group.others():
        made += set_in(text, 4, "dim", width)
    return made


def _change_lines(change: Change, names: list[str], width: int) -> list[Line]:
    made = [*set_in(in_words(change.scenario), 2, "bold", width), *set_in(change.scenario, 2, "dim", width)]
    for text in (
        *change.what,
        *_failure(change.after),
        *_mended(change.after),
        *_before(change),
        *_clauses(change.after),
    ):
        made += set_in(text, 4, "", width)
    results = (change.before, change.after)
    if not any(change.timelines):
        return [*made, [("    no timeline was kept", "dim")]]
    narrow = (width - len(_GAP)) // 2
    beside = narrow >= _BESIDE
    drawn = [
        [_title(name, result), *drawn_from_the_first_segment(events, name).lines(narrow if beside else width)]
        for name, result, events in zip(names, results, change.timelines, strict=True)
    ]
    return [*made, [], *(side_by_side(drawn[0], drawn[1], narrow) if beside else [*drawn[0], [], *drawn[1]])]


def _failure(result: Result) -> list[str]:
    """What the timeline does not show of a failure: what was expected and what seen."""
    if result.outcome != Outcome.DEVIATES:
        return []
    if result.evidence is None:
        return result.message.splitlines()
    return str(
        msgspec.structs.replace(result.evidence, kernel=(), so_far=(), since="", where="", requirements=(), capture="")
    ).splitlines()


def _before(change: Change) -> list[str]:
    """What a fix mended: of all else the second run tells."""
    mended = change.after.outcome != Outcome.DEVIATES
    return [f"before    {line}" for line in _failure(change.before)] if mended else []


def _mended(result: Result) -> list[str]:
    named = result.fixed_by and result.outcome == Outcome.DEVIATES
    return [f"the scenario names the commit that fixes it: {result.fixed_by}"] if named else []


def _clauses(result: Result) -> list[str]:
    return [f"requires  {', '.join(result.requirements)}"] if result.requirements else []


def _title(name: str, result: Result) -> Line:
    style = OUTCOME_STYLES[Outcome(result.outcome)]
    answer = f" {result.answer}" if result.answer else ""
    return [("  " + name, "bold"), (f"{answer} ", ""), (result.outcome, style)]


def drawn_from_the_first_segment(events: tuple[Event, ...], kernel: str, *, brief: bool = False) -> Ladder:
    """Both ladders of a comparison count from their first segment, whatever the scenario did before it."""
    zero = next((event.at for event in events if isinstance(event, Sent | Received)), None)
    return ladder(events, zero=zero, kernel=kernel, brief=brief)


def side_by_side(left: list[Line], right: list[Line], width: int) -> list[Line]:
    """Lines of that width at most, and others to their right."""
    made: list[Line] = []
    for first, second in zip_longest(left, right):
        room = width - sum(len(text) for text, _ in first or [])
        made.append([*(first or []), (" " * room + _GAP, ""), *(second or [])])
    return made


def _uncompared(comparison: Comparison, width: int) -> list[Line]:
    by_reason: dict[tuple[bool, str], list[str]] = {}
    for one in comparison.uncompared:
        by_reason.setdefault((not one.doubt, one.why), []).append(one.scenario)
    if not by_reason:
        return []
    made: list[Line] = [[], [(f"not compared ({len(comparison.uncompared)})", "bold magenta")]]
    for (_, why), scenarios in sorted(by_reason.items()):
        made += set_in(f"{why} ({len(scenarios)})", 2, "", width)
        for scenario in scenarios[:_SHOWN]:
            made += set_in(scenario, 4, "dim", width)
        if len(scenarios) > _SHOWN:
            made.append([(f"    and {len(scenarios) - _SHOWN} more", "dim")])
    return made


def conclusion(comparison: Comparison) -> Line:
    """How many scenarios came out how, in one line."""
    counts = (
        (len(comparison.regressions), "regressed", "bold red"),
        (len(comparison.fixes), "fixed", "bold green"),
        (len(comparison.changed), "behaved otherwise", "bold yellow"),
        (comparison.same, "same", ""),
        (len(comparison.uncompared), "not compared", "bold magenta"),
    )
    line: Line = []
    for count, word, style in counts:
        line += [(", " if line else "", ""), (f"{count} {word}", style if count else "dim")]
    if comparison.unseen:
        line.append((f"; of {comparison.unseen} the segments were not kept", "yellow"))
    if comparison.exit_status == _IN_DOUBT:
        reason = "they may hide a regression" if comparison.uncompared else "there was nothing to compare"
        line.append((f": {reason}", "bold magenta"))
    return line
