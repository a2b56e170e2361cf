"""A kernel that is asked in batches: what kills it is found, and all else is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from harness.errors import FinwaitError
from harness.explore import kernels
from harness.explore.attempt import Act, Attempt, Noted, Order, OrderAnswer
from harness.explore.kernels import AskedKernel
from harness.kernels.boot.backend import Backend, Job, Run, Worker
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse
from harness.process import Stop

HARMLESS, DEADLY = Attempt((Act("listen"),)), Attempt((Act("listen"), Act("abort")))


class Mortal(Backend, Worker):
    """A kernel in memory: notes a state for each step, and panics over one call."""

    name = "mortal"

    def __init__(self) -> None:
        self.boots = 0
        self.status: int | None = 0

    def available(self) -> str | None:
        return None

    @contextmanager
    def boot(self, job: Job) -> Iterator[Worker]:  # noqa: ARG002
        self.boots += 1
        yield self

    def run(self, job: Job, console: Callable[[str], None] | None = None, *, last: bool = False) -> Run:  # noqa: ARG002
        (order,) = job.files.values()
        asked = msgspec.json.decode(order, type=Order)
        if DEADLY in asked.attempts:
            return Run(None, "kernel panic: of fright", (), 0.1)
        noted = [msgspec.Raw(msgspec.json.encode([Noted(10)] * len(one.steps))) for one in asked.attempts]
        Path(job.argv[-1]).write_bytes(msgspec.json.encode(OrderAnswer(tuple(noted))))
        return Run(self.status, None, ("it said why",), 0.1)


@pytest.fixture
def mortal(monkeypatch: pytest.MonkeyPatch) -> Mortal:
    backend = Mortal()
    monkeypatch.setattr(kernels, "backend_of", lambda *_: backend)
    return backend


@pytest.fixture
def kernel(mortal: Mortal, tmp_path: Path) -> Iterator[AskedKernel]:  # noqa: ARG001
    with Stop() as stop, AskedKernel(parse("host"), Cache.of_user(), tmp_path, tmp_path / "asked", stop) as asked:
        yield asked


def test_kernel_is_booted_once_for_many_batches(mortal: Mortal, kernel: AskedKernel) -> None:
    assert kernel.ask([HARMLESS] * 3) == kernel.ask([HARMLESS] * 3)
    assert mortal.boots == 1


def test_the_program_that_kills_it_is_found_and_all_others_are_answered(mortal: Mortal, kernel: AskedKernel) -> None:
    answers = kernel.ask([HARMLESS] * 5 + [DEADLY] + [HARMLESS] * 4)
    assert [number for number, one in enumerate(answers) if one is None] == [5]
    assert kernel.why_lost == {DEADLY: "kernel panic: of fright"}
    assert mortal.boots > 1


def test_kernel_that_cannot_have_a_lab_says_why_in_one_line(mortal: Mortal, kernel: AskedKernel) -> None:
    mortal.status = 1
    with pytest.raises(FinwaitError, match="host cannot run programs; it said why"):
        kernel.ask([HARMLESS])
