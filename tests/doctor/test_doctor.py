"""finwait doctor, on this machine and on made-up ones that lack one thing each."""

from __future__ import annotations

import io
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest
from rich.console import Console

from harness.doctor import examine, render, status
from harness.machine import Finding, Machine, State
from netns import privilege
from netns.trial import Trial
from tests.doctor.conftest import GOOD_TRIAL, finding, nothing, write


def _printed(findings: tuple[Finding, ...]) -> str:
    file = io.StringIO()
    render(findings, Console(file=file, highlight=False, soft_wrap=True))
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
        ({"which": nothing}, "compiler", State.MISSING, "no gcc, make, flex, bison, bc", "sudo apt-get install"),
        ({"which": nothing}, "QEMU", State.MISSING, "no qemu-system-x86_64", "sudo apt-get install qemu-system-x86"),
        ({"which": nothing, "user": 0}, "nginx", State.MISSING, "no nginx", "apt-get install nginx"),
        ({"which": nothing}, "strace", State.MISSING, "no strace", "sudo apt-get install strace"),
        ({"which": nothing}, "tshark", State.MISSING, "no tshark", "sudo apt-get install tshark"),
    ],
)
def test_what_is_missing_is_named_with_the_command_that_helps(
    machine: Machine, change: dict[str, Any], what: str, state: State, seen: str, remedy: str
) -> None:
    found = finding(replace(machine, **change), what)
    assert found.state is state
    assert found.seen.startswith(seen)
    assert found.remedy.startswith(remedy)
    assert bool(found.remedy) == bool(remedy)


@pytest.mark.parametrize("what", ["Python", "lab"])
def test_only_what_the_main_job_needs_makes_the_status_1(machine: Machine, what: str) -> None:
    without_tools = examine(replace(machine, which=nothing))
    assert status(without_tools) == 0
    lost = tuple(replace(item, state=State.MISSING) if item.what == what else item for item in without_tools)
    assert status(lost) == 1
    assert f"The running kernel cannot be tested: {what} is missing." in _printed(lost)


def test_a_library_that_is_not_installed_is_named(machine: Machine) -> None:
    def version(name: str) -> str:
        if name == "netaddr":
            raise PackageNotFoundError(name)
        return "1.0"

    found = finding(replace(machine, version=version), "Python")
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
    write(machine.root / "proc/sys" / setting, f"{value}\n")
    found = finding(machine, "user namespaces")
    dotted = setting.replace("/", ".")
    assert f"sysctl {dotted} = {value}" in found.seen
    assert f"sudo sysctl -w {dotted}=" in found.remedy


def test_the_text_is_plain_where_it_is_piped(machine: Machine) -> None:
    text = _printed(examine(replace(machine, which=nothing)))
    assert "\x1b" not in text
    lines = text.splitlines()
    assert lines[0].startswith("ok      Python")
    at = next(number for number, line in enumerate(lines) if line.startswith("missing compiler"))
    assert lines[at + 1].strip().startswith("for building kernels with virtual time")
    assert lines[at + 2].strip() == "do: sudo apt-get install gcc make flex bison bc"
    assert lines[-1] == "The running kernel can be tested; start with: make reproduce"


def test_lines_are_as_wide_as_there_are_columns_but_for_words_and_commands_that_are_copied(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lacking = replace(machine, which=nothing, trial=lambda: Trial(error=f"{'a reason ' * 20}{'x' * 400}"))
    lines = _printed(examine(lacking)).splitlines()
    assert any(line.strip() == "x" * 400 for line in lines)
    wide = [line.strip() for line in lines if len(line) > 80]
    assert [line for line in wide if " " in line and not line.startswith("do: ")] == []
    assert sum(line.startswith("missing lab") for line in lines) == 1


def test_what_a_machine_says_is_not_taken_for_markup(machine: Machine) -> None:
    text = _printed(examine(replace(machine, trial=lambda: Trial(error="[bold]x[/nonsense]"))))
    assert "[bold]x[/nonsense]" in text
