"""A cluster whose machines have addresses of their own: each is a process in namespaces, and any of them may fail.

It takes minutes, and waits for what takes time by itself: ``make nightly``.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.errors import Unsupported
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse
from harness.run.jobs import backend_of
from harness.tcp.timing import MS
from harness.trace.folder import RESULTS
from harness.trace.records import Result
from harness.trace.runs import load
from netns.enter import in_user_namespace
from netns.link import netlink
from netns.netem import impair
from tests.cluster.network import ADDRESS, CHECKOUT, SCHEDULER, Net

KERNELS = ("uml-virtual:7.2", "uml-virtual:6.1")
LECTURES = str(CHECKOUT / "scenarios" / "lectures")
SLOW = "2mbit"
"""What a slow link lets through of what a machine sends."""
TTL = "5s"
"""How long a scheduler hears nothing of a machine until it calls it gone."""

ENDS_THE_SCHEDULER = """
import os
import signal
from pathlib import Path

PID = Path({pid!r})

def test_before(established):
    assert established

def test_that_ends_the_scheduler(established):
    if PID.exists():
        pid = int(PID.read_text())
        PID.unlink()
        os.kill(pid, signal.SIGKILL)
    assert established
"""
STOPS_ITS_MACHINE = """
import os
import signal
from pathlib import Path

LEFT = Path({left!r})

def its_machine():
    at = os.getpid()
    while b"dask_worker" not in Path("/proc", str(at), "cmdline").read_bytes():
        at = int(Path("/proc", str(at), "stat").read_text().rpartition(")")[2].split()[1])
    return at

def test_before(established):
    assert established

def test_that_stops_the_machine(established):
    if LEFT.exists():
        LEFT.unlink()
        os.kill(its_machine(), signal.SIGSTOP)
    assert established
"""

pytestmark = [
    pytest.mark.skipif("FINWAIT_NIGHTLY" not in os.environ, reason="it takes minutes: make nightly"),
    pytest.mark.skipif(os.geteuid() != 0 or in_user_namespace(), reason="mounts and host names need root"),
]


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    """A scheduler, and no machine yet."""
    with ExitStack() as held:
        made = Net(held, tmp_path)
        command = ("-m", "distributed.cli.dask_scheduler", "--host=192.0.2.1", "--port=8786", "--no-dashboard")
        failures = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
        begun = made.start(
            SCHEDULER, (sys.executable, *command), DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL=TTL, **failures
        )
        (tmp_path / "scheduler.txt").write_text(str(begun.pid))
        yield made


def need(kernels: Sequence[str]) -> None:
    for kernel in kernels:
        if missing := backend_of(parse(kernel), Cache.of_user()).available():
            pytest.skip(missing)


def matrix(net: Net, folder: Path, name: str, *scenarios: str, kernels: Sequence[str], cluster: bool = True) -> Path:
    """Where the run folders of a matrix are that came to its end."""
    need(kernels)
    where = ("--cluster", ADDRESS, "--insecure-cluster") if cluster else ()
    asked = (one for kernel in kernels for one in ("--kernel", kernel))
    ended = net.finwait("matrix", *where, *asked, "--run-dir", str(folder), "--run-name", name, *scenarios)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder / name


def results(folder: Path) -> dict[tuple[str, str], Result]:
    """By kernel and scenario; each was told once."""
    found: dict[tuple[str, str], Result] = {}
    for run in sorted(path for path in folder.iterdir() if path.is_dir()):
        loaded = load(run)
        assert len((run / RESULTS).read_bytes().splitlines()) == len(loaded.record.planned)
        found |= {(run.name, name): result for name, result in loaded.results.items()}
    return found


def rows(folder: Path) -> dict[tuple[str, str], tuple[str, str, tuple[str, ...]]]:
    return {name: (one.outcome, one.answer, one.choices) for name, one in results(folder).items()}


def machines_of(folder: Path) -> set[str]:
    return {one.machine for one in results(folder).values()}


def test_two_machines_with_empty_caches_find_what_one_does(net: Net, tmp_path: Path) -> None:
    net.machine(11)
    net.machine(12)
    net.wait_for(2)
    found = matrix(net, tmp_path, "cluster", LECTURES, kernels=KERNELS)
    assert rows(found) == rows(matrix(net, tmp_path, "alone", LECTURES, kernels=KERNELS, cluster=False))
    assert machines_of(found) == {"machine-11", "machine-12"}


def test_machine_that_is_stopped_for_longer_than_it_may_be_silent_loses_nothing(net: Net, tmp_path: Path) -> None:
    (tmp_path / "left.txt").touch()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "test_stops.py").write_text(STOPS_ITS_MACHINE.format(left=str(tmp_path / "left.txt")))
    net.machine(11)
    net.machine(12)
    net.wait_for(2)
    found = matrix(net, tmp_path, "stopped", str(tmp_path / "own"), kernels=["host"])
    assert [one.outcome for one in results(found).values()] == ["conforms"] * 2
    assert not (tmp_path / "left.txt").exists()


def test_machine_without_room_for_a_kernel_leaves_it_to_another(net: Net, tmp_path: Path) -> None:
    net.machine(11, size="4m")
    net.wait_for(1)
    net.machine(12)
    net.wait_for(2)
    found = matrix(net, tmp_path, "full", LECTURES, kernels=KERNELS[:1])
    assert {one.outcome for one in results(found).values()} == {"conforms"}
    assert machines_of(found) == {"machine-12"}


def test_run_whose_scheduler_went_away_is_gone_on_with(net: Net, tmp_path: Path) -> None:
    scenarios = tmp_path / "own" / "test_ends.py"
    scenarios.parent.mkdir()
    scenarios.write_text(ENDS_THE_SCHEDULER.format(pid=str(tmp_path / "scheduler.txt")))
    net.machine(11)
    net.wait_for(1)
    asked = ("matrix", "--kernel=host", str(scenarios))
    where = ("--cluster", ADDRESS, "--insecure-cluster", f"--run-dir={tmp_path}", "--run-name=ended")
    ended = net.finwait(*asked, *where)
    assert (ended.returncode, "the scheduler went away" in ended.stdout) == (1, True), ended.stdout + ended.stderr
    again = net.finwait(*asked, f"--resume={tmp_path / 'ended'}")
    assert again.returncode == 0, again.stdout + again.stderr
    assert [one.outcome for one in results(tmp_path / "ended").values()] == ["conforms"] * 2


def test_far_link_changes_no_row(net: Net, tmp_path: Path) -> None:
    try:
        impair(net.place(11), "own", delay_ns=100 * MS)
    except Unsupported as error:
        pytest.skip(str(error))
    check_rows_over_the_link(net, tmp_path)


def test_slow_link_changes_no_row(net: Net, tmp_path: Path) -> None:
    with netlink(net.place(11)) as route:
        (index,) = route.link_lookup(ifname="own")
        route.tc("add", "tbf", index=index, handle="1:", rate=SLOW, burst=32 << 10, latency="400ms")
    check_rows_over_the_link(net, tmp_path)


def check_rows_over_the_link(net: Net, tmp_path: Path) -> None:
    net.machine(11)
    net.machine(12)
    net.wait_for(2)
    found = matrix(net, tmp_path, "slow", LECTURES, kernels=KERNELS[:1])
    assert rows(found) == rows(matrix(net, tmp_path, "alone", LECTURES, kernels=KERNELS[:1], cluster=False))


def test_search_loses_nothing_with_a_machine_that_is_killed(net: Net) -> None:
    need(KERNELS)
    asked = ("explore", *(f"--kernel={name}" for name in KERNELS), "--theme=closing", "--programs=600", "--seed=5")
    alone = net.finwait(*asked)
    doomed = net.machine(11, dies=True)
    net.machine(12)
    net.wait_for(2)
    found = net.finwait(*asked, "--cluster", ADDRESS, "--insecure-cluster")
    assert (found.returncode, found.stderr) == (1, "")
    died = os.waitid(os.P_PID, doomed.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    assert died is not None
    assert died.si_status == signal.SIGKILL
    assert findings(found.stdout) == findings(alone.stdout) != []


def findings(text: str) -> list[str]:
    """All that a search printed but for how long it took."""
    *lines, done, _ = (line for line in text.splitlines() if " a second; " not in line)
    return [*(line for line in lines if "the first after" not in line), done.rpartition(", in ")[0]]


def test_machine_of_another_version_is_refused_in_a_line(net: Net, tmp_path: Path) -> None:
    net.machine(11, version="0.0.7")
    net.wait_for(1)
    arguments = ("--cluster", ADDRESS, "--insecure-cluster", "--kernel=host", f"--run-dir={tmp_path}", LECTURES)
    ended = net.finwait("matrix", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("finwait: machine-11 at tcp://192.0.2.11:")
    assert "has finwait 0.0.7, and this is " in ended.stderr
    assert ended.stderr.count("\n") == 1
