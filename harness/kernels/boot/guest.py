"""The host's side of a guest: the order that its first process reads, its answer, and why there is none."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import FinwaitError, Unsupported
from harness.kernels.boot import guest_init
from harness.kernels.boot.backend import Job, Run
from harness.process import Ended

PANIC = "Kernel panic - not syncing: "
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
    folder = Path(tempfile.mkdtemp(prefix=".kernel-", dir=job.output))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def write_order(control: Path, job: Job, modules: tuple[Path, ...], **more: object) -> None:
    """What the guest's first process is to do."""
    order = make_order(job, [str(module) for module in modules], **more)
    (control / "order.json").write_text(json.dumps(order), encoding="utf-8")


def make_order(job: Job, modules: list[str], **more: object) -> dict[str, object]:
    """The order itself; ``more`` is for the guest's first process and replaces what is here.

    It knows ``uptime``, the seconds the kernel is up before the job starts, ``virtual_limit``, ``seed`` and
    ``env``.
    """
    return {
        "argv": job.argv,
        "cwd": str(job.cwd),
        "env": environment(job, guest_init.HOME),
        "output": str(job.output),
        "modules": modules,
        "seed": os.urandom(64).hex(),
        **more,
    }


@dataclass(frozen=True, slots=True)
class GuestReply:
    """What the guest wrote down before it went; every field is empty when it wrote nothing."""

    status: int | None = None
    missing: tuple[str, ...] = ()
    failed: str = ""
    overdue: float = 0.0
    booted: bool = False


def read_answer(control: Path) -> GuestReply:
    """The guest's answer, which is whole or not there."""
    booted = (control / guest_init.BOOTED).exists()
    try:
        return parse_answer((control / guest_init.ANSWER).read_bytes(), booted=booted)
    except FileNotFoundError:
        return GuestReply(booted=booted)


def parse_answer(text: bytes, *, booted: bool) -> GuestReply:
    """An answer from the JSON that the guest's first process sends."""
    told = json.loads(text)
    return GuestReply(
        status=told.get("status"),
        missing=tuple(told.get("missing", ())),
        failed=told.get("failed", ""),
        overdue=told.get("overdue", 0.0),
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
        return None  # answered and powered off: what looks like a panic was only printed by the command
    panics = [line.partition(PANIC)[2].strip() for line in ended.lines if PANIC in line]
    if panics:
        return "kernel panic: " + panics[0]
    if answer.failed:
        return "the guest could not be made ready: " + answer.failed
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
