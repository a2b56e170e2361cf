"""What changed between two runs as a page: each change once, with both ladders beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from harness.trace.names import in_words, parameters
from reports.behaviour import partings
from reports.change_groups import ChangeGroup, grouped
from reports.compare import Comparison, conclusion, drawn_from_the_first_segment
from reports.lines import plain
from reports.pages.beside import render
from reports.picture import picture

_DRAWN = 8  # changes of a kind that are drawn: the most common ones
_NAMED = 40  # cases of a change that are named


def changes_page(comparison: Comparison, names: tuple[str, ...], pages: Mapping[str, str]) -> str:
    """The page.

    Args:
        comparison: of two runs.
        names: what the runs are called.
        pages: of the report.
    """
    kinds = (
        ("worse: conformed, deviate now", "deviates-unexpectedly", comparison.regressions),
        ("better: deviated, conform now", "conforms", comparison.fixes),
        ("other: the same verdict, another behaviour", "deviates-as-known", comparison.changed),
    )
    sections = [(title, kind, [*_told(grouped(found), names)]) for title, kind, found in kinds]
    return render(
        "changes.html",
        "changes between two runs",
        pages,
        comparison=comparison,
        names=names,
        releases=[comparison.before.release, comparison.after.release],
        sections=sections,
        said=plain([conclusion(comparison)]),
        uncompared=Counter(one.why for one in comparison.uncompared).most_common(),
    )


def _told(groups: list[ChangeGroup], names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for number, group in enumerate(groups):
        shown, *others = group.changes
        yield {
            "what": group.what,
            "count": len(group.changes),
            "scenario": shown.scenario,
            "words": in_words(shown.scenario),
            "parameters": parameters(shown.scenario),
            "texts": shown.what,
            "pictures": [*_pictures(group, names)] if number < _DRAWN else [],
            "others": [one.scenario for one in others[:_NAMED]],
            "unnamed": max(0, len(others) - _NAMED),
        }


def _pictures(group: ChangeGroup, names: tuple[str, ...]) -> Iterator[Markup]:
    """Both ladders, which count from their first segment, with the first segment marked that is not in both."""
    timelines = group.changes[0].timelines
    if not all(timelines):
        return
    parted = partings(*timelines)
    for number, (events, name) in enumerate(zip(timelines, names, strict=True)):
        ends = [one for one in ((part.was, part.now)[number] for part in parted) if one]
        drawn = drawn_from_the_first_segment(events, name, brief=True)
        marked = min((one.at for one in ends), default=-1)
        yield Markup(picture(drawn, name=f"what happened on {name}", own_style=False, marked=marked))
