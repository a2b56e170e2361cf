"""A processor for each guest, as long as there are any."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

from harness.kernels.boot.processor import kept_on, one_of_its_own
from harness.kernels.supply.cache import Cache


def test_each_guest_has_a_processor_that_no_other_has(tmp_path: Path) -> None:
    allowed = os.sched_getaffinity(0)
    cache = Cache(tmp_path)
    with ExitStack() as guests:
        given = []
        for _ in allowed:
            given.append(guests.enter_context(one_of_its_own(cache)))
        assert set(given) == allowed
        assert guests.enter_context(one_of_its_own(cache)) is None
    with one_of_its_own(cache) as again:
        assert again in allowed


def test_what_is_started_there_stays_there(tmp_path: Path) -> None:
    allowed = os.sched_getaffinity(0)
    with one_of_its_own(Cache(tmp_path)) as own:
        with kept_on(own):
            assert subprocess.check_output(["nproc"], text=True) == "1\n"
        assert os.sched_getaffinity(0) == allowed


def test_cache_that_cannot_be_written_costs_the_processor_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    allowed = os.sched_getaffinity(0)
    with one_of_its_own(Cache(tmp_path / "file" / "cache")) as own, kept_on(own):
        assert own is None
        assert os.sched_getaffinity(0) == allowed
