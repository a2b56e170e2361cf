"""One case as HTML: the verdict, what was expected and seen, the ladder, what the kernel knew, how to repeat it."""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from harness.errors import FinwaitError
from harness.model import requirements
from harness.program.packetdrill import packetdrill
from harness.program.python import python
from harness.program.steps import Program
from harness.tcp.timing import format_ms
from harness.tcp.verdict import Evidence
from harness.trace.names import in_words, parameters
from harness.trace.records import Result, TimelineRecord
from harness.trace.runs import LoadedRun
from reports.findings import Explained
from reports.ladder import ladder
from reports.picture import in_xml, picture

# Where a field of a difference stands in a segment that is printed as packetdrill prints it.
_FIELDS = {
    "flags": r"(?<=^> )\S+",
    "seq": r"\d+(?=:)",
    "length": r"(?<=\()\d+(?=\))",
    "ack": r"(?<= ack )\d+",
    "window": r"(?<= win )\d+",
    "urgent": r"(?<= urg )\d+",
    "options": r"<.*>",
}


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario on every kernel of a report.

    Args:
        scenario: its id.
        results: one a run, None where the run had no such scenario.
        findings: of these.
    """

    scenario: str
    results: tuple[Result | None, ...]
    findings: tuple[Explained | None, ...]


@cache
def templates() -> jinja2.Environment:
    """The templates; all that stands in them is escaped unless it is ``Markup``."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.filters["css"] = cache(lambda text: re.sub(r"\W+", "-", text))
    made.filters["ms"] = format_ms
    return made


@cache
def _template() -> jinja2.Template:
    return templates().get_template("case.html")


@dataclass(slots=True)
class CasePrinter:
    """Draws the cases of several runs.

    Args:
        runs: in the order of a case's results.
        names: what each is called, no two alike.
    """

    runs: Sequence[LoadedRun]
    names: Sequence[str]
    _programs: list[tuple[Program, dict[str, str]]] = field(default_factory=list)
    _labs: dict[int, Markup] = field(default_factory=dict)

    def pieces(self, case: Case) -> list[str]:
        """The HTML of a case, one for each run; empty where it has no result."""
        self._programs.clear()
        return [
            self._piece(number, case, result, found) if result and found else ""
            for number, (result, found) in enumerate(zip(case.results, case.findings, strict=True))
        ]

    def _piece(self, number: int, case: Case, result: Result, found: Explained) -> str:
        run = self.runs[number]
        unread, kept = "", None
        try:
            kept = run.kept(result)
        except FinwaitError as error:
            unread = str(error)
        return _template().render(
            result=result,
            evidence=result.evidence,
            found=found,
            run=run,
            name=self.names[number],
            words=in_words(result.scenario),
            parameters=parameters(result.scenario),
            cited=_cited(result),
            expected=_marked_expected(result.evidence),
            observed=_marked_observed(result.evidence),
            picture=self._picture(number, result, kept),
            programs=self._printed(result, kept),
            unread=unread,
            again=again(run, result),
            capture=_capture(run, result),
            counters="; ".join(f"{name} +{by}" for name, by in result.counters.items()),
            conditions=self._conditions(number),
            others=list(zip(self.names, case.findings, strict=True)),
        )

    def _picture(self, number: int, result: Result, kept: TimelineRecord | None) -> Markup:
        if kept is None or not kept.events:
            return Markup()
        odd = result.evidence.observed.removeprefix("> ") if result.evidence else ""
        drawn = ladder(kept.events, kernel=self.names[number], brief=True)
        name = f"what happened on {self.names[number]}"
        return Markup(picture(drawn, name=name, own_style=False, odd=odd))

    def _conditions(self, number: int) -> Markup:
        """What the lab of a run sets, made once for thousands of cases."""
        if number not in self._labs:
            lines = Markup().join(Markup("<li>{}</li>\n").format(one) for one in self.runs[number].record.conditions)
            self._labs[number] = Markup("<ul>\n{}</ul>").format(lines)
        return self._labs[number]

    def _printed(self, result: Result, kept: TimelineRecord | None) -> dict[str, str]:
        """The program in each way that it can be printed; mostly the kernels ran the same."""
        if kept is None or kept.program is None:
            return {}
        for known, printed in self._programs:
            if known == kept.program:
                return printed
        made = {
            "Python": python(kept.program, result.scenario),
            "packetdrill": packetdrill(kept.program, result.scenario),
        }
        self._programs.append((kept.program, made))
        return made


def again(run: LoadedRun, result: Result) -> str:
    """The command that runs the scenario once more on that kernel."""
    kernel = run.record.kernel_name
    chosen = shlex.quote(result.scenario)
    return (
        f"finwait run {chosen}" if kernel in ("", "host") else f"finwait matrix --kernel {shlex.quote(kernel)} {chosen}"
    )


def _cited(result: Result) -> Iterator[tuple[str, str, str]]:
    """Each requirement's id, how strong it is, and what it says."""
    known = requirements.load()
    for one in result.requirements:
        found = known.requirements.get(one)
        yield one, found.level if found else "", known.text(one)


def _capture(run: LoadedRun, result: Result) -> tuple[str, str] | None:
    """The name of the capture and its content in base64, so that a report needs no file of the run's."""
    if not result.capture:
        return None
    try:
        path = run.file("capture", result.capture)
        return path.name, base64.b64encode(path.read_bytes()).decode()
    except (FinwaitError, OSError):
        return None  # the case is worth showing without


def _marked_expected(evidence: Evidence | None) -> list[tuple[Markup, str]]:
    if evidence is None:
        return []
    fields = [one.field for one in evidence.differences]
    return [(_marked(due.what, fields), due.name) for due in evidence.expected]


def _marked_observed(evidence: Evidence | None) -> Markup:
    return _marked(evidence.observed, [one.field for one in evidence.differences]) if evidence else Markup()


def _marked(text: str, fields: Sequence[str]) -> Markup:
    """A segment's text as HTML, with the fields that differ marked."""
    places = sorted(found.span() for name in fields if name in _FIELDS and (found := re.search(_FIELDS[name], text)))
    made, done = "", 0
    for start, end in places:
        if start >= done:
            made += f"{in_xml(text[done:start])}<mark>{in_xml(text[start:end])}</mark>"
            done = end
    return Markup(made + in_xml(text[done:]))
