"""A tracer on the running kernel: what it tells of real connections, and what it leaves behind."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.probes import perf, records
from harness.probes.tracefs import Tracefs
from harness.probes.tracepoints import Tracer
from harness.trace.events import seen_text
from netns import privilege
from netns.enter import Namespace
from netns.lab import Lab
from tests.probes.conftest import Pair

_ETH_P_ALL = 3
CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def recording() -> Iterator[Tracer]:
    """One for the module: ending it costs a quarter of a second."""
    with Tracer() as tracer:
        yield tracer


@pytest.fixture
def tracer(recording: Tracer) -> Tracer:
    """The module's tracer, emptied; comes before the sockets of a test."""
    if reason := recording.unavailable():
        pytest.skip(reason)
    recording.begin()
    return recording


def test_the_states_of_a_passive_close(tracer: Tracer, pair: Pair) -> None:
    since = time.time_ns()
    pair.client.close()
    assert pair.server.recv(1) == b""
    pair.acknowledge()
    pair.server.close()
    found = tracer.collect(pair.server_name, pair.client_name, since, time.time_ns())
    assert [(event.was, event.state) for event in found if event.state] == [
        ("ESTABLISHED", "CLOSE-WAIT"),
        ("CLOSE-WAIT", "LAST-ACK"),
        ("LAST-ACK", "CLOSED"),
    ]
    other = tracer.collect(pair.client_name, pair.server_name, since, time.time_ns(), connection=2)
    assert [event.state for event in other] == ["FIN-WAIT-1", "FIN-WAIT-2", ""]
    assert {event.connection for event in other} == {2}
    assert all(since <= event.at <= time.time_ns() for event in found + other)


def test_the_opening_is_told_of_both_sides(tracer: Tracer, pair: Pair) -> None:
    server = tracer.collect(pair.server_name, pair.client_name, 0, time.time_ns())
    client = tracer.collect(pair.client_name, pair.server_name, 0, time.time_ns())
    assert [event.state for event in server if event.state] == ["SYN-RECEIVED", "ESTABLISHED"]
    assert [event.state for event in client if event.state] == ["SYN-SENT", "ESTABLISHED"]


def test_an_arriving_segment_shows_the_sequence_numbers(tracer: Tracer, pair: Pair) -> None:
    if not tracer.has(records.ARRIVAL, field="snd_una"):
        pytest.skip(f"this kernel has no {records.ARRIVAL}")
    pair.server.sendall(b"seven b")
    assert pair.client.recv(100) == b"seven b"
    pair.client.sendall(b"x")
    found = tracer.collect(pair.server_name, pair.client_name, 0, time.time_ns())
    arrivals = [event.details for event in found if event.what == "arrives"]
    spans = [(int(details["snd_una"]), int(details["snd_nxt"])) for details in arrivals]
    # the segment that acknowledges is seen before its acknowledgment counts
    una = next(una for una, nxt in spans if (nxt - una) % 2**32 == 7)
    assert spans[-1] == ((una + 7) % 2**32,) * 2
    again = tracer.collect(pair.server_name, pair.client_name, 0, time.time_ns(), origin=una - 1)
    assert any(event.details == {"snd_una": 1, "snd_nxt": 8} for event in again)


def test_what_is_outside_the_time_asked_for_is_left_out(tracer: Tracer, pair: Pair) -> None:
    now = time.time_ns()
    assert tracer.collect(pair.server_name, pair.client_name, now, now) == []


def test_another_connection_is_left_out(tracer: Tracer, pair: Pair) -> None:
    assert tracer.collect(("198.18.0.2", 9), pair.client_name, 0, time.time_ns()) == []


def test_a_drop_and_a_reset_have_their_reason(tracer: Tracer, pair: Pair) -> None:
    if not tracer.has(records.DROP, field="reason"):
        pytest.skip("this kernel has no drop reasons")
    since = time.time_ns()
    pair.client.close()
    pair.server.sendall(b"nobody reads this")
    found = tracer.collect(pair.client_name, pair.server_name, since, time.time_ns())
    assert any(event.what == "sends a reset" for event in found)
    peer = tracer.collect(pair.server_name, pair.client_name, since, time.time_ns())
    assert any(event.what == "takes a reset" for event in peer)


def test_a_segment_for_which_there_is_no_socket(tracer: Tracer) -> None:
    if not tracer.has(records.DROP, field="reason"):
        pytest.skip("this kernel has no drop reasons")
    with Lab() as lab:
        plan = lab.plan
        with lab.peer.entered():
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        with wire:
            wire.bind(("peer0", _ETH_P_ALL))
            wire.settimeout(5)
            since = time.time_ns()
            wire.send(_syn(plan.peer.mac, plan.kernel.mac, plan.peer.ipv4, plan.kernel.ipv4))
            while wire.recv(100)[23] != socket.IPPROTO_TCP:
                pass
        texts = [
            seen_text(event)
            for event in tracer.collect((plan.kernel.ipv4, 9), (plan.peer.ipv4, 1024), since, time.time_ns())
        ]
    # and nothing of what the peer's namespace does with the reset that it gets
    assert [text for text in texts if text.startswith("dropped")] == ["dropped: NO_SOCKET"]


def _syn(source_mac: str, target_mac: str, source: str, target: str) -> bytes:
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    tcp = struct.pack("!HHIIBBHHH", 1024, 9, 1, 0, 0x50, 0x02, 1000, 0, 0)
    tcp = tcp[:16] + _checksum(addresses + struct.pack("!HH", 6, len(tcp)) + tcp) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + addresses
    ip = ip[:10] + _checksum(ip) + ip[12:]
    macs = bytes.fromhex((target_mac + source_mac).replace(":", ""))
    return macs + struct.pack("!H", 0x0800) + ip + tcp


def _checksum(content: bytes) -> bytes:
    total = sum(struct.unpack(f"!{len(content) // 2}H", content))
    return struct.pack("!H", ~(total % 0xFFFF) & 0xFFFF)


def test_an_overrun_is_named(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perf, "PAGES", 1)
    with Tracer() as small:
        if reason := small.unavailable():
            pytest.skip(reason)
        with namespace.entered():
            for _ in range(100):
                listener = socket.create_server(("127.0.0.1", 0))
                listener.close()
        found = small.collect(("127.0.0.1", 1), ("127.0.0.1", 2), 0, time.time_ns())
        assert [event.what for event in found] == [
            "more happened on this machine than was recorded: from here on events may be missing"
        ]
        small.begin()
        assert small.collect(("127.0.0.1", 1), ("127.0.0.1", 2), 0, time.time_ns()) == []


def test_a_ring_is_read_past_its_end_without_a_loss(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perf, "PAGES", 8)  # the whole machine writes here: less is full when a neighbour is busy
    with Tracer() as small:
        if reason := small.unavailable():
            pytest.skip(reason)
        for _ in range(300):  # 300 times some 500 bytes go several times round 32768
            small.begin()
            with namespace.entered():
                listener = socket.create_server(("127.0.0.1", 0))
                client = socket.create_connection(listener.getsockname())
            here, there = client.getsockname(), client.getpeername()
            client.close()
            listener.close()
            found = small.collect(here, there, 0, time.time_ns())
            assert [event.state for event in found][:3] == ["SYN-SENT", "ESTABLISHED", "FIN-WAIT-1"]


def test_before_its_start_and_after_its_end_it_says_so_and_finds_nothing() -> None:
    tracer = Tracer()
    assert tracer.unavailable() == "no tracepoints: the tracer was not started"
    assert tracer.collect(("127.0.0.1", 1), ("127.0.0.1", 2), 0, 1) == []


AS_NOBODY = """
import ctypes, os
from harness.probes.tracepoints import Tracer
from netns import privilege
os.setgroups([]); os.setgid(65534); os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: else /proc/self stays root's after the change of user
if {namespace}:
    print(privilege.ensure())
with Tracer() as tracer:
    print(tracer.unavailable())
    assert tracer.collect(("127.0.0.1", 1), ("127.0.0.1", 2), 0, 1) == []
"""


@pytest.mark.parametrize("inside", [False, True], ids=["plain", "user namespace"])
def test_an_ordinary_user_is_told_why_there_are_none(inside: bool) -> None:
    if not privilege.is_root():
        pytest.skip("becoming another user needs root, outside a user namespace of one user")
    command = [sys.executable, "-c", AS_NOBODY.format(namespace=inside)]
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    if "may not make network namespaces" in ran.stderr:
        pytest.skip("ordinary users may not make user namespaces here")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1].startswith("no tracepoints: ")
    assert "needs root" in ran.stdout


KILLED = """
import os, signal
from harness.probes.tracepoints import Tracer
with Tracer() as tracer:
    print(tracer.unavailable(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_tracer_that_is_killed_leaves_no_mount_and_no_instance(tracer: Tracer) -> None:
    assert tracer.unavailable() is None
    mounts, instances = Path("/proc/self/mountinfo").read_text(), _instances()
    command = [sys.executable, "-c", KILLED]
    ran = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stdout.strip()) == (-signal.SIGKILL, "None")
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert _instances() == instances


def _instances() -> list[str]:
    tracefs = Tracefs()
    try:
        return tracefs.names("instances")
    finally:
        tracefs.close()
