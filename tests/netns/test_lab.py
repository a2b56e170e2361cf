"""The lab: ready when it is entered, alone on the machine, and gone when its process is gone."""

from __future__ import annotations

import os
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2.ethtool.ioctl import IoctlEthtool
from pyroute2.netlink.exceptions import NetlinkError

from netns import link, sysctls
from netns.conditions import RTO_MIN_MS, TABLE, Kind, Scope, Settings
from netns.enter import Namespace
from netns.errors import FinwaitError, Unsupported
from netns.lab import Closer, Lab
from netns.link import KERNEL_END, PEER_END, netlink
from netns.rtnetlink import Rtnetlink

SECONDS = 5.0
ETH_P_ARP = 0x0806

# A lab with a connection, which reaches the kernel's own address through its loopback.
HOLD_A_CONNECTION = """
import signal, socket
from netns import privilege
from netns.lab import Lab
from netns.link import netlink
privilege.ensure()
with Lab() as lab:
    with netlink(lab.kernel) as route:
        route.link("set", index=1, state="up")
    with lab.kernel.entered():
        listener = socket.create_server((lab.plan.kernel.ipv4, 0))
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    print(lab.peer.inode, lab.kernel.inode, flush=True)
    signal.pause()
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as opened:
        yield opened


def _names(namespace: Namespace) -> set[str]:
    with namespace.entered():
        return {name for _, name in socket.if_nameindex()}


def _attributes(namespace: Namespace, name: str) -> dict[str, object]:
    with netlink(namespace) as route:
        return dict(route.link("get", ifname=name)[0]["attrs"])


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _asks_for_the_kernel(lab: Lab) -> bytes:
    """An ARP request (RFC 826) of the peer for the kernel's address, as a frame."""
    sender = _mac(lab.plan.peer.mac) + socket.inet_aton(lab.plan.peer.ipv4)
    request = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + sender + bytes(6) + socket.inet_aton(lab.plan.kernel.ipv4)
    return b"\xff" * 6 + _mac(lab.plan.peer.mac) + struct.pack("!H", ETH_P_ARP) + request


def test_both_ends_are_there_and_up(lab: Lab) -> None:
    assert _names(lab.peer) == {"lo", PEER_END}
    assert _names(lab.kernel) == {"lo", KERNEL_END}
    assert _attributes(lab.peer, PEER_END)["IFLA_OPERSTATE"] == "UP"
    assert _attributes(lab.kernel, KERNEL_END)["IFLA_OPERSTATE"] == "UP"


def test_the_first_frame_is_answered(lab: Lab) -> None:
    with lab.peer.entered():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP))
    with wire:
        wire.bind((PEER_END, ETH_P_ARP))
        wire.send(_asks_for_the_kernel(lab))
        assert select.select([wire], [], [], SECONDS)[0], "no answer"
        assert wire.recv(100)[6:12] == _mac(lab.plan.kernel.mac)


def test_the_peers_side_has_no_address_and_never_gets_one(lab: Lab) -> None:
    with netlink(lab.peer) as route:
        assert list(route.get_addr()) == []


def test_the_kernels_side_has_its_addresses_and_nothing_to_announce(lab: Lab) -> None:
    with netlink(lab.kernel) as route:
        found = {message.get_attr("IFA_ADDRESS"): message["flags"] for message in route.get_addr()}
    loopback = {"127.0.0.1", "::1"}
    assert set(found) == {lab.plan.kernel.ipv4, lab.plan.kernel.ipv6} | loopback, "no link-local address either"
    tentative = 0x40
    assert not found[lab.plan.kernel.ipv6] & tentative


def test_the_route_holds_the_timers_off_and_pins_the_congestion_control(lab: Lab) -> None:
    assert _metrics(lab) == {4: (RTO_MIN_MS, True, "reno"), 6: (RTO_MIN_MS, True, "reno")}


def test_timers_are_the_kernels_own_where_a_scenario_is_about_them() -> None:
    with Lab(Settings.FREE) as lab, lab.kernel.entered():
        assert _metrics(lab) == {4: (None, False, "reno"), 6: (None, False, "reno")}
        assert sysctls.read("net/ipv4/tcp_orphan_retries") == "0"
        assert sysctls.read("net/ipv4/tcp_early_retrans") == "3", "the tail loss probe is a timer too"


def test_with_the_kernels_own_settings_only_what_a_lab_needs_is_pinned() -> None:
    fresh = Namespace.create()
    with Lab(Settings.DEFAULTS) as lab:
        seen = {}
        for name, namespace in (("lab", lab.kernel), ("own", fresh)):
            with namespace.entered():
                seen[name] = {row.name: sysctls.read(row.name) for row in TABLE if row.kind is Kind.SYSCTL}
        assert _metrics(lab) == {4: (None, False, None), 6: (None, False, None)}
    fresh.close()
    changed = {name for name, value in seen["lab"].items() if value != seen["own"][name]}
    assert changed <= {row.name for row in TABLE if row.scope is Scope.EVERY_LAB}
    assert "net/ipv6/conf/default/accept_dad" in changed


def _metrics(lab: Lab) -> dict[int, tuple[int | None, bool, str | None]]:
    """By IP version the route's least timeout in ms, whether that is locked, and its congestion control."""
    found: dict[int, tuple[int | None, bool, str | None]] = {}
    for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        with netlink(lab.kernel) as route:
            routes = [
                message.get_attr("RTA_METRICS")
                for message in route.get_routes(family=family)
                if message.get_attr("RTA_DST") == lab.plan.peer.address(version)
            ]
        (metrics,) = routes
        if metrics is None:
            found[version] = None, False, None
            continue
        locked = bool((metrics.get_attr("RTAX_LOCK") or 0) >> 13 & 1)
        found[version] = metrics.get_attr("RTAX_RTO_MIN"), locked, metrics.get_attr("RTAX_CC_ALGO")
    return found


def test_no_offload_is_left_that_makes_other_segments(lab: Lab) -> None:
    for namespace, name in ((lab.peer, PEER_END), (lab.kernel, KERNEL_END)):
        with namespace.entered():
            device = IoctlEthtool(name)
            try:
                on = {name for name, active, *_ in device.get_features() if active and _changes_segments(name)}
            finally:
                device.close()
        assert not on


def _changes_segments(feature: str) -> bool:
    # what stands for tunnels and UDP does not touch a TCP segment
    return feature.startswith(
        ("tx-tcp-seg", "tx-tcp6", "tx-checksum", "tx-scatter-gather", "tx-generic-seg", "rx-gro", "rx-lro")
    )


@pytest.mark.parametrize("mtu", [1280, 9000, 65535])
def test_the_mtu_is_that_of_both_ends(mtu: int) -> None:
    with Lab(mtu=mtu) as lab:
        assert _attributes(lab.peer, PEER_END)["IFLA_MTU"] == mtu
        assert _attributes(lab.kernel, KERNEL_END)["IFLA_MTU"] == mtu


@pytest.mark.parametrize("mtu", [0, 1279, 65536])
def test_an_mtu_that_cannot_be_is_refused_in_one_line(mtu: int) -> None:
    with pytest.raises(FinwaitError, match=rf"MTU of {mtu}; IPv6 needs 1280 .*; try: mtu=1500"):
        Lab(mtu=mtu)


def test_labs_at_once_do_not_know_of_each_other(lab: Lab) -> None:
    with Lab() as other:
        assert len({lab.peer.inode, lab.kernel.inode, other.peer.inode, other.kernel.inode}) == 4
        assert other.plan.kernel.ipv4 != lab.plan.kernel.ipv4
        assert _names(other.kernel) == {"lo", KERNEL_END}


@pytest.mark.usefixtures("lab")
def test_nothing_of_it_is_seen_from_outside() -> None:
    assert not {PEER_END, KERNEL_END} & {name for _, name in socket.if_nameindex()}


def test_a_lab_that_fails_half_way_leaves_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise FinwaitError("no")

    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(link, "connect", fails)
    with pytest.raises(FinwaitError, match="no"):
        Lab().__enter__()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_machine_that_gives_no_namespace_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("netns.enter.unshare", refuse)
    with pytest.raises(FinwaitError, match=r"could not be made \(No space left on device\); .*max_net_namespaces"):
        Lab().__enter__()


def test_a_kernel_without_veth_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NetlinkError(95, "Operation not supported")

    monkeypatch.setattr(Rtnetlink, "ask", refuse)
    with pytest.raises(Unsupported, match=r"\(Operation not supported\); the kernel has no veth driver; try: "):
        Lab().__enter__()


def _holders(inodes: set[int]) -> list[str]:
    """Processes with one of the namespaces as their own, or in an open descriptor."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        for link_path in [entry / "ns/net", *_children(entry / "fd"), *_children(entry / "task")]:
            try:
                target = (link_path / "ns/net" if link_path.parent.name == "task" else link_path).readlink()
            except OSError:
                continue  # it ended meanwhile, or is somebody else's
            if str(target) in {f"net:[{inode}]" for inode in inodes}:
                found.append(entry.name)
    return found


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def test_after_sigkill_nobody_holds_it_and_nothing_is_left(environment: dict[str, str]) -> None:
    outside = {name for _, name in socket.if_nameindex()}
    command = [sys.executable, "-c", HOLD_A_CONNECTION]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        inodes = {int(word) for word in child.stdout.readline().split()}
        assert len(inodes) == 2
        assert str(child.pid) in _holders(inodes), "the check itself must be able to see it"
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    assert _holders(inodes) == []
    assert {name for _, name in socket.if_nameindex()} == outside
    assert not Path("/proc", str(child.pid)).exists()


def test_the_closer_closes_on_a_thread_of_its_own_and_goes_on_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    closer = Closer()
    threads: list[threading.Thread] = []
    ended, done = threading.Event(), threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: ended.set())

    def fails() -> None:
        raise OSError("closed twice")

    closer.close(fails)
    assert ended.wait(SECONDS)
    closer._thread.join(SECONDS)  # type: ignore[union-attr]

    def succeeds() -> None:
        threads.append(threading.current_thread())
        done.set()

    closer.close(succeeds)
    assert done.wait(SECONDS)
    assert threads != [threading.current_thread()]
