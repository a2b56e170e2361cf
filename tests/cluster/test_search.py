"""A search over several machines: what one finds, in parts that come back in their order, and little lost with one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.cli.main import main
from harness.cluster import kept_kernels
from harness.cluster.errand import Brought, CarriedKernel, ProgramsErrand, RanPrograms
from harness.cluster.handing_out import KILLERS, Ended, Wanted
from harness.cluster.machine import Workplace, stop
from harness.cluster.searched_kernel import SearchedKernel
from harness.errors import FinwaitError
from harness.explore.asked import UNKNOWN, KernelsGone
from harness.explore.attempt import Act, Attempt, Noted, Order
from harness.explore.explorer import Explorer
from harness.explore.themes import THEMES
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, parse
from harness.run.jobs import backend_of
from harness.run.request import KernelReply

PROGRAMS = [Attempt((Act("listen"), Act("recv", number))) for number in range(100)]


def told_of(program: Attempt) -> bytes:
    last = program.steps[-1]
    assert isinstance(last, Act)
    return msgspec.json.encode([Noted(1), Noted(1, result=f"{last.size}")])


class Machines:
    """A cluster in memory: two kernels' worth of machines, and what becomes of each part."""

    def __init__(self, becomes: Callable[[ProgramsErrand], Brought], places: Sequence[str] = ("one", "other")) -> None:
        self.handing_out: Any = self
        self.errands: list[tuple[str, ProgramsErrand]] = []
        self.stopped = threading.Event()
        self._becomes, self._places = becomes, places

    def places(self) -> Sequence[str]:
        return self._places

    def stop(self) -> None:
        self.stopped.set()

    def hand_out(self, wanted: Sequence[Wanted], ended: Ended) -> Iterator[tuple[int, Brought]]:  # noqa: ARG002
        for number, one in reversed(list(enumerate(wanted))):
            kernel = CarriedKernel(title=one.spec.title, kind=one.spec.kind)
            errand = one.errand(version="", run="", kernel=kernel, checkout="", files="", parcels=())
            assert isinstance(errand, ProgramsErrand)
            self.errands.append((one.near, errand))
            yield number, self._becomes(errand)


def any_answer(program: Attempt) -> bytes:
    return msgspec.json.encode([Noted(1)] * len(program.steps))


def nothing_ends(_: Sequence[Wanted], ended: Ended) -> Iterator[tuple[int, Brought]]:
    assert ended.get() is None
    yield from ()


def answered(errand: ProgramsErrand) -> Brought:
    return Brought(ran=RanPrograms(noted=tuple(map(told_of, errand.order.attempts))))


def searched(machines: Any, number: int = 0, among: int = 1, told: list[str] | None = None) -> SearchedKernel:  # noqa: ANN401
    tell = (told if told is not None else []).append
    return SearchedKernel(machines, parse("host"), Cache.of_user(), number, among, tell)


@pytest.mark.parametrize(
    ("kernels", "status"),
    [(("uml-virtual:7.2",), 0), (("uml-virtual:5.10", "uml-virtual:7.2"), 1)],
    ids=["against RFC 9293", "between kernels"],
)
def test_a_search_finds_on_machines_what_it_finds_on_one(
    kernels: tuple[str, ...], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in kernels:
        if missing := backend_of(parse(name), Cache.of_user()).available():
            pytest.skip(missing)
    asked = [f"--kernel={name}" for name in kernels]
    arguments = ("explore", *asked, "--programs", "60", "--seed", "5", "--theme", "closing")
    statuses, found = [], []
    for more in ((), ("--cluster", "local")):
        statuses.append(main([*arguments, *more]))
        lines = capsys.readouterr().out.splitlines()
        found.append([line for line in lines if " a second; " not in line and "the first after" not in line])
    assert found[0][:-2] == found[1][:-2]
    assert len(found[0]) > 2
    assert statuses == [status, status]
    assert "in 60 programs of seed 5" in found[1][-2]


def test_parts_are_put_together_in_the_order_of_the_programs() -> None:
    machines = Machines(answered)
    assert searched(machines).ask(PROGRAMS) == list(map(told_of, PROGRAMS))
    assert [(near, len(one.order.attempts)) for near, one in machines.errands] == [("other", 50), ("one", 50)]


def test_several_kernels_fill_all_places_alike() -> None:
    machines = Machines(answered, ("a", "b"))
    for number in range(3):
        searched(machines, number, 3).ask(PROGRAMS)
    assert sorted(near for near, _ in machines.errands) == ["a"] * 3 + ["b"] * 3


def test_few_programs_stay_together() -> None:
    machines = Machines(answered)
    searched(machines).ask(PROGRAMS[:39])
    assert len(machines.errands) == 1


def test_what_two_machines_died_of_is_lost_and_the_rest_is_known() -> None:
    deadly, told = PROGRAMS[70], list[str]()

    def dies(errand: ProgramsErrand) -> Brought:
        return Brought(reply=KernelReply(lost=KILLERS)) if deadly in errand.order.attempts else answered(errand)

    assert searched(Machines(dies), told=told).ask(PROGRAMS) == [*map(told_of, PROGRAMS[:50]), *[UNKNOWN] * 50]
    assert told == [f"host: 50 programs lost: {KILLERS}"]


def test_nothing_is_found_in_what_was_lost_and_it_is_counted() -> None:
    def lives(errand: ProgramsErrand) -> Brought:
        return Brought(ran=RanPrograms(noted=tuple(map(any_answer, errand.order.attempts))))

    lost = Machines(lambda _: Brought(reply=KernelReply(lost=KILLERS)))
    kernels = [searched(lost), searched(Machines(lives))]
    explorer = Explorer(kernels, THEMES["closing"], 1)
    explorer.explore(30, None)
    assert (explorer.found, explorer.programs, explorer.lost) == ([], 30, 30)


def test_kernel_that_two_machines_cannot_ask_ends_the_search() -> None:
    machines = Machines(lambda _: Brought(fault="no rights for a lab", machine="there"))
    with pytest.raises(FinwaitError, match="host cannot run programs; there: no rights for a lab"):
        searched(machines).ask(PROGRAMS)


def test_scheduler_that_goes_away_is_told_from_a_kernel_that_cannot_be_asked() -> None:
    def gone(_: ProgramsErrand) -> Brought:
        raise OSError("no route")

    with pytest.raises(KernelsGone, match=r"the scheduler went away \(no route\)"):
        searched(Machines(gone)).ask(PROGRAMS)


def test_who_ends_a_search_waits_for_no_machine() -> None:
    machines = Machines(answered)
    machines.hand_out = nothing_ends  # type: ignore[method-assign, assignment]
    kernel = searched(machines)
    threading.Timer(0.05, kernel.stop).start()
    with pytest.raises(FinwaitError, match="host was stopped"):
        kernel.ask(PROGRAMS)
    assert machines.stopped.is_set()


class Remembers:
    """A kernel in memory, and what became of it."""

    made: list[Remembers]

    def __init__(self, *_: object) -> None:
        self.made.append(self)
        self.code = None
        self.why_lost: dict[Attempt, str] = {}
        self.up = True

    def __enter__(self) -> Remembers:
        return self

    def __exit__(self, *_: object) -> None:
        self.up = False

    def stop(self) -> None:
        pass

    def ask(self, attempts: Sequence[Attempt], _: tuple[str, ...]) -> list[bytes]:
        self.why_lost[attempts[-1]] = "of fright"
        return list(map(told_of, attempts))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Remembers]:
    """The kernels that a machine booted."""
    monkeypatch.setattr(kept_kernels, "AskedKernel", Remembers)
    monkeypatch.setattr(Remembers, "made", [], raising=False)
    return Remembers.made


def errand(run: str, boot: int) -> ProgramsErrand:
    kernel = CarriedKernel(title="host", kind=KernelKind.HOST)
    order = Order(tuple(PROGRAMS[:3]))
    return ProgramsErrand(version="", run=run, kernel=kernel, checkout="", order=order, boot=boot)


def test_a_machine_keeps_a_kernel_up_until_another_boot_is_wanted_or_its_run_ends(
    made: list[Remembers], tmp_path: Path
) -> None:
    at = Workplace(Cache.of_user(), tmp_path, tmp_path)
    results = [kept_kernels.ran(errand("kept", boot), at).ran for boot in (0, 0, 1)]
    assert results == [RanPrograms(noted=tuple(map(told_of, PROGRAMS[:3])), why_lost={2: "of fright"})] * 3
    assert [one.up for one in made] == [False, True]
    kept_kernels.ran(errand("another", 0), at)
    with pytest.raises(StopIteration):
        stop("kept").send(None)
    assert [one.up for one in made] == [False, False, True]
    with pytest.raises(StopIteration):
        stop("another").send(None)
    assert list(tmp_path.iterdir()) == []


def test_a_kernel_that_nobody_asks_any_more_is_ended(
    made: list[Remembers], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()
    monkeypatch.setattr(Remembers, "__exit__", lambda *_: ended.set())
    monkeypatch.setattr(kept_kernels, "_IDLE_SECONDS", 0.01)
    kept_kernels.ran(errand("left", 0), Workplace(Cache.of_user(), tmp_path, tmp_path))
    assert (ended.wait(30), len(made)) == (True, 1)
