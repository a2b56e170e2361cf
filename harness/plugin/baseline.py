"""The known deviations of a kernel: load a list of them, and hold a run's outcomes against it. Pure.

A baseline is strict. It names what deviates and why; a deviation that it does not name fails, and so does a named one
that conforms, answers otherwise or does not exist any more: a list of excuses that nobody prunes excuses everything.

    [[known]]
    scenario = "scenarios/closing/test_disorder.py::test_fin_overtaken_by_its_ack_is_acknowledged[shutdown_wr-*]"
    answer = "challenged"
    kernels = ["5.10"]
    kind = "defect"
    fixed_by = "795a7dfbc3d9"
    reason = "the FIN is dropped with the old ACK that it carries"

``kind`` is ``design`` where Linux means it so, and ``defect`` where it is wrong; ``fixed_by`` is the commit that mends
a defect, or the first series that has it no more. ``scenarios`` is a list of such where one reason is good for several.
An entry with ``kernels`` is about those whose release begins so, and says nothing of others; without, it is about all.
That tells where a deviation was seen and decides nothing else: what a kernel has is found by asking it, never by its
version.
"""

from __future__ import annotations

import difflib
import enum
import functools
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import FinwaitError
from harness.tcp.verdict import Outcome
from harness.trace.records import Result

_TEXTS = ("scenario", "outcome", "answer", "kind", "fixed_by", "reason")
_LISTS = ("scenarios", "kernels")
_KEYS = (*_TEXTS, *_LISTS)
_HEADER = re.compile(r"^\s*\[\[\s*known\s*\]\]")


class DeviationKind(enum.StrEnum):
    """Whether Linux means a deviation so."""

    DESIGN = "design"
    DEFECT = "defect"


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    """Made once: a long baseline is asked about each of thousands of scenarios."""
    pattern = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in text)
    return re.compile(pattern, re.DOTALL)


@dataclass(frozen=True, slots=True)
class Known:
    """One entry.

    Args:
        scenario: a scenario's id, or a pattern with ``*`` and ``?``; brackets stand for themselves.
        reason: why the kernel deviates there.
        kind: whether it is meant so.
        fixed_by: the commit that mends a defect, or the first series that has it no more; empty where none is known.
        answer: the declared alternative that it answers; empty for any.
        kernels: the series on which it was seen, such as ``5.10``; none for every kernel.
        line: where the entry begins in its file.
    """

    scenario: str
    reason: str
    kind: DeviationKind = DeviationKind.DESIGN
    fixed_by: str = ""
    answer: str = ""
    kernels: tuple[str, ...] = ()
    line: int = 0

    def on(self, release: str) -> bool:
        """Whether the entry is about a kernel of that release, as uname(2) gives it."""
        return not self.kernels or any(re.match(rf"{re.escape(one)}(?!\d)", release) for one in self.kernels)

    def names(self, scenario: str) -> bool:
        """Whether the entry is about that scenario."""
        return _pattern(self.scenario).fullmatch(scenario) is not None

    def explains(self, result: Result) -> bool:
        """Whether the entry is about that deviation: the scenario, and what was answered."""
        return self.names(result.scenario) and self.answer in ("", result.answer)

    @property
    def told(self) -> str:
        """What is said of a deviation that it is about."""
        return f"a defect, fixed by {self.fixed_by}: {self.reason}" if self.fixed_by else self.reason


@dataclass(frozen=True, slots=True)
class Baseline:
    """The known deviations, and the file that they come from."""

    entries: tuple[Known, ...]
    path: str = ""

    def on(self, release: str) -> Baseline:
        """What of it is about a kernel of that release, as uname(2) gives it."""
        return Baseline(tuple(entry for entry in self.entries if entry.on(release)), self.path)

    def parted(self) -> tuple[Baseline, Baseline]:
        """What a good kernel may do as well, and the defects that a better one has no more."""
        parts = ([entry for entry in self.entries if bool(entry.fixed_by) is mended] for mended in (False, True))
        may, mended = (Baseline(tuple(entries), self.path) for entries in parts)
        return may, mended


@dataclass(frozen=True, slots=True)
class Violation:
    """Where a run and its baseline disagree.

    Args:
        scenario: a scenario's id, or the entry's pattern where the run has no such scenario.
        what: in a few words.
        line: of the entry in the baseline's file; 0 where there is none.
    """

    scenario: str
    what: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.scenario}: {self.what}" + (f" (line {self.line} of the baseline)" if self.line else "")


def load(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        FinwaitError: the file cannot be read, is not TOML, or has an entry that is unknown, incomplete, or without a
            reason. The line is named.
    """
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise FinwaitError(
            f"the baseline {path} cannot be read ({error.strerror})", hint="finwait baseline RUN, which writes one"
        ) from error
    except UnicodeDecodeError as error:
        raise FinwaitError(f"the baseline {path} is not text in UTF-8 (byte {error.start})") from error


def parse(text: str, path: str = "baseline") -> Baseline:
    """The baseline in a file's text; ``path`` is what errors call it.

    Raises:
        FinwaitError: see ``load``.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        place = f":{found[1]}" if found else f":{text.count(chr(10)) + 1}"
        said = str(error).partition(" (at ")[0]
        raise FinwaitError(f"{path}{place} is not TOML ({said})") from error
    for key in content:
        if key != "known":
            raise _unknown(f"{path}:{_line_of(text, key)}", key, ("known",))
    entries = content.get("known", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise FinwaitError(
            f"{path}:{_line_of(text, 'known')} is not a list of entries", hint="[[known]] above each entry"
        )
    headers = [number for number, line in enumerate(text.splitlines(), 1) if _HEADER.match(line)]
    # Entries may also be written inline; then the line of the list is as near as one gets.
    lines = headers if len(headers) == len(entries) else [_line_of(text, "known")] * len(entries)
    known = [one for entry, line in zip(entries, lines, strict=True) for one in _known(entry, text, path, line)]
    by_scenario: dict[str, list[Known]] = {}
    for one in known:
        before = by_scenario.setdefault(one.scenario, [])
        if any(not (one.kernels and other.kernels) or {*one.kernels} & {*other.kernels} for other in before):
            raise FinwaitError(
                f"{path}:{one.line} names {one.scenario} a second time", hint="one entry for each scenario"
            )
        before.append(one)
    return Baseline(tuple(known), path)


def _known(entry: dict[str, object], text: str, path: str, line: int) -> list[Known]:
    """What an entry says, by scenario."""
    for key, value in entry.items():
        place = f"{path}:{_line_of(text, key, line)}"
        if key not in _KEYS:
            raise _unknown(place, key, _KEYS)
        if key in _TEXTS and not isinstance(value, str):
            raise FinwaitError(f"{place}: {key} is not a text in quotes")
        if key in _LISTS and not _is_list_of_texts(value):
            raise FinwaitError(f"{place}: {key} is not a list of quoted texts")
    scenario, outcome, answer, kind, fixed_by, reason = (str(entry.get(key, "")) for key in _TEXTS)
    several, kernels = ([str(one) for one in entry.get(key, [])] for key in _LISTS)  # type: ignore[attr-defined]
    if bool(scenario) == bool(several):
        raise FinwaitError(
            f"{path}:{line} names " + ("its scenarios twice" if scenario else "no scenario"),
            hint='scenario = "an id, or a pattern with * and ?", or scenarios, a list of such',
        )
    scenarios = [scenario] if scenario else several
    if "outcome" in entry and outcome != Outcome.DEVIATES:
        raise FinwaitError(
            f"{path}:{_line_of(text, 'outcome', line)}: outcome {outcome!r} cannot be in a baseline",
            why="it lists known deviations",
            hint='outcome = "deviates", or no outcome at all',
        )
    if not reason.strip():
        raise FinwaitError(
            f"{path}:{_line_of(text, 'reason', line)}: {scenarios[0]} has no reason",
            why="every known deviation needs a reason",
            hint='reason = "the commit that fixes it, the report, or why it is right here"',
        )
    if kind not in [*DeviationKind]:
        said = f"is of the kind {kind!r}" if kind else "is said to be neither design nor defect"
        raise FinwaitError(
            f"{path}:{_line_of(text, 'kind', line)}: {scenarios[0]} {said}",
            hint='kind = "design" where the kernel is meant to do so, kind = "defect" where it is wrong',
        )
    if fixed_by and kind == DeviationKind.DESIGN:
        raise FinwaitError(
            f"{path}:{_line_of(text, 'fixed_by', line)}: {scenarios[0]} is design, and fixed by {fixed_by!r}",
            hint='kind = "defect", or no fixed_by',
        )
    return [
        Known(one, reason.strip(), DeviationKind(kind), fixed_by, answer, tuple(kernels), line) for one in scenarios
    ]


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) and one for one in value)


def _unknown(place: str, key: str, known: Sequence[str]) -> FinwaitError:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.4) or known
    return FinwaitError(f"{place}: there is no key {key!r} in a baseline", hint=", ".join(near))


def _line_of(text: str, key: str, start: int = 1) -> int:
    """The line that gives ``key`` its value, from line ``start`` on; ``start`` itself where none is found."""
    pattern = re.compile(rf"""^\s*(\[+\s*)?["']?{re.escape(key)}["']?\s*[\].=]""")
    lines = text.splitlines()[start - 1 :]
    return next((number for number, line in enumerate(lines, start) if pattern.match(line)), start)


def hold(baseline: Baseline, results: Iterable[Result], *, complete: bool = True) -> list[Violation]:
    """Where the results and the baseline disagree; empty when the kernel does what is known of it.

    What was lost is a violation whether it is named or not: nothing was said, and silence is never success. An
    unsupported scenario is none, for it says nothing of the kernel's behaviour.

    Args:
        baseline: the known deviations.
        results: of the run.
        complete: whether the run was of all scenarios; of a selection, entries may be about others.
    """
    by_scenario = {result.scenario: result for result in results}
    named: dict[str, list[Known]] = {scenario: [] for scenario in by_scenario}
    violations = []
    for entry in baseline.entries:
        # A scenario whose parameters hold a * is meant by its own id and by nothing else.
        about = [entry.scenario] if entry.scenario in by_scenario else list(filter(entry.names, by_scenario))
        for scenario in about:
            named[scenario].append(entry)
        if not about and complete:
            violations.append(Violation(entry.scenario, "known to deviate, but not in the run", entry.line))
    judged = (_violation(result, named[scenario]) for scenario, result in by_scenario.items())
    return [*filter(None, judged), *violations]


def _violation(result: Result, entries: Sequence[Known]) -> Violation | None:
    line = entries[0].line if entries else 0
    if result.outcome == Outcome.LOST:
        return Violation(result.scenario, "lost: it has no result", line)
    if result.outcome == Outcome.CONFORMS and entries:
        return Violation(result.scenario, "conforms, but is known to deviate: remove it from the baseline", line)
    if result.outcome != Outcome.DEVIATES:
        return None
    if not entries:
        return Violation(result.scenario, "deviates, and is not known to do so")
    if any(entry.explains(result) for entry in entries):
        return None
    known = " or ".join(entry.answer for entry in entries)
    return Violation(
        result.scenario, f"answers {result.answer or 'nothing declared'}, and is known to answer {known}", line
    )
