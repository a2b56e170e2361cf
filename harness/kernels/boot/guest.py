"""The host's side of a guest: what it is asked, its answer, and why there is none."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import FinwaitError, Unsupported
from harness.kernels.boot.backend import Job, Run
from harness.process import Ended

PANIC = "Kernel panic - not syncing: "
BOOTED = ".kernel-"
"""How the names of folders begin that a kernel needs while it is up."""
START = "start.py"
_START = """\
import sys
sys.path.insert(0, __file__.rpartition("/")[0])
sys.dont_write_bytecode = True
from harness.kernels.boot import {0}
{0}.begin()
"""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def check(job: Job) -> None:
    """Look at what can be known to be wrong with a job before a kernel is booted for it.

    Raises:
        FinwaitError: a relative path, a folder that is not there, a command that cannot be run, a limit of
        nothing.
    """
    if not job.argv or not job.argv[0].startswith("/"):
        raise FinwaitError("a job's command must start with an absolute path", why=f"got {job.argv[:1]}")
    if not os.access(job.argv[0], os.X_OK) or Path(job.argv[0]).is_dir():
        raise FinwaitError(f"cannot run {job.argv[0]}", why="it is not there, or not executable for this user")
    for what, folder in (("cwd", job.cwd), ("output", job.output)):
        if not folder.is_absolute() or not folder.is_dir():
            raise FinwaitError(f"a job's {what} must be an existing folder with an absolute path", why=f"got {folder}")
    if not os.access(job.output, os.W_OK):
        raise FinwaitError(f"cannot write into {job.output}", hint="another folder for the run's output")
    if job.real_limit <= 0:
        raise FinwaitError(f"a job's real_limit must be above 0 s, not {job.real_limit}")


def environment(job: Job, home: str) -> dict[str, str]:
    """The minimal environment and the job's own on top of it."""
    return {"PATH": _PATH, "HOME": home, "LANG": "C.UTF-8", "TERM": "dumb", **job.env}


@contextmanager
def control_folder(job: Job) -> Iterator[Path]:
    """A private folder in the job's output, gone afterwards; only a killed run leaves it there."""
    folder = Path(tempfile.mkdtemp(prefix=BOOTED, dir=job.output))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def guest_side(first: str) -> dict[str, bytes]:
    """What a guest has of ours, by path: its first process imports nothing else, not even the harness's own packages.

    Args:
        first: the module below harness.kernels.boot whose ``begin`` the guest's first process is.
    """
    here = Path(__file__).parent
    names = ("guest_init.py", "guest_jobs.py", "qemu_init.py", "stream.py")
    packages = ("harness", "harness/kernels", "harness/kernels/boot")
    return {
        START: _START.format(first).encode(),
        **{f"{package}/__init__.py": b"" for package in packages},
        **{f"{packages[-1]}/{name}": (here / name).read_bytes() for name in names},
    }


def write_files(job: Job) -> None:
    """Put the job's files where it finds them, on the host."""
    for name, text in job.files.items():
        (job.output / name).write_text(text, encoding="utf-8")


def make_boot(job: Job, modules: Iterable[str], *, uptime: float = 0.0, seed: str = "") -> bytes:
    """What the guest's first process prepares.

    Args:
        job: the first one.
        modules: paths in the guest, in the order of loading.
        uptime: seconds the kernel is up before the first job starts.
        seed: of its randomness, hexadecimal; a new one where none is given.
    """
    boot = {"output": str(job.output), "modules": list(modules), "uptime": uptime, "seed": seed or os.urandom(64).hex()}
    return json.dumps(boot).encode()


def make_order(job: Job, *, home: str, last: bool) -> dict[str, object]:
    """What the guest's first process is to run."""
    return {
        "argv": job.argv,
        "cwd": str(job.cwd),
        "env": environment(job, home),
        "output": str(job.output),
        "virtual_limit": job.virtual_limit,
        "last": last,
        "keep": job.keep,
    }


@dataclass(frozen=True, slots=True)
class GuestReply:
    """What the guest wrote down before it went; every field is empty when it wrote nothing."""

    status: int | None = None
    missing: tuple[str, ...] = ()
    failed: str = ""
    overdue: float = 0.0
    uptime: float = 0.0
    booted: bool = False


def parse_answer(text: bytes, *, booted: bool) -> GuestReply:
    """An answer from the JSON that the guest's first process sends."""
    told = json.loads(text)
    return GuestReply(
        status=told.get("status"),
        missing=tuple(told.get("missing", ())),
        failed=told.get("failed", ""),
        overdue=told.get("overdue", 0.0),
        uptime=told.get("uptime", 0.0),
        booted=booted,
    )


def judge(name: str, job: Job, ended: Ended, answer: GuestReply) -> Run:
    """The run that an ended guest amounts to; a panic on the way down counts as well.

    Raises:
        Unsupported: the kernel lacks what every lab needs.
    """
    if answer.missing:
        raise Unsupported(
            f"{name} has no {' and no '.join(answer.missing)}",
            why="neither built in nor among its modules",
            hint="a kernel with CONFIG_VETH, CONFIG_IPV6 and CONFIG_NET_NS, or modules=DIR for its modules",
        )
    lost = _why_lost(job, ended, answer)
    return Run(None if lost else answer.status, lost, ended.lines, ended.seconds)


def _why_lost(job: Job, ended: Ended, answer: GuestReply) -> str | None:
    if answer.status is not None and ended.status == 0:
        return None  # answered, and went on or powered off: what looks like a panic was only printed by the command
    panics = [line.partition(PANIC)[2].strip() for line in ended.lines if PANIC in line]
    if panics:
        return "kernel panic: " + panics[0]
    if answer.failed:
        return "the guest could not be set up: " + answer.failed
    if answer.overdue:
        return f"hung: not done after {answer.overdue:g} s of its own time{_last(ended)}"
    if answer.status is not None:
        return f"the kernel did not power off after the command ended with {answer.status}{_last(ended)}"
    return _how_it_ended(job, ended, booted=answer.booted) + _last(ended)


def _how_it_ended(job: Job, ended: Ended, *, booted: bool) -> str:
    if ended.status is None:
        return f"{'hung' if booted else 'never booted'}: not done after {job.real_limit:g} s of real time"
    if ended.status > 128:
        return f"the kernel's process was killed by signal {ended.status - 128}"
    if not booted:
        return f"never booted: the kernel's process ended with status {ended.status}"
    return "the kernel ended without the command's status"


def _last(ended: Ended) -> str:
    said = [line for line in ended.lines if line.strip() and "] reboot: " not in line]
    return f"; last line: {said[-1]}" if said else "; it said nothing"
