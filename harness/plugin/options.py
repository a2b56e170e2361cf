"""The options of a run, as pytest takes and parses them."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a run."""
    group = parser.getgroup("finwait", "finwait: TCP conformance")
    group.addoption("--run-dir", type=Path, metavar="DIR", help="where the run folder is made [reports/runs]")
    group.addoption("--run-name", metavar="NAME", help="its name [the time in UTC]")
    group.addoption("--captures", choices=("none", "deviating", "all"), default="deviating", help="which are kept")
    group.addoption(
        "--known-deviations",
        action="store_true",
        help="report deviations that a scenario's fixing commit or scenarios/baselines/ names, and pass: "
        "to test the harness, not the kernel",
    )
    group.addoption(
        "--baseline",
        type=Path,
        metavar="FILE",
        help="known deviations of this kernel; strict: what it names must deviate, and nothing else may",
    )
    group.addoption("--timing", choices=("calibrated", "virtual"), default="calibrated", help="the timing profile")
    group.addoption("--kernel-name", default="host", metavar="NAME", help="what the kernel is called in the reports")
    group.addoption(
        "--mutate-answer",
        metavar="KIND:NUMBER",
        help="mutate that answer of the kernel in every scenario, to show that it is noticed; NUMBER may be 'last'",
    )
    group.addoption("--mutations", type=Path, metavar="FILE", help="a plan of many mutations; see finwait mutate")
    group.addoption("--mutate-after", type=Path, metavar="RUN", help="the run that tells which answer is the last")
