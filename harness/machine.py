"""What a machine offers apart from a lab: its kernel, tools and room. Each check gives findings and never fails."""

from __future__ import annotations

import enum
import gzip
import os
import platform
import re
import shutil
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from harness.probes.tracefs import Tracefs
from netns.trial import Trial, try_in_child

TRACEPOINTS = (
    "sock/inet_sock_set_state",
    "skb/kfree_skb",
    "tcp/tcp_probe",
    "tcp/tcp_retransmit_skb",
    "tcp/tcp_send_reset",
)
ROOMY = 5 * 2**30
"""Bytes; with less free than this the cache is called limited."""
_CLOCK_MONOTONIC_COARSE = 6  # include/uapi/linux/time.h; it advances once a tick


class State(enum.StrEnum):
    """How a thing stands: as it should be, in part or unknown, not there."""

    OK = "ok"
    LIMITED = "limited"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the machine has or lacks.

    Args:
        what: its name.
        state: how it stands.
        seen: what was found.
        purpose: what it is for.
        remedy: the command that helps, or what else does; empty where nothing is to be done.
        needed: without it the running kernel cannot be examined.
    """

    what: str
    state: State
    seen: str
    purpose: str
    remedy: str = ""
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the findings come from; a test hands in another one."""

    root: Path = Path("/")
    which: Callable[[str], str | None] = shutil.which
    trial: Callable[[], Trial] = try_in_child
    version: Callable[[str], str] = metadata.version
    python: tuple[int, ...] = sys.version_info[:3]
    user: int = os.geteuid()
    tick_seconds: Callable[[], float] = lambda: time.clock_getres(_CLOCK_MONOTONIC_COARSE)
    environment: Callable[[str], str | None] = os.environ.get
    unmounted_tracefs: Callable[[], Tracefs] = Tracefs

    def read(self, path: str) -> str | None:
        """A file's text; None where it is not there or may not be read."""
        try:
            return (self.root / path).read_text(errors="replace").strip()
        except OSError:
            return None

    def has(self, path: str) -> bool:
        """Whether it is there, and may be known to be there."""
        return os.path.exists(self.root / path)  # noqa: PTH110  (Path.exists raises where a folder is closed)

    def as_root(self, command: str) -> str:
        """The command as this user has to give it."""
        return command if self.user == 0 else f"sudo {command}"


def _configured_hz(machine: Machine, release: str) -> int | None:
    try:
        text = gzip.decompress((machine.root / "proc/config.gz").read_bytes()).decode(errors="replace")
    except (OSError, EOFError, zlib.error):
        text = machine.read(f"boot/config-{release}") or ""
    found = re.search(r"^CONFIG_HZ=(\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else None


def kernel(machine: Machine) -> Finding:
    """Its release, and how often its clock ticks: measured, else as configured, else unknown."""
    purpose = "every scenario; HZ is how many ticks a second its timers are rounded to"
    release = machine.read("proc/sys/kernel/osrelease") or platform.release()
    configured = _configured_hz(machine, release)
    try:
        measured = round(1 / machine.tick_seconds())
    except (OSError, ZeroDivisionError):
        measured = 0
    # below 24 Hz or above 1200 it is no tick but a clock of high resolution under that number
    if 24 <= measured <= 1200:
        return Finding("kernel", State.OK, f"{release}, HZ {measured} (its clock's tick)", purpose)
    if configured:
        return Finding("kernel", State.OK, f"{release}, HZ {configured} (its configuration)", purpose)
    return Finding("kernel", State.LIMITED, f"{release}, HZ unknown", purpose)


def tracefs(machine: Machine) -> Finding:
    """Whether the tracepoints that explain a verdict can be read; root needs no mount for it."""
    purpose = "state changes and drop reasons in reports"
    for folder in ("sys/kernel/tracing", "sys/kernel/debug/tracing"):
        try:
            names = os.listdir(machine.root / folder)  # noqa: PTH208  (iterdir refuses later, outside of this try)
        except PermissionError:
            return Finding(
                "tracefs", State.LIMITED, f"/{folder} is for root only", purpose, "sudo, with the same command"
            )
        except OSError:
            continue
        if "events" in names:
            there = {name for name in TRACEPOINTS if machine.has(f"{folder}/events/{name}")}
            return _tracepoints(f"/{folder}", there, purpose)
    if "tracefs" not in (machine.read("proc/filesystems") or ""):
        return Finding("tracefs", State.MISSING, "this kernel has none", purpose, "a kernel with CONFIG_FTRACE")
    if machine.user != 0:
        return Finding("tracefs", State.LIMITED, "is for root only", purpose, "sudo, with the same command")
    try:
        unmounted = machine.unmounted_tracefs()
    except OSError as error:
        remedy = "mount -t tracefs tracefs /sys/kernel/tracing"
        return Finding("tracefs", State.LIMITED, f"not mounted ({error.strerror})", purpose, remedy)
    with closing(unmounted):
        there = {name for name in TRACEPOINTS if unmounted.format(name)}
    return _tracepoints("not mounted, but readable", there, purpose)


def _tracepoints(where: str, there: set[str], purpose: str) -> Finding:
    absent = [name for name in TRACEPOINTS if name not in there]
    if absent:
        return Finding("tracefs", State.LIMITED, f"without {', '.join(absent)}", purpose, "a newer kernel has them")
    return Finding("tracefs", State.OK, f"{where}, with {len(TRACEPOINTS)} tracepoints", purpose)


def kvm(machine: Machine) -> Finding:
    """Whether there is KVM; not whether it works."""
    purpose = "nothing: QEMU emulates in software, with a clock that counts instructions"
    if machine.has("dev/kvm"):
        # a device that opens can still be one under which no guest ever boots
        return Finding("KVM", State.LIMITED, "/dev/kvm is there, not tried", purpose)
    return Finding("KVM", State.MISSING, "no /dev/kvm", purpose)


def tools(machine: Machine) -> Iterator[Finding]:
    """The commands that parts of the harness call."""
    build = ("gcc", "make", "flex", "bison", "bc")
    groups = (
        ("compiler", build, build, "building kernels with virtual time"),
        ("QEMU", ("qemu-system-x86_64",), ("qemu-system-x86",), "distribution kernels, emulated"),
        ("nginx", ("nginx",), ("nginx",), "the incident with a real web server"),
        ("strace", ("strace",), ("strace",), "the system call by which nginx ends a connection"),
        ("nft", ("nft",), ("nftables",), "rules of a router between two kernels"),
        ("tshark", ("tshark",), ("tshark",), "checking captures in the tests of finwait"),
    )
    for what, commands, packages, purpose in groups:
        # nginx lives in a folder that an ordinary user's PATH leaves out
        places = {name: machine.which(name) or _in_sbin(machine, name) for name in commands}
        absent = [name for name, place in places.items() if not place]
        if absent:
            wanted = [package for name, package in zip(commands, packages, strict=True) if name in absent]
            remedy = machine.as_root(f"apt-get install {' '.join(wanted)}")
            yield Finding(what, State.MISSING, f"no {', '.join(absent)}", purpose, remedy)
        else:
            yield Finding(what, State.OK, ", ".join(filter(None, places.values())), purpose)


def _in_sbin(machine: Machine, name: str) -> str | None:
    return next((f"/{place}/{name}" for place in ("usr/sbin", "sbin") if machine.has(f"{place}/{name}")), None)


def room(machine: Machine) -> Finding:
    """Whether the cache folder can be written and has room."""
    base = machine.environment("XDG_CACHE_HOME") or ""
    home = machine.environment("HOME") or "/"
    folder = (Path(base) if base.startswith("/") else Path(home) / ".cache") / "finwait"
    purpose = "fetched and built kernels"
    remedy = "XDG_CACHE_HOME=/a/folder/with/room"
    existing = next((path for path in (folder, *folder.parents) if os.path.isdir(path)), Path("/"))  # noqa: PTH112  (never raises)
    try:
        figures = os.statvfs(existing)
    except OSError as error:
        return Finding("cache", State.MISSING, f"{folder}: {error.strerror}", purpose, remedy)
    free = figures.f_bavail * figures.f_frsize
    if not os.access(existing, os.W_OK):
        return Finding("cache", State.MISSING, f"{folder} cannot be written", purpose, remedy)
    state = State.OK if free >= ROOMY else State.LIMITED
    seen = f"{free / 2**30:.1f} GiB free for {folder}"
    return Finding("cache", state, seen, purpose, "" if state is State.OK else remedy)
