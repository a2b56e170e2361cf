"""Kernels that are asked several times: what is booted anew, and what is not."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse
from harness.run.jobs import Task, backend_of
from harness.run.request import KernelReply, Request
from harness.run.workers import Workers
from harness.trace.folder import make_folder

CHECKOUT = Path(__file__).parents[2]
SPEC = parse("uml-virtual:7.2")
TOLD = """
from pathlib import Path

def test_boot():
    print("\\nboot", Path("/proc/sys/kernel/random/boot_id").read_text())

def test_panic():
    Path("/proc/sysrq-trigger").write_text("c")
"""


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    """One kernel at a time."""
    if missing := backend_of(SPEC, Cache.of_user()).available():
        pytest.skip(missing)
    (tmp_path / "test_told.py").write_text(TOLD)
    folder = make_folder(tmp_path / "out")
    with Workers(folder, CHECKOUT, Cache.of_user(), Console(file=io.StringIO()), at_once=1) as several:
        yield several


def task(tmp_path: Path, number: int, test: str = "test_boot", *, virtual_limit: float = 86400.0) -> Task:
    asked = Request(
        kernel="one",
        timing="virtual",
        arguments=("-s", f"{tmp_path}/test_told.py::{test}"),
        virtual_limit=virtual_limit,
    )
    return Task(SPEC, tmp_path / "out" / str(number), asked)


def boots(replies: list[KernelReply]) -> list[str]:
    return [line for reply in replies for line in reply.console if line.startswith("boot ")]


def test_one_kernel_answers_all_requests_that_are_alike(workers: Workers, tmp_path: Path) -> None:
    first = workers.ask([task(tmp_path, 0), task(tmp_path, 1)], more=True)
    second = workers.ask([task(tmp_path, 2)])
    assert [reply.status for reply in (*first, *second)] == [0, 0, 0]
    assert len(boots([*first, *second])) == 3
    assert len(set(boots([*first, *second]))) == 1


def test_kernel_that_died_is_booted_anew_and_the_last_one_ends_itself(workers: Workers, tmp_path: Path) -> None:
    replies = workers.ask([task(tmp_path, 0), task(tmp_path, 1, "test_panic"), task(tmp_path, 2)], more=True)
    assert [reply.status for reply in replies] == [0, None, 0]
    assert replies[1].lost.startswith("kernel panic")
    assert len(set(boots(replies))) == 2
    (last,) = workers.ask([task(tmp_path, 3)])
    assert boots([last]) == boots([replies[2]])
    (other,) = workers.ask([task(tmp_path, 4)])
    assert boots([other]) != boots([last])


def test_kernel_whose_clock_has_run_far_is_booted_anew(workers: Workers, tmp_path: Path) -> None:
    long = task(tmp_path, 1, virtual_limit=49 * 86400.0)
    assert len(set(boots(workers.ask([task(tmp_path, 0), long])))) == 2
