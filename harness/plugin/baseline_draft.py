"""Writes a first baseline of a run: what is known already, and the rest for a person to explain. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from harness.plugin.baseline import Baseline, DeviationKind
from harness.tcp.verdict import Outcome
from harness.trace.names import file_of
from harness.trace.records import Result

UNEXPLAINED = "to be explained"
"""The reason that ``draft`` gives where none is known."""


def draft(results: Iterable[Result], *, kernel: str, known: Baseline) -> str:
    """A baseline of what deviates, as TOML, which holds for this run.

    Reasons that are known are taken over with their patterns, or with the ids alone where a pattern is also about
    something that conforms here. The rest is grouped by file and by what was answered, as defects with
    ``UNEXPLAINED`` for a reason.

    Args:
        results: of the run.
        kernel: what the run was made on, its release first; it stands in the heading.
        known: what is known already; entries about other kernels are left aside.
    """
    all_results = list(results)
    left = {result.scenario: result for result in all_results if result.outcome == Outcome.DEVIATES}
    conforming = [result.scenario for result in all_results if result.outcome == Outcome.CONFORMS]
    taken: dict[tuple[str, str, str, str], dict[str, None]] = {}
    for entry in known.on(kernel).entries:
        about = [one for one, result in left.items() if entry.explains(result)]
        if not about:
            continue
        again = any(entry.scenario in names for names in taken.values())
        whole = not again and not any(map(entry.names, conforming))
        said = (entry.answer, entry.kind, entry.fixed_by, entry.reason)
        taken.setdefault(said, {}).update(dict.fromkeys([entry.scenario] if whole else about))
        for one in about:
            del left[one]
    parts = [f"# Known deviations of {_comment(kernel)}.\n# * and ? in a scenario stand for any text."]
    parts += [_entry([*scenarios], *said) for said, scenarios in taken.items()]
    grouped: dict[tuple[str, str, str, str], list[str]] = {}
    for result in left.values():
        file = file_of(result.scenario)
        grouped.setdefault((file, result.answer, _answered(result), result.fixed_by), []).append(result.scenario)
    for (_, answer, answered, fixed_by), scenarios in grouped.items():
        note = f"# answered {_comment(answered)}" if answered and not answer else ""
        # what nobody has looked at is no design yet
        defect = _entry(scenarios, answer, DeviationKind.DEFECT, fixed_by, UNEXPLAINED)
        parts.append("\n".join(filter(None, (note, defect))))
    if len(parts) == 1:
        parts.append("# Nothing deviated.")
    return "\n\n".join(parts) + "\n"


def _answered(result: Result) -> str:
    """What came, in so few words that results of one kind share them: the flags of a segment, or that nothing did."""
    seen = result.evidence.observed.split() if result.evidence else []
    return " ".join(seen[: 2 if seen[:1] == [">"] else 1])


def _entry(scenarios: list[str], answer: str, kind: str, fixed_by: str, reason: str) -> str:
    listed = "".join(f"\n    {_quoted(one)}," for one in scenarios)
    named = f"scenario = {_quoted(scenarios[0])}" if len(scenarios) == 1 else f"scenarios = [{listed}\n]"
    told = {"answer": answer, "kind": kind, "fixed_by": fixed_by, "reason": reason}
    return "\n".join(["[[known]]", named, *(f"{key} = {_quoted(text)}" for key, text in told.items() if text)])


def _quoted(text: str) -> str:
    """A TOML string: JSON's escapes are TOML's too, and DEL is the one that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text)
