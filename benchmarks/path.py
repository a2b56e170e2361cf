"""What the path between two kernels costs: time added to a round trip, and how many packets a second it forwards."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

from harness.errors import FinwaitError
from harness.live.calibration import calibrate
from harness.path.path import Path
from harness.trace.events import Timeline
from netns import conditions, link, sysctls
from netns.conditions import Kind, Settings
from netns.enter import Namespace
from netns.lab import PathLab
from netns.plan import Plan, plan
from netns.rtnetlink import Rtnetlink

ROUNDS = 2000
DOWNLOAD = 16_000_000
PORT = 8080
US = 1e3
SERVER = """
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print(flush=True)
while True:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while (asked := connection.recv(1)) == b"p":
        connection.sendall(asked)
    if asked == b"d":
        connection.sendall(bytes(int(sys.argv[3])))
    connection.close()
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured.

    Args:
        direct_us: round trips over a veth pair alone, in us, sorted.
        through_us: the same through the path.
        packets: that the path forwarded during the download, in both directions.
        seconds: that the download took.
    """

    direct_us: tuple[float, ...]
    through_us: tuple[float, ...]
    packets: int
    seconds: float

    @property
    def added_us(self) -> float:
        """What the path adds to a round trip, median against median."""
        return statistics.median(self.through_us) - statistics.median(self.direct_us)

    @property
    def packets_per_second(self) -> float:
        """How many packets it forwarded a second."""
        return self.packets / self.seconds


def report() -> Iterator[str]:
    """Lines with the figures."""
    found = measure()
    yield f"round trip, veth pair alone: median {statistics.median(found.direct_us):.1f} us"
    yield f"  through the path: median {statistics.median(found.through_us):.1f} us"
    yield f"  added by the path: {found.added_us:.1f} us (at most 100 us)"
    megabytes = DOWNLOAD / 1e6
    yield (
        f"download of {megabytes:.0f} MB through the path: {found.packets} packets in {found.seconds:.2f} s, "
        f"{found.packets_per_second:.0f} packets/s (at least 20000)"
    )


def measure() -> Figures:
    """Measure both. Client and server are a process each, as the path is a third."""
    profile = calibrate()
    with _direct() as (client, server, plan), _serving(server, plan) as address:
        direct = _round_trips(client, address)
    with PathLab() as lab, Path(lab, Timeline(), profile) as path, _serving(lab.server, lab.plan) as address:
        path.allow_rest()
        through = _round_trips(lab.client, address)
        path.settle()
        before = len(path.passages.all)
        seconds = _download(lab.client, address)
        path.settle()
        packets = len(path.passages.all) - before
    return Figures(tuple(sorted(direct)), tuple(sorted(through)), packets, seconds)


@contextmanager
def _direct() -> Iterator[tuple[Namespace, Namespace, Plan]]:
    """Two kernels joined by a veth pair and nothing else."""
    with ExitStack() as stack:
        client, server = Namespace.create(), Namespace.create()
        rows = conditions.in_effect(Settings.HELD, one_kernel=False)
        pinned = conditions.values(rows, Kind.SYSCTL)
        for namespace in (client, server):
            stack.callback(namespace.close)
            with namespace.entered():
                sysctls.pin(pinned)
        addresses = plan(0)
        metrics = conditions.values(rows, Kind.ROUTE)
        near = link.End(client, link.CLIENT_END, addresses.peer.mac)
        far = link.End(server, link.SERVER_END, addresses.kernel.mac)
        here, there = (stack.enter_context(Rtnetlink(namespace)) for namespace in (client, server))
        link.connect(near, far, here, 1500)
        link.address_end(here, near.name, addresses.peer, addresses.kernel, ipv6=False, metrics=metrics)
        link.address_end(there, far.name, addresses.kernel, addresses.peer, ipv6=False, metrics=metrics)
        here.await_up(near.name)
        there.await_up(far.name)
        yield client, server, addresses


@contextmanager
def _serving(namespace: Namespace, addresses: Plan) -> Iterator[tuple[str, int]]:
    """A server in a process of its own."""
    address = addresses.kernel.ipv4
    with namespace.entered():
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, address, str(PORT), str(DOWNLOAD)], stdout=subprocess.PIPE
        )
    with server.stdout or nullcontext() as said:
        if said:
            said.readline()
        yield address, PORT
    server.kill()
    server.wait()


def _connected(namespace: Namespace, address: tuple[str, int]) -> socket.socket:
    with namespace.entered():
        made = socket.create_connection(address, timeout=30)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _round_trips(client: Namespace, address: tuple[str, int]) -> list[float]:
    taken = []
    with _connected(client, address) as connection:
        connection.settimeout(None)
        for _ in range(ROUNDS):
            begin = time.perf_counter_ns()
            connection.sendall(b"p")
            connection.recv(1)
            taken.append((time.perf_counter_ns() - begin) / US)
    return taken


def _download(client: Namespace, address: tuple[str, int]) -> float:
    with _connected(client, address) as connection:
        begin = time.perf_counter()
        connection.sendall(b"d")
        received = 0
        while piece := connection.recv(1 << 18):
            received += len(piece)
        seconds = time.perf_counter() - begin
    if received != DOWNLOAD:
        raise FinwaitError(f"{received} of {DOWNLOAD} bytes came through the path")
    return seconds
