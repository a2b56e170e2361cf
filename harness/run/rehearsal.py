"""Has pytest collect what a user asks for before a kernel is booted for it: a mistake is the user's, and said once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from harness.errors import FinwaitError
from harness.kernels.boot.backend import Run
from harness.kernels.boot.host import Host
from harness.kernels.supply.spec import parse
from harness.process import Stop
from harness.run.jobs import Task, pytest_job
from harness.run.request import ask

_SIDE_BY_SIDE = ("-n", "--numprocesses", "--dist", "--tx")
_RUN_NOTHING = ("--collect-only", "--co", "--fixtures", "--fixtures-per-test", "--markers", "--setup-plan", "--version")
_SECTION = re.compile(r"_+ ERROR collecting (.+?) _+$")


def rehearse(given: Sequence[str], checkout: Path) -> None:
    """Collect on this machine, with the plugins that a kernel's pytest has, and run nothing.

    Args:
        given: for pytest; none for all scenarios, of which nothing can be wrong.
        checkout: the folder with pyproject.toml.

    Raises:
        FinwaitError: pytest refuses the arguments, cannot import a file, or selects no scenario, in its own words; or
            they ask for no run.
    """
    if not given:
        return
    if asked := next((one for one in given if one in _RUN_NOTHING), ""):
        raise FinwaitError(f"{asked} runs nothing, on whichever kernel", hint=f"finwait run {asked}")
    host = parse("host")
    with TemporaryDirectory(prefix="finwait-") as folder, Stop() as stop:
        job = pytest_job(Task(host, Path(folder) / "collected", ask(host, given, checkout)), checkout, stop)
        # behind what the user wrote, so that there is a reason for each file
        run = Host().run(replace(job, argv=(*job.argv, "--collect-only", "--tb=short")))
    if run.status == pytest.ExitCode.OK:
        return
    said = "; ".join(_errors(run)) or run.lost or _last(run)
    match run.status:
        case pytest.ExitCode.NO_TESTS_COLLECTED:
            if "skipped" not in said:  # by a file that may mean another kernel than the running one
                raise FinwaitError(
                    "no scenario is selected", why=said, hint="finwait run --collect-only -q, which lists"
                )
        case pytest.ExitCode.USAGE_ERROR:
            parallel = any(one.startswith(_SIDE_BY_SIDE) for one in given)
            hint = "--at-once N for several kernels side by side" if parallel else "finwait run --help"
            raise FinwaitError(f"pytest: {said}", hint=hint)
        case _:
            raise FinwaitError("the scenarios cannot be collected", why=said, hint="finwait run --collect-only")


def _errors(run: Run) -> list[str]:
    """What pytest says was wrong: of a command line, of each file, or of a conftest.py."""
    lines = [line.rstrip() for line in run.console]
    if usage := [line.partition(": error: ")[2] for line in lines if ": error: " in line]:
        return usage[:1]
    if refused := [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]:
        return refused
    sections: dict[str, list[str]] = {}
    for line in lines:
        if found := _SECTION.match(line):
            of = sections.setdefault(found[1], [])
        elif line.startswith("ImportError while loading conftest"):
            of = sections.setdefault(line.removeprefix("ImportError while loading ").rstrip("."), [])
        elif line.startswith("==="):
            of = []
        elif sections and line:
            of.append(line)
    # the exception itself is the last of pytest's lines with an E; a mistake that is known has one line without
    reasons = {
        name: [one.removeprefix("E").strip() for one in of if one.startswith("E  ")] or of[:1]
        for name, of in sections.items()
    }
    told = {name: reason[-1] for name, reason in reasons.items() if reason}
    return [one if ": mistake in the scenario: " in one else f"{name}: {one}" for name, one in told.items()]


def _last(run: Run) -> str:
    said = next((line.strip("= ") for line in reversed(run.console) if line.strip()), "pytest said nothing")
    return re.sub(r" in [\d.]+s.*$", "", said)
