"""Takes from the text of a failure what format 1 of the records kept in no field. Pure."""

from __future__ import annotations

import re

import msgspec

from harness.tcp.verdict import Due, Evidence, Outcome
from harness.trace.records import Result

_TITLE = 10  # columns before a line of the text, see Evidence.__str__


def converted(result: Result) -> Result:
    """A result of format 1 with its evidence; the message stays as it was.

    Times and differences stay within the texts: format 1 rounded the first and cannot be told from the second.
    """
    if result.outcome != Outcome.DEVIATES or not result.message.startswith("expected "):
        return result
    sections: dict[str, list[str]] = {}
    title = ""
    for line in result.message.splitlines():
        title = line[:_TITLE].strip() or title
        sections.setdefault(title, []).append(line[_TITLE:])
    seen, *_ = re.split(" {3}", "\n".join(sections.get("observed", [""])).strip(), maxsplit=1)
    evidence = Evidence(
        expected=tuple(Due(line) for line in sections["expected"]),
        observed=seen,
        kernel=tuple(sections.get("kernel", ())),
        so_far=tuple(sections.get("so far", ())),
    )
    return msgspec.structs.replace(result, evidence=evidence)
