"""Which release a bisection without a tree asks next, and what it finds on kernels in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli.histories import Releases
from harness.cli.main import main
from harness.errors import FinwaitError
from harness.kernels.boot.uml_virtual import UmlVirtual
from harness.kernels.supply.apt import Source
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, known, parse
from harness.patch.bisecting import Bisection, Bisector, NothingLearnt
from harness.trace.records import Result
from harness.trace.runs import LoadedRun
from tests.conftest import run_record

SCENARIO = "scenarios/x.py::test_x"
ALL = [spec.name for spec in known() if spec.kind is KernelKind.DEBIAN]


def no_network() -> Source:
    raise FinwaitError("there is no network", why="a test")


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases(KernelKind.DEBIAN, Cache(tmp_path), no_network, Console())


def search(releases: Releases, outcome: Callable[[str], str], good: str, bad: str) -> Bisection:
    """Over releases that end as told; one that ends as ``gone`` cannot be had."""

    def ask(name: str) -> LoadedRun:
        if outcome(name) == "gone":
            raise NothingLearnt(f"{name} is gone")
        return LoadedRun(Path(), run_record(), {SCENARIO: Result(scenario=SCENARIO, outcome=outcome(name))})

    def apart(before: LoadedRun, after: LoadedRun) -> set[str]:
        return {SCENARIO} if before.results[SCENARIO].outcome != after.results[SCENARIO].outcome else set()

    bisector = Bisector(releases.candidates, ask, apart, lambda *_: None, lambda *_: None)
    found, scenario = bisector.ends(releases.named(good), releases.named(bad))
    bisector.narrow(found, scenario)
    return found


@pytest.mark.parametrize("first_bad", ["6.1", "6.12", "6.16", "6.17", "6.18", "7.2", "7.3"])
def test_release_is_found_in_three_between_eight(releases: Releases, first_bad: str) -> None:
    late = [name for name in ALL if releases_order(name) >= releases_order(f"debian:{first_bad}")]
    found = search(releases, lambda name: "deviates" if name in late else "conforms", "5.10", "debian:7.3")
    assert found.left == [found.bad] == [f"debian:{first_bad}"]
    assert releases_order(releases.before(found)) < releases_order(found.bad)
    assert len(found.runs) <= 2 + 3


def releases_order(name: str) -> list[int]:
    return [int(part) for part in name.partition(":")[2].split(".")]


def test_release_that_cannot_be_had_stays_among_those_left(releases: Releases) -> None:
    ends = {"debian:6.1": "gone", "debian:6.12": "deviates"}
    found = search(releases, lambda name: ends.get(name, "conforms"), "5.10", "6.12")
    assert (found.left, list(found.skipped)) == (["debian:6.1", "debian:6.12"], ["debian:6.1"])


def test_ends_in_the_wrong_order_and_alike(releases: Releases) -> None:
    for bad in ("5.10", "6.12"):
        with pytest.raises(FinwaitError, match="nothing between the ends"):
            search(releases, lambda _: "conforms", "6.12", bad)


def test_release_that_there_is_not_is_told_with_those_that_there_are(releases: Releases) -> None:
    with pytest.raises(FinwaitError, match=r"no release 5\.11 of debian; try: debian:5\.10, debian:6\.1,"):
        releases.named("5.11")


def test_change_between_releases_is_found_on_the_kernels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("uml-virtual:5.10", "uml-virtual:6.1", "uml-virtual:7.2"):
        if lacks := UmlVirtual(parse(name), Cache.of_user()).available():
            pytest.skip(str(lacks))
    scenario = "scenarios/closing/test_disorder.py::test_fin_overtaken_by_its_ack_is_acknowledged[shutdown_wr-IPv4-TS]"
    arguments = ["bisect", "--kernels", "uml-virtual", "5.10", "7.2", scenario, "--run-dir", str(tmp_path)]
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert "uml-virtual:6.1 is the first bad release; 3 kernels were asked, 0 skipped" in told
    assert "0 not compared" in told
