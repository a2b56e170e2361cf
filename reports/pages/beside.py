"""The pages beside the index: what of the RFCs was tested, and what changed from kernel to kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from markupsafe import Markup

from harness.model import requirements
from harness.tcp.verdict import Outcome
from harness.trace.runs import LoadedRun
from reports.code_coverage import code_rows
from reports.coverage import UNTESTED, CoverageRow, coverage
from reports.pages import timeline
from reports.pages.case import Case, templates
from reports.pages.state_machine import state_machine
from reports.picture import styles

PAGES = {
    "index.html": "cases",
    "coverage.html": "coverage",
    "timeline.html": "kernels over time",
    "changes.html": "changes",
}
"""The pages that a report may have by their files, and what a link calls each."""

_OUTCOMES = (Outcome.DEVIATES, Outcome.LOST, Outcome.CONFORMS, Outcome.UNSUPPORTED, UNTESTED)


@cache
def _css() -> Markup:
    return Markup((Path(__file__).parent / "report.css").read_text(encoding="utf-8")) + Markup(styles())


def render(file: str, title: str, pages: Mapping[str, str], **content: object) -> str:
    """A page by its file's name.

    Args:
        file: of the page, and of its template.
        title: what it is.
        pages: of the report, see ``PAGES``.
        content: what its template asks for.
    """
    template = templates().get_template(file)
    return template.render(title=title, here=file, pages=pages.items(), css=_css(), **content)


def coverage_page(runs: Sequence[LoadedRun], why_not: Mapping[str, str], pages: Mapping[str, str]) -> str:
    """RFC by RFC each requirement with its verdict on each kernel, the state machine, and the code that was reached.

    Args:
        runs: one a kernel.
        why_not: why a requirement is not tested, by its id.
        pages: of the report, see ``PAGES``.

    Raises:
        FinwaitError: see ``code_rows``.
    """
    catalogue = requirements.load()
    found = coverage(runs, catalogue, why_not)
    groups: dict[str, list[CoverageRow]] = {}
    for row in found.rows:
        groups.setdefault(row.group, []).append(row)

    def counted(rows: Iterable[CoverageRow]) -> list[Counter[str]]:
        members = list(rows)
        return [Counter(row.outcomes[number] for row in members) for number in range(len(found.kernels))]

    machine = Markup(state_machine(catalogue, found.rows, found.kernels))
    shown = {
        "found": found,
        "groups": list(groups.items()),
        "counted": counted,
        "machine": machine,
        "code": code_rows(runs),
    }
    return render("coverage.html", "coverage of the RFCs", pages, outcomes=_OUTCOMES, **shown)


def timeline_page(
    runs: Sequence[LoadedRun], names: Sequence[str], cases: Iterable[Case], pages: Mapping[str, str]
) -> str:
    """The behaviours that are not the same on all kernels, and where they changed."""
    order = timeline.by_release([run.release for run in runs])
    behaviours = timeline.changing(cases, order)
    ordered = [names[number] for number in order]
    shown = {"names": ordered, "behaviours": behaviours, "steps": list(timeline.steps(ordered, behaviours))}
    return render("timeline.html", "kernels over time", pages, **shown)
