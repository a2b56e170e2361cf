"""What doctor finds of a kernel, its tracepoints, tools and the cache, on made-up machines."""

from __future__ import annotations

import errno
import gzip
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from harness.machine import TRACEPOINTS, Machine, State
from harness.probes.tracefs import Tracefs
from tests.doctor.conftest import finding, nothing, write


def _unknown() -> float:
    raise OSError


@pytest.mark.parametrize(
    ("tick", "configuration", "seen"),
    [
        (lambda: 0.001, "", "6.1.0-test, HZ 1000 (its clock's tick)"),
        (lambda: 0.01, "CONFIG_HZ=250\n", "6.1.0-test, HZ 100 (its clock's tick)"),
        (lambda: 1e-9, "CONFIG_X=y\nCONFIG_HZ=300\n", "6.1.0-test, HZ 300 (its configuration)"),
        (_unknown, "# CONFIG_HZ=100 is not set\n", "6.1.0-test, HZ unknown"),
    ],
)
def test_the_tick_is_measured_or_read_or_unknown(
    machine: Machine, tick: Callable[[], float], configuration: str, seen: str
) -> None:
    write(machine.root / "proc/config.gz", gzip.compress(configuration.encode(), mtime=0))
    assert finding(replace(machine, tick_seconds=tick), "kernel").seen == seen


def test_the_configuration_may_stand_in_boot_instead(machine: Machine) -> None:
    write(machine.root / "boot/config-6.1.0-test", "CONFIG_HZ=100\n")
    assert "HZ 100 (its configuration)" in finding(replace(machine, tick_seconds=_unknown), "kernel").seen


@pytest.mark.parametrize(
    "broken",
    [b"no gzip", b"\x1f\x8b\x08", gzip.compress(b"x", mtime=0)[:10] + b"\xff" * 9, gzip.compress(b"\xff", mtime=0)],
    ids=["another format", "cut short", "corrupted", "no text"],
)
def test_a_configuration_that_cannot_be_read_is_none(machine: Machine, broken: bytes) -> None:
    write(machine.root / "proc/config.gz", broken)
    assert "HZ unknown" in finding(replace(machine, tick_seconds=_unknown), "kernel").seen


def test_tracefs_that_is_not_mounted_is_read_by_root_all_the_same(machine: Machine) -> None:
    (machine.root / "sys").rename(machine.root / "gone")
    unmounted = Mock(spec=Tracefs)
    found = finding(replace(machine, user=0, unmounted_tracefs=lambda: unmounted), "tracefs")
    assert (found.state, found.remedy) == (State.OK, "")
    assert found.seen == f"not mounted, but readable, with {len(TRACEPOINTS)} tracepoints"
    unmounted.close.assert_called_once_with()
    assert finding(replace(machine, user=1000), "tracefs").seen == "is for root only"


def test_tracefs_that_cannot_be_read_unmounted_names_the_mount(machine: Machine) -> None:
    def forbidden() -> Tracefs:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    (machine.root / "sys").rename(machine.root / "gone")
    found = finding(replace(machine, user=0, unmounted_tracefs=forbidden), "tracefs")
    assert (found.state, found.seen) == (State.LIMITED, "not mounted (Operation not permitted)")
    assert found.remedy == "mount -t tracefs tracefs /sys/kernel/tracing"


def test_a_kernel_without_tracefs_is_told_from_one_that_did_not_mount_it(machine: Machine) -> None:
    (machine.root / "sys").rename(machine.root / "gone")
    write(machine.root / "proc/filesystems", "nodev\tsysfs\n")
    assert finding(machine, "tracefs").seen == "this kernel has none"


def test_a_tracepoint_that_the_kernel_lacks_is_named(machine: Machine) -> None:
    (machine.root / "sys/kernel/tracing/events" / TRACEPOINTS[0]).rmdir()
    found = finding(machine, "tracefs")
    assert (found.state, found.seen) == (State.LIMITED, f"without {TRACEPOINTS[0]}")


def test_tracefs_of_root_alone_is_limited(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: object) -> list[str]:
        raise PermissionError

    monkeypatch.setattr(os, "listdir", closed)
    assert finding(machine, "tracefs").seen == "/sys/kernel/tracing is for root only"


def test_kvm_is_never_called_working(machine: Machine) -> None:
    assert "not tried" in finding(machine, "KVM").seen
    (machine.root / "dev/kvm").unlink()
    assert finding(machine, "KVM").state is State.MISSING


def test_nginx_outside_of_the_path_is_found(machine: Machine) -> None:
    write(machine.root / "usr/sbin/nginx", "")
    found = finding(replace(machine, which=nothing), "nginx")
    assert (found.state, found.seen) == (State.OK, "/usr/sbin/nginx")


@pytest.mark.parametrize(("free", "state"), [(4 * 2**30, State.LIMITED), (5 * 2**30, State.OK), (2**40, State.OK)])
def test_room_in_the_cache_is_measured(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, free: int, state: State
) -> None:
    really = os.statvfs("/")
    figures = os.statvfs_result((4096, 4096, *really[2:4], free // 4096, *really[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: figures)
    found = finding(machine, "cache")
    assert found.state is state
    assert found.seen == f"{free / 2**30:.1f} GiB free for {machine.root}/.cache/finwait"


def test_the_cache_is_where_the_environment_says(machine: Machine, tmp_path: Path) -> None:
    environment = {"HOME": "/nowhere", "XDG_CACHE_HOME": str(tmp_path)}
    assert finding(replace(machine, environment=environment.get), "cache").seen.endswith(f" for {tmp_path}/finwait")


def test_a_cache_that_may_not_be_written_is_named(machine: Machine) -> None:
    # where not even root may make a folder
    found = finding(replace(machine, environment={"XDG_CACHE_HOME": "/proc/self"}.get), "cache")
    assert found.state is not State.OK
