"""A run as a code-quality report of GitLab, which shows it beside the changes of a merge request. Pure."""

from __future__ import annotations

import hashlib

import msgspec

from harness.ci.wording import headline, place_of
from harness.trace.result_kind import ResultKind, kind_of
from harness.trace.runs import LoadedRun

_SEVERITIES = {
    ResultKind.UNEXPECTED: "major",
    ResultKind.DEFECT: "minor",
    ResultKind.SURPRISE: "minor",
    ResultKind.LOST: "critical",
}


def gitlab(run: LoadedRun) -> bytes:
    """What fails, one entry a scenario; its fingerprint is the same in each run of that kernel."""
    entries = []
    for result in run.results.values():
        if (kind := kind_of(result)).fails:
            path, line = place_of(result)
            entries.append(
                {
                    "description": f"{run.name}: {result.scenario}: {headline(result)}",
                    "check_name": next(iter(result.requirements), "finwait"),
                    "fingerprint": hashlib.sha256(f"{run.name} {result.scenario}".encode()).hexdigest(),
                    "severity": _SEVERITIES[kind],
                    "location": {"path": path, "lines": {"begin": line}},
                }
            )
    return msgspec.json.format(msgspec.json.encode(entries), indent=1) + b"\n"
