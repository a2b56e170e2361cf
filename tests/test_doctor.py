"""finwait doctor, on this machine and on made-up ones that lack one thing each."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from harness.doctor import examine, render, status
from harness.machine import TRACEPOINTS, Finding, Machine, State
from netns import privilege
from netns.trial import Trial

GOOD_TRIAL = Trial(way="root", lab_seconds=0.005, congestion=["reno", "cubic", "bbr"], tcp_info=280)


def _no(_: str) -> None:
    return None


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine that has everything, below a folder."""
    files = {
        "proc/sys/kernel/osrelease": "6.1.0-test\n",
        "proc/filesystems": "nodev\ttracefs\n",
        "proc/sys/user/max_user_namespaces": "96365\n",
        "dev/kvm": "",
    }
    for name, text in files.items():
        _write(tmp_path / name, text)
    for name in TRACEPOINTS:
        (tmp_path / "sys/kernel/tracing/events" / name).mkdir(parents=True)
    (tmp_path / "sys/kernel/tracing/instances").mkdir()
    environment = {"HOME": str(tmp_path)}
    return Machine(
        root=tmp_path,
        which=lambda name: f"/usr/bin/{name}",
        trial=lambda: GOOD_TRIAL,
        version=lambda name: f"{len(name)}.0",
        python=(3, 11, 2),
        user=1000,
        tick_seconds=lambda: 0.004,
        environment=environment.get,
    )


def _write(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def _finding(machine: Machine, what: str) -> Finding:
    (found,) = [finding for finding in examine(machine) if finding.what == what]
    return found


def _printed(findings: tuple[Finding, ...]) -> str:
    file = io.StringIO()
    render(findings, file)
    return file.getvalue()


def test_a_machine_with_everything_lacks_nothing(machine: Machine) -> None:
    findings = examine(machine)
    not_fine = {finding.what: finding.seen for finding in findings if finding.state is not State.OK}
    room_of_this_machine = "cache"
    assert {what for what in not_fine if what != room_of_this_machine} == {"KVM"}
    assert status(findings) == 0


def test_this_machine_can_be_examined() -> None:
    privilege.ensure()
    findings = examine()
    assert status(findings) == 0
    assert {"Python", "lab", "kernel", "tracefs", "KVM", "cache"} <= {finding.what for finding in findings}
    assert all(finding.seen and finding.purpose for finding in findings)


@pytest.mark.parametrize(
    ("change", "what", "state", "seen", "remedy"),
    [
        ({"python": (3, 10, 4)}, "Python", State.MISSING, "Python 3.10.4", "make PYTHON=/path/to/python3.11 setup"),
        (
            {"trial": lambda: Trial(error="no namespaces; why; try: sudo, with the same command")},
            "lab",
            State.MISSING,
            "no namespaces; why",
            "sudo, with the same command",
        ),
        (
            {"trial": lambda: replace(GOOD_TRIAL, not_pinned={"net/ipv4/tcp_sack": "Permission denied"})},
            "sysctls",
            State.LIMITED,
            "not pinned: net.ipv4.tcp_sack (Permission denied)",
            "",
        ),
        (
            {"trial": lambda: replace(GOOD_TRIAL, ipv6="Address family not supported by protocol")},
            "IPv6",
            State.MISSING,
            "Address family not supported by protocol",
            "boot without ipv6.disable=1",
        ),
        (
            {"trial": lambda: replace(GOOD_TRIAL, sock_diag="the kernel has no inet_diag")},
            "sock_diag",
            State.MISSING,
            "the kernel has no inet_diag",
            "sudo modprobe tcp_diag",
        ),
        ({"trial": lambda: replace(GOOD_TRIAL, tcp_info=0)}, "TCP_INFO", State.MISSING, "nothing", ""),
        (
            {"trial": lambda: replace(GOOD_TRIAL, stamps="a frame came without one")},
            "timestamps",
            State.MISSING,
            "a frame came without one",
            "",
        ),
        (
            {"trial": lambda: replace(GOOD_TRIAL, congestion=["reno", "cubic"])},
            "congestion controls",
            State.LIMITED,
            "reno, cubic",
            "sudo modprobe -a tcp_bbr",
        ),
        ({"which": _no}, "compiler", State.MISSING, "no gcc, make, flex, bison, bc", "sudo apt-get install"),
        ({"which": _no}, "QEMU", State.MISSING, "no qemu-system-x86_64", "sudo apt-get install qemu-system-x86"),
        ({"which": _no, "user": 0}, "nginx", State.MISSING, "no nginx", "apt-get install nginx"),
        ({"which": _no}, "strace", State.MISSING, "no strace", "sudo apt-get install strace"),
        ({"which": _no}, "tshark", State.MISSING, "no tshark", "sudo apt-get install tshark"),
    ],
)
def test_what_is_missing_is_named_with_the_command_that_helps(
    machine: Machine, change: dict[str, Any], what: str, state: State, seen: str, remedy: str
) -> None:
    found = _finding(replace(machine, **change), what)
    assert found.state is state
    assert found.seen.startswith(seen)
    assert found.remedy.startswith(remedy)
    assert bool(found.remedy) == bool(remedy)


@pytest.mark.parametrize("what", ["Python", "lab"])
def test_only_what_the_main_job_needs_makes_the_status_1(machine: Machine, what: str) -> None:
    without_tools = examine(replace(machine, which=_no))
    assert status(without_tools) == 0
    lost = tuple(replace(item, state=State.MISSING) if item.what == what else item for item in without_tools)
    assert status(lost) == 1
    assert f"The running kernel cannot be examined: {what} is missing." in _printed(lost)


def test_a_library_that_is_not_installed_is_named(machine: Machine) -> None:
    def version(name: str) -> str:
        if name == "netaddr":
            raise PackageNotFoundError(name)
        return "1.0"

    found = _finding(replace(machine, version=version), "Python")
    assert (found.state, found.remedy) == (State.MISSING, "make setup")
    assert found.seen.endswith("without netaddr")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1"),
        ("kernel/unprivileged_userns_clone", "0"),
        ("user/max_user_namespaces", "0"),
    ],
)
def test_a_setting_that_closes_the_way_without_root_is_named(machine: Machine, setting: str, value: str) -> None:
    _write(machine.root / "proc/sys" / setting, f"{value}\n")
    found = _finding(machine, "user namespaces")
    dotted = setting.replace("/", ".")
    assert f"sysctl {dotted} = {value}" in found.seen
    assert f"sudo sysctl -w {dotted}=" in found.remedy


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
    _write(machine.root / "proc/config.gz", gzip.compress(configuration.encode()))
    assert _finding(replace(machine, tick_seconds=tick), "kernel").seen == seen


def test_the_configuration_may_stand_in_boot_instead(machine: Machine) -> None:
    _write(machine.root / "boot/config-6.1.0-test", "CONFIG_HZ=100\n")
    assert "HZ 100 (its configuration)" in _finding(replace(machine, tick_seconds=_unknown), "kernel").seen


@pytest.mark.parametrize(
    "broken",
    [b"no gzip", b"\x1f\x8b\x08", gzip.compress(b"x")[:10] + b"\xff" * 9, gzip.compress(b"\xff")],
    ids=["another format", "cut short", "corrupted", "no text"],
)
def test_a_configuration_that_cannot_be_read_is_none(machine: Machine, broken: bytes) -> None:
    _write(machine.root / "proc/config.gz", broken)
    assert "HZ unknown" in _finding(replace(machine, tick_seconds=_unknown), "kernel").seen


def test_tracefs_that_is_not_mounted_names_the_mount(machine: Machine) -> None:
    (machine.root / "sys").rename(machine.root / "gone")
    found = _finding(machine, "tracefs")
    assert (found.state, found.seen) == (State.LIMITED, "not mounted")
    assert found.remedy == "sudo mount -t tracefs tracefs /sys/kernel/tracing"


def test_a_kernel_without_tracefs_is_told_from_one_that_did_not_mount_it(machine: Machine) -> None:
    (machine.root / "sys").rename(machine.root / "gone")
    _write(machine.root / "proc/filesystems", "nodev\tsysfs\n")
    assert _finding(machine, "tracefs").seen == "this kernel has none"


def test_a_tracepoint_that_the_kernel_lacks_is_named(machine: Machine) -> None:
    (machine.root / "sys/kernel/tracing/events" / TRACEPOINTS[0]).rmdir()
    found = _finding(machine, "tracefs")
    assert (found.state, found.seen) == (State.LIMITED, f"without {TRACEPOINTS[0]}")


def test_tracefs_of_root_alone_is_limited(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: object) -> list[str]:
        raise PermissionError

    monkeypatch.setattr(os, "listdir", closed)
    assert _finding(machine, "tracefs").seen == "/sys/kernel/tracing is for root only"


def test_kvm_is_never_called_working(machine: Machine) -> None:
    assert "not tried" in _finding(machine, "KVM").seen
    (machine.root / "dev/kvm").unlink()
    assert _finding(machine, "KVM").state is State.MISSING


def test_nginx_outside_of_the_path_is_found(machine: Machine) -> None:
    _write(machine.root / "usr/sbin/nginx", "")
    found = _finding(replace(machine, which=_no), "nginx")
    assert (found.state, found.seen) == (State.OK, "/usr/sbin/nginx")


@pytest.mark.parametrize(("free", "state"), [(4 * 2**30, State.LIMITED), (5 * 2**30, State.OK), (2**40, State.OK)])
def test_room_in_the_cache_is_measured(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, free: int, state: State
) -> None:
    really = os.statvfs("/")
    figures = os.statvfs_result((4096, 4096, *really[2:4], free // 4096, *really[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: figures)
    found = _finding(machine, "cache")
    assert found.state is state
    assert found.seen == f"{free / 2**30:.1f} GiB free for {machine.root}/.cache/finwait"


def test_the_cache_is_where_the_environment_says(machine: Machine, tmp_path: Path) -> None:
    environment = {"HOME": "/nowhere", "XDG_CACHE_HOME": str(tmp_path)}
    assert _finding(replace(machine, environment=environment.get), "cache").seen.endswith(f" for {tmp_path}/finwait")


def test_a_cache_that_may_not_be_written_is_named(machine: Machine) -> None:
    # where not even root may make a folder
    found = _finding(replace(machine, environment={"XDG_CACHE_HOME": "/proc/self"}.get), "cache")
    assert found.state is not State.OK


def test_the_text_is_plain_where_it_is_piped(machine: Machine) -> None:
    text = _printed(examine(replace(machine, which=_no)))
    assert "\x1b" not in text
    lines = text.splitlines()
    assert lines[0].startswith("ok      Python")
    at = next(number for number, line in enumerate(lines) if line.startswith("missing compiler"))
    assert lines[at + 1].strip().startswith("for kernels with virtual time")
    assert lines[at + 2].strip() == "do: sudo apt-get install gcc make flex bison bc"
    assert lines[-1] == "The running kernel can be examined: make reproduce"


def test_a_long_line_is_not_broken(machine: Machine) -> None:
    lines = _printed(examine(replace(machine, trial=lambda: Trial(error="x" * 400)))).splitlines()
    assert any(line.startswith("missing lab") and line.endswith("x" * 400) for line in lines)


def test_what_a_machine_says_is_not_taken_for_markup(machine: Machine) -> None:
    text = _printed(examine(replace(machine, trial=lambda: Trial(error="[bold]x[/nonsense]"))))
    assert "[bold]x[/nonsense]" in text
