"""``finwait doctor``: what this machine offers, what for, and what to do about what is missing."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from importlib import metadata

from rich.console import Console
from rich.text import Text

from harness import machine as machines
from harness.machine import Finding, Machine, State
from netns.trial import Trial

LIBRARIES = ("scapy", "pytest", "pyroute2", "netaddr", "msgspec", "rich", "jinja2", "cryptography")
LEAST_PYTHON = (3, 11)


def examine(machine: Machine | None = None) -> tuple[Finding, ...]:
    """Look at everything, without changing anything; takes about a second."""
    machine = machine or Machine()
    trial = machine.trial()
    return (
        _python(machine),
        _lab(trial),
        *_user_namespaces(machine),
        *([] if trial.error else _of_the_lab(machine, trial)),
        machines.kernel(machine),
        machines.tracefs(machine),
        machines.kvm(machine),
        *machines.tools(machine),
        machines.room(machine),
    )


def status(findings: tuple[Finding, ...]) -> int:
    """The exit status: 0 when the running kernel can be examined, otherwise 1."""
    return int(any(finding.needed and finding.state is State.MISSING for finding in findings))


def _python(machine: Machine) -> Finding:
    seen, absent = [f"Python {'.'.join(map(str, machine.python))}"], []
    for name in LIBRARIES:
        try:
            seen.append(f"{name} {machine.version(name)}")
        except metadata.PackageNotFoundError:
            absent.append(name)
    too_old = machine.python < LEAST_PYTHON
    if absent:
        seen.append(f"without {', '.join(absent)}")
    remedy = "make PYTHON=/path/to/python3.11 setup" if too_old else "make setup" if absent else ""
    state = State.MISSING if remedy else State.OK
    return Finding("Python", state, ", ".join(seen), "everything", remedy, needed=True)


def _lab(trial: Trial) -> Finding:
    purpose = "every scenario: two network namespaces and a veth pair between them"
    if trial.error:
        what, _, remedy = trial.error.partition("; try: ")
        return Finding("lab", State.MISSING, what, purpose, remedy, needed=True)
    return Finding("lab", State.OK, f"made in {trial.lab_seconds * 1000:.1f} ms, as {trial.way}", purpose, needed=True)


def _user_namespaces(machine: Machine) -> Iterator[Finding]:
    closed = (
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("user/max_user_namespaces", "0", "15000"),
    )
    for name, value, better in closed:
        if machine.read(f"proc/sys/{name}") == value:
            dotted = name.replace("/", ".")
            yield Finding(
                "user namespaces",
                State.LIMITED,
                f"closed to ordinary users by sysctl {dotted} = {value}",
                "running without root",
                f"sudo with the same command, or {machine.as_root(f'sysctl -w {dotted}={better}')}",
            )


def _of_the_lab(machine: Machine, trial: Trial) -> Iterator[Finding]:
    def works(what: str, why_not: str, purpose: str, remedy: str) -> Finding:
        if why_not:
            return Finding(what, State.MISSING, why_not, purpose, remedy)
        return Finding(what, State.OK, "works", purpose)

    if trial.not_pinned:
        unset = ", ".join(f"{name.replace('/', '.')} ({why})" for name, why in trial.not_pinned.items())
        yield Finding("sysctls", State.LIMITED, f"not pinned: {unset}", "the same conditions on every machine")
    else:
        yield Finding("sysctls", State.OK, "all pinned", "the same conditions on every machine")
    yield works("IPv6", trial.ipv6, "the scenarios over IPv6", "boot without ipv6.disable=1")
    yield works(
        "sock_diag",
        trial.sock_diag,
        "sockets without a process (orphans, TIME-WAIT) in reports",
        machine.as_root("modprobe tcp_diag"),
    )
    told = f"{trial.tcp_info} bytes" if trial.tcp_info else "nothing"
    state = State.OK if trial.tcp_info else State.MISSING
    yield Finding("TCP_INFO", state, told, "the kernel's own view of a connection, in failures")
    yield works("timestamps", trial.stamps, "response times by the kernel's own timestamps", "")
    absent = [name for name in ("cubic", "bbr") if name not in trial.congestion]
    yield Finding(
        "congestion controls",
        State.LIMITED if absent else State.OK,
        ", ".join(trial.congestion) or "none",
        "every scenario (reno), and those that name another one",
        machine.as_root("modprobe -a " + " ".join(f"tcp_{name}" for name in absent)) if absent else "",
    )


_STYLE = {State.OK: "green", State.LIMITED: "yellow", State.MISSING: "red"}


def render(findings: tuple[Finding, ...], console: Console) -> None:
    """Print the findings, one block each, as wide as the terminal, or 80 columns, but for commands, to be copied."""
    width = max((len(finding.what) for finding in findings), default=0)
    indent = " " * (8 + width + 2)
    for finding in findings:
        state = (f"{finding.state:<8}", _STYLE[finding.state])
        console.print(Text.assemble(state, f"{finding.what:<{width}}  {_set_in(finding.seen, indent, console.width)}"))
        console.print(Text(indent + _set_in(f"for {finding.purpose}", indent, console.width), "dim"))
        if finding.remedy:
            console.print(Text(f"{indent}do: {finding.remedy}"))
    lacking = [finding.what for finding in findings if finding.needed and finding.state is State.MISSING]
    if lacking:
        console.print(f"The running kernel cannot be tested: {', '.join(lacking)} is missing.")
    else:
        console.print("The running kernel can be tested; start with: make reproduce")


def _set_in(text: str, indent: str, width: int) -> str:
    """The text in lines, each but the first behind the indent; a word stays whole."""
    return f"\n{indent}".join(textwrap.wrap(text, width - len(indent), break_long_words=False, break_on_hyphens=False))
