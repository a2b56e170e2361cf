"""Scenarios over several machines, which are processes here: the same results, also where machines die."""

from __future__ import annotations

import io
import platform
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from rich.console import Console

from harness.cluster import cluster, machine
from harness.cluster.address import LOCAL
from harness.cluster.cluster import Cluster
from harness.cluster.errand import Brought, CarriedKernel, ScenariosErrand
from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, parse
from harness.run.matrix import Found, run_on
from harness.run.request import Request
from harness.run.resume import ASKED
from harness.run.workers import Opener, on_this_machine
from harness.tcp.verdict import Outcome
from netns import privilege

CHECKOUT = Path(__file__).parents[2]
JUDGED = """
import os
import signal
from pathlib import Path

LEFT = Path({left!r})

def its_machine():
    at = os.getpid()
    while b"spawn_main" not in Path(f"/proc/{{at}}/cmdline").read_bytes():
        at = int(Path(f"/proc/{{at}}/stat").read_text().rpartition(")")[2].split()[1])
    return at

def test_that_conforms(established):
    assert established

def test_that_deviates(established):
    assert False, "as it should"

def test_that_is_the_end_of_machines(established):
    if count := int(LEFT.read_text()):
        LEFT.write_text(str(count - 1))
        os.kill(its_machine(), signal.SIGKILL)
        signal.pause()  # until this is ended with it
    assert established
"""
ONE_EACH = {"test_that_conforms": "conforms", "test_that_deviates": "deviates"}
DESCRIBED = "module: distributed\nclass: LocalCluster\nkwargs: {n_workers: 1, dashboard_address: '127.0.0.1:0'}\n"

needs_labs = pytest.mark.skipif(
    not privilege.has_capabilities(), reason="network namespaces need root or a user namespace"
)


def opener(where: str) -> Opener:
    quiet = Console(file=io.StringIO())
    return lambda output: Cluster(where, output, CHECKOUT, Cache.of_user(), quiet)


def judged(folder: Path, where: str = "", *, deaths: int = 0) -> Found:
    scenarios = folder / "scenarios"
    scenarios.mkdir(exist_ok=True)
    (folder / "left").write_text(str(deaths))
    (scenarios / "test_judged.py").write_text(JUDGED.format(left=str(folder / "left")))
    asked = opener(where) if where else on_this_machine(CHECKOUT, Console(file=io.StringIO()))
    return run_on([parse("host")], folder / f"out-{bool(where)}", [str(scenarios)], asked)


def outcomes(found: Found) -> dict[str, str]:
    (run,) = found.runs
    return {name.rpartition("::")[2]: result.outcome for name, result in run.results.items()}


@needs_labs
def test_results_are_those_of_one_machine(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(DESCRIBED)
    found, expected = judged(tmp_path, str(file)), judged(tmp_path)
    assert outcomes(found) == outcomes(expected) == ONE_EACH | {"test_that_is_the_end_of_machines": "conforms"}
    assert (found.failures, found.complete) == ((), True)
    (run,) = found.runs
    (deviates,) = (result for result in run.results.values() if result.outcome == Outcome.DEVIATES)
    assert run.timeline(deviates)
    assert {result.machine for result in run.results.values()} == {platform.node()}
    assert sorted(path.name for path in found.folder.iterdir()) == [ASKED, "host"]


@needs_labs
def test_machine_that_dies_costs_what_it_had_not_finished_and_another_does_it(tmp_path: Path) -> None:
    found = judged(tmp_path, LOCAL, deaths=1)
    assert outcomes(found) == ONE_EACH | {"test_that_is_the_end_of_machines": "conforms"}
    assert (tmp_path / "left").read_text() == "0"


@needs_labs
def test_what_two_machines_die_of_is_lost_and_says_so(tmp_path: Path) -> None:
    found = judged(tmp_path, LOCAL, deaths=2)
    assert found.failures == ("host: 2 machines went away while they saw to it",)
    assert not found.complete


@pytest.mark.parametrize("address", ["tcp://192.0.2.1:8786", "ws://scheduler.invalid", "tcp://[2001:db8::1]:8786"])
def test_scheduler_that_others_can_speak_to_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(FinwaitError, match="has no TLS"), opener(address)(tmp_path):
        pass


def test_tls_that_is_not_set_up_is_told_in_a_line(tmp_path: Path) -> None:
    with (
        pytest.raises(FinwaitError, match="wants TLS, which is not set up here"),
        opener("tls://127.0.0.1:1")(tmp_path),
    ):
        pass


def test_scheduler_that_is_not_there_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_SECONDS", 0.1)
    with (
        pytest.raises(FinwaitError, match=r"tcp://127\.0\.0\.1:1 cannot be used"),
        opener("tcp://127.0.0.1:1")(tmp_path),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_machine_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "__version__", "0.0.7")
    with pytest.raises(FinwaitError, match=r"has finwait .*, and this is 0\.0\.7"), opener(LOCAL)(tmp_path):
        pass


def test_machine_of_another_version_that_comes_later_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "get_worker", lambda: SimpleNamespace(local_directory="", address="tcp://there"))
    kernel, request = CarriedKernel(title="host", kind=KernelKind.HOST), Request(kernel="", timing="", arguments=())
    errand = ScenariosErrand(version="0.0.7", run="", kernel=kernel, folder="", request=request, checkout="")
    brought = msgspec.msgpack.decode(machine.see_to(msgspec.msgpack.encode(errand)), type=Brought)
    assert (brought.reply, brought.address) == (None, "tcp://there")
    assert "and 0.0.7 was needed" in brought.fault


@pytest.mark.parametrize(
    "text", ["", "module: harness\nclass: NoSuch\n", "module: no.such\nclass: A\n", "{", "kwargs: {}\n", "- a\n"]
)
def test_file_that_describes_no_cluster_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "cluster.yaml").write_text(text)
    with pytest.raises(FinwaitError, match="describes no cluster"), opener(str(tmp_path / "cluster.yaml"))(tmp_path):
        pass


def test_name_that_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FinwaitError, match="describes no cluster"), opener("lokal")(tmp_path):
        pass
