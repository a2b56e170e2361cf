"""Each test keeps its name from one collection to the next: xdist's processes collect apart and must agree."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def test_every_test_is_named_the_same_at_a_later_second(request: pytest.FixtureRequest) -> None:
    # A parameter that holds a time, a number drawn at random or the order of a set ends a run under xdist now
    # and then: the header of gzip, which has the second in it, once stood in a name.
    named = {item.nodeid for item in request.session.items}
    files = sorted({one.split("::")[0] for one in named})
    argv = (sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files)
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTEST_ADDOPTS": ""}
    run = subprocess.run(
        argv, cwd=request.config.rootpath, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    assert sorted(named - set(run.stdout.splitlines())) == []
