"""A run as test results of KCIDB, the database that kernel CI systems share (its schema, version 5.3). Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from harness.ci.wording import headline, is_missing
from harness.trace.records import Result
from harness.trace.result_kind import ResultKind, kind_of
from harness.trace.runs import LoadedRun

_LOG_LIMIT = 16384  # characters of log_excerpt
_STATUSES = {
    ResultKind.CONFORMS: "PASS",
    ResultKind.KNOWN: "PASS",
    ResultKind.UNSUPPORTED: "SKIP",
    ResultKind.LOST: "ERROR",
}


def kcidb(run: LoadedRun, build: str = "") -> bytes:
    """The tests, without checkout and build, which whoever built the kernel submits.

    Args:
        run: of one kernel.
        build: the id of the kernel's build in KCIDB, ``ORIGIN:ID``; made of the release where it is empty.
    """
    build = build or f"finwait:{run.release}"
    tests = [_test(run, build, number, result) for number, result in enumerate(run.results.values(), 1)]
    content = {"version": {"major": 5, "minor": 3}, "tests": tests}
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"


def _test(run: LoadedRun, build: str, number: int, result: Result) -> dict[str, Any]:
    origin = build.partition(":")[0]
    told = {
        "scenario": result.scenario,
        "outcome": result.outcome,
        "requirements": list(result.requirements),
        "answer": result.answer,
        "reason": result.reason,
        "fixed_by": result.fixed_by,
        "kernel": run.record.kernel,
    }
    found: dict[str, Any] = {
        "id": f"{origin}:finwait-{run.record.id}-{run.name}-{number}",
        "origin": origin,
        "build_id": build,
        "path": _path(result.scenario),
        "status": "MISS" if is_missing(result) else _STATUSES.get(kind_of(result), "FAIL"),
        "comment": _text(headline(result)),
        "start_time": run.record.started,
        "duration": result.seconds,
        "environment": {"comment": _text(run.record.machine)},
        "misc": {key: value for key, value in told.items() if value},
    }
    if result.message:
        found["log_excerpt"] = _text(result.message)[:_LOG_LIMIT]
    return found


def _path(scenario: str) -> str:
    """Dots between folders, file, test and parameters, and of each only what a path may hold."""
    file, _, test = scenario.partition("::")
    name, _, parameters = test.partition("[")
    parts = ["finwait", *file.removesuffix(".py").removeprefix("scenarios/").split("/"), name, parameters.rstrip("]")]
    return ".".join(re.sub(r"[^a-zA-Z0-9_-]+", "_", part) for part in parts if part)


def _text(text: str) -> str:
    return text.replace("\0", "")
