"""Real boots in virtual time: they need a kernel built into the user's cache, and say so when it is not."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.kernels.boot.backend import Backend, Job, Run
from harness.kernels.boot.uml_virtual import START_NS, UmlVirtual
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, KernelSpec, known
from tests.kernels.conftest import LimitAt

BACKENDS = [UmlVirtual(spec, Cache.of_user()) for spec in known() if spec.kind is KernelKind.UML_VIRTUAL]


def backend_or_reason(backend: UmlVirtual) -> object:
    lacking = backend.available()
    marks = [pytest.mark.skipif(lacking is not None, reason=str(lacking))]
    return pytest.param(backend, marks=marks, id=backend.name)


every_version = pytest.mark.parametrize("kernel", [backend_or_reason(backend) for backend in BACKENDS])
BUILT = next((backend for backend in BACKENDS if backend.available() is None), None)
needs_one = pytest.mark.skipif(BUILT is None, reason=str(BACKENDS[0].available()))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "out put"
    folder.mkdir()
    return folder


def python(code: str, output: Path, *, virtual: float | None = None) -> Job:
    env = {"OUT": str(output)}
    return Job((sys.executable, "-c", code), output, output, env, real_limit=60, virtual_limit=virtual)


def run(kernel: UmlVirtual | None, job: Job, console: Callable[[str], None] | None = None) -> Run:
    assert kernel is not None
    return kernel.run(job, console)


@every_version
def test_two_hours_cost_nothing_and_the_status_passes_through(kernel: UmlVirtual, output: Path) -> None:
    backend: Backend = kernel
    code = """
import os, sys, time
start = time.monotonic()
time.sleep(7200)
with open(os.environ["OUT"] + "/slept", "w") as file:
    print(time.monotonic() - start, os.uname().release, file=file)
sys.exit(7)
"""
    ended = backend.run(python(code, output))
    assert (ended.status, ended.lost) == (7, None), ended.console
    slept, release = (output / "slept").read_text().split()
    assert 7200 <= float(slept) < 7200.01
    assert release.startswith(kernel.name.partition(":")[2] + ".")
    assert ended.seconds < 30
    assert [path.name for path in output.iterdir()] == ["slept"]


@every_version
def test_clock_starts_at_the_same_second_with_ten_behind_it(kernel: UmlVirtual, output: Path) -> None:
    code = "import json, time; print(json.dumps([time.clock_gettime(time.CLOCK_BOOTTIME), time.time()]))"
    ended = run(kernel, python(code, output))
    boot, now = next(json.loads(line) for line in ended.console if re.fullmatch(r"\[\d+\.\d+, \d+\.\d+\]", line))
    assert UmlVirtual.UPTIME <= boot < UmlVirtual.UPTIME + 0.5
    assert now == pytest.approx(START_NS / 1e9 + boot, abs=0.5)


EXCHANGE = """
import ctypes, json, os, select, socket, struct, time
import scapy.all as scapy
from pyroute2 import IPRoute

libc = ctypes.CDLL(None, use_errno=True)
def namespace():
    assert libc.unshare(0x40000000) == 0
    return os.open("/proc/self/ns/net", os.O_RDONLY)
theirs, ours = namespace(), namespace()
with IPRoute() as route:
    route.link("add", ifname="k", kind="veth", address="02:00:00:00:00:01",
               peer={"ifname": "p", "net_ns_fd": theirs, "address": "02:00:00:00:00:02"})
    index = route.link_lookup(ifname="k")[0]
    route.addr("add", index=index, address="192.0.2.1", prefixlen=24)
    route.link("set", index=index, state="up")
    route.neigh("add", dst="192.0.2.2", lladdr="02:00:00:00:00:02", ifindex=index, state=128)
assert libc.setns(theirs, 0x40000000) == 0
with IPRoute() as route:
    route.link("set", index=route.link_lookup(ifname="p")[0], state="up")
    route.poll(route.link, "dump", ifname="p", operstate="UP", timeout=5)
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
wire.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
wire.bind(("p", 0x0800))
assert libc.setns(ours, 0x40000000) == 0
server = socket.create_server(("192.0.2.1", 80))
frame = scapy.Ether(src="02:00:00:00:00:02", dst="02:00:00:00:00:01")
frame /= scapy.IP(src="192.0.2.2", dst="192.0.2.1")
seen = []
def send(**header):
    wire.send(bytes(frame / scapy.TCP(sport=4000, dport=80, window=65535, **header)))
def receive(until):
    while (left := until - time.monotonic()) > 0 and select.select([wire], [], [], left)[0]:
        data, ancillary, _, _ = wire.recvmsg(2048, 256)
        seconds, nanos = struct.unpack("ll", ancillary[0][2])
        segment = scapy.Ether(data)[scapy.TCP]
        seen.append((seconds * 10**9 + nanos, str(segment.flags), len(segment.payload)))
        if segment.flags.S:
            return segment.seq
send(flags="S", seq=100)
first = receive(time.monotonic() + 3)
send(flags="A", seq=101, ack=first + 1)
accepted, _ = server.accept()
accepted.sendall(b"x" * 10)
receive(time.monotonic() + 60)
relative = [((at - seen[0][0]) / 1e9, flags, length) for at, flags, length in seen]
with open(os.environ["OUT"] + "/seen.json", "w") as file:
    json.dump(relative, file)
"""


@every_version
def test_two_runs_of_one_exchange_keep_the_same_time(kernel: UmlVirtual, output: Path) -> None:
    runs = []
    for _ in range(2):
        ended = run(kernel, python(EXCHANGE, output))
        assert (ended.status, ended.lost) == (0, None), ended.console
        runs.append(json.loads((output / "seen.json").read_text()))
    first, second = runs
    assert [(flags, length) for _, flags, length in first] == [("SA", 0)] + [("PA", 10)] * (len(first) - 1)
    assert len(first) >= 8  # data that nobody acknowledges, for 60 s: sent again seven times and more
    assert [step[1:] for step in first] == [step[1:] for step in second]
    assert max(abs(a[0] - b[0]) for a, b in zip(first, second, strict=True)) <= 20e-6


@needs_one
def test_wait_for_ever_ends_at_the_virtual_limit(output: Path) -> None:
    code = "import os, select; open(os.environ['OUT'] + '/a', 'w').close(); select.select([], [], [])"
    ended = run(BUILT, python(code, output, virtual=300))
    assert ended.status is None
    assert ended.lost is not None
    assert ended.lost.startswith("hung: not done after 300 s of its own time")
    assert ended.seconds < 30
    assert [path.name for path in output.iterdir()] == ["a"]


@needs_one
def test_wait_for_ever_ends_without_a_limit_of_the_jobs(output: Path) -> None:
    ended = run(BUILT, python("import select; select.select([], [], [])", output))
    assert ended.lost is not None
    assert ended.lost.startswith("hung: not done after 86400 s of its own time")


@needs_one
def test_spin_that_stops_the_clock_hits_the_real_limit(output: Path, limit_at: LimitAt) -> None:
    spins = python("print('spinning', flush=True)\nwhile True: pass", output, virtual=1)
    ended = run(BUILT, spins, limit_at("spinning"))
    assert (ended.status, ended.lost) == (
        None,
        "hung: not done after 60 s of real time; last line: spinning",
    )


@needs_one
def test_panic_is_lost_with_its_trace_and_keeps_closed_files(output: Path) -> None:
    code = """
import os
with open(os.environ["OUT"] + "/closed", "w") as file:
    file.write("before")
with open("/proc/sysrq-trigger", "w") as trigger:
    trigger.write("c")
"""
    ended = run(BUILT, python(code, output))
    assert (ended.status, ended.lost) == (None, "kernel panic: sysrq triggered crash")
    assert any("Call Trace" in line for line in ended.console)
    assert (output / "closed").read_text() == "before"


def test_binary_without_virtual_time_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "linux"
    binary.write_bytes(b"\x7fELF no such option")
    backend = UmlVirtual(KernelSpec("own", KernelKind.UML_VIRTUAL, path=binary), Cache(tmp_path))
    assert "CONFIG_UML_TIME_TRAVEL_SUPPORT" in str(backend.available())


def test_kernel_that_was_not_fetched_is_named(tmp_path: Path) -> None:
    for backend in BACKENDS:
        lacking = UmlVirtual(backend.spec, Cache(tmp_path)).available()
        assert lacking is not None
        assert backend.name in lacking
        with pytest.raises(FinwaitError):
            UmlVirtual(backend.spec, Cache(tmp_path)).run(python("", tmp_path))
