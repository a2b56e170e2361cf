"""A User Mode Linux kernel as an ordinary process, in real time, with the host's tree as its own."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import FinwaitError
from harness.kernels.boot import guest, guest_init, processor
from harness.kernels.boot.backend import Job, Worker
from harness.kernels.boot.guest_worker import GuestBackend, GuestWorker
from harness.kernels.boot.modules import load_order
from harness.kernels.supply.images import ImageKind, identify
from harness.kernels.supply.provide import provided
from harness.process import Leashed

# Debian's binaries time their RAID code for 0.7 to 1.4 s at every boot, for a file system that is not used
# here.
_NO_BENCHMARK = "initcall_blacklist=raid6_select_algo,raid6_init"
_HOST_LOADER = b"/lib64/ld-linux-x86-64.so.2\0"
_LOADER = "ld.so"
_OURS = "ours"
_MEMORY_PLACES = (Path("/dev/shm"), Path("/tmp"), Path("/var/tmp"))  # noqa: S108
_OWN = ("/dev", "/proc", "/sys")


@dataclass(frozen=True, slots=True)
class _ControlFolder:
    """A channel of files in a folder of the host's, which the guest sees as well."""

    folder: Path
    virtual_limit: float | None

    def ask(self, number: int, job: Job, *, last: bool) -> None:
        """Write the order."""
        guest.write_files(job)
        limited = replace(job, virtual_limit=job.virtual_limit or self.virtual_limit)
        order = json.dumps(guest.make_order(limited, home=guest_init.HOME, last=last))
        guest_init.write_whole(str(self.folder / guest_init.ORDER.format(number)), order)

    def answer(self, number: int) -> guest.GuestReply:
        """The guest's answer, which is whole or not there."""
        booted = (self.folder / guest_init.BOOTED).exists()
        with contextlib.suppress(FileNotFoundError):
            return guest.parse_answer((self.folder / guest_init.ANSWER.format(number)).read_bytes(), booted=booted)
        with contextlib.suppress(FileNotFoundError):
            return guest.GuestReply(failed=(self.folder / guest_init.FAILED).read_text(), booted=booted)
        return guest.GuestReply(booted=booted)

    def take(self) -> None:
        """The files are here."""


@dataclass(frozen=True, slots=True)
class UmlFiles:
    """The binary, the folder with its modules, and the one with the C library it needs beside the host's."""

    binary: Path
    modules: Path | None
    libc: Path | None = None


class Uml(GuestBackend):
    """User Mode Linux, prebuilt or the user's own; nothing is needed of the machine, no root and no KVM."""

    UPTIME = 0.0
    SEED = ""
    VIRTUAL_LIMIT: float | None = None

    @contextmanager
    def boot(self, job: Job) -> Iterator[Worker]:
        """Boot; a job is the guest's root with the rights of this user on the host.

        The host's tree is read-only below /, job.output is writable, and /tmp, /run and HOME are in memory.

        Raises:
            FinwaitError: the kernel was not fetched, the job cannot be run, or there is no room for the memory.
        """
        guest.check(job)
        _check_visible(job)
        files = self._files()
        with guest.control_folder(job) as control, processor.one_of_its_own(self.cache) as own:
            memory = memory_folder(self.memory, (*_MEMORY_PLACES, control))
            loading = map(str, load_order(files.modules) if files.modules else ())
            (control / guest_init.BOOT).write_bytes(guest.make_boot(job, loading, uptime=self.UPTIME, seed=self.SEED))
            for path, content in guest.guest_side("guest_init").items():
                (control / _OURS / path).parent.mkdir(parents=True, exist_ok=True)
                (control / _OURS / path).write_bytes(content)
            if files.libc:
                (control / _LOADER).symlink_to(files.libc / "ld-linux-x86-64.so.2")
            # HOME is where it keeps its pid file; the system's own settings must not reach it.
            env = {"HOME": str(control), "PATH": os.defpath, "TMPDIR": str(memory)}
            with processor.kept_on(own):
                process = Leashed(self._argv(files, control), cwd=control, env=env)
            with process:
                yield GuestWorker(self.name, job, process, _ControlFolder(control, self.VIRTUAL_LIMIT))

    def _files(self) -> UmlFiles:
        if self.spec.path is not None and identify(self.spec.path).kind is ImageKind.UML:
            return UmlFiles(self.spec.path, self.spec.modules)
        tree, *libc = provided(self.spec, self.cache)
        binary = tree / "usr/bin/linux.uml"
        if not binary.is_file():
            raise FinwaitError(f"{self.name} contains no usr/bin/linux.uml", hint="a user-mode-linux package")
        modules = max(tree.glob("usr/lib/uml/modules/*"), default=None)
        if not libc:
            return UmlFiles(binary, modules)
        linked = self.cache.fill("linked", tree.parent.name, lambda folder: _relink(binary, folder))
        return UmlFiles(linked / binary.name, modules, libc[0] / "usr/lib/x86_64-linux-gnu")

    def _argv(self, files: UmlFiles, control: Path) -> tuple[str, ...]:
        # By env(1), because the leash in front of it is a program of the host and must keep the host's
        # libraries.
        libraries = ("/usr/bin/env", f"LD_LIBRARY_PATH={files.libc}") if files.libc else ()
        return (
            *libraries,
            str(files.binary),
            f"mem={self.memory}M",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            f"init={_quoted(sys.executable)}",
            "con=null",
            "con0=null,fd:1",
            "quiet",
            _NO_BENCHMARK,
            "--",
            "-I",
            "-S",
            _quoted(str(control / _OURS / guest.START)),
            _quoted(str(control)),
        )


def _relink(binary: Path, folder: Path) -> None:
    """Copy a binary so that it asks for its loader by a name in the folder it is started in.

    Starting it through the loader instead would leave its heap where the loader is, and the kernel takes
    the end of its heap for the end of its memory.
    """
    content = binary.read_bytes()
    if content.count(_HOST_LOADER) != 1:
        raise FinwaitError(f"{binary} names a dynamic loader that finwait does not know", hint="another kernel")
    relinked = folder / binary.name
    relinked.write_bytes(content.replace(_HOST_LOADER, _LOADER.encode().ljust(len(_HOST_LOADER), b"\0")))
    relinked.chmod(0o755)


def _check_visible(job: Job) -> None:
    for what, folder in (("cwd", job.cwd), ("output", job.output)):
        covered = next((name for name in _OWN if folder.resolve().is_relative_to(name)), None)
        if covered is not None:
            raise FinwaitError(
                f"a guest cannot see the job's {what} {folder}",
                why=f"it has a {covered} of its own",
                hint="a folder elsewhere",
            )


def _quoted(path: str) -> str:
    """A path as one word of a kernel command line, which cannot hold a quote (next_arg, lib/cmdline.c)."""
    if '"' in path or "\n" in path:
        raise FinwaitError(
            f"cannot boot with the path {path!r}", why="a kernel command line cannot contain a quotation mark"
        )
    return f'"{path}"'


def memory_folder(memory: int, places: tuple[Path, ...]) -> Path:
    """The first place with room for a guest's memory, in MB: a file there without a name, mapped executable.

    Containers often have a /dev/shm of 64 MB that allows no programs; a guest would die of it in the middle
    of a run.

    Raises:
        FinwaitError: there is no such place.
    """
    for place in places:
        if not os.access(place, os.W_OK | os.X_OK):
            continue
        room = os.statvfs(place)
        if not room.f_flag & os.ST_NOEXEC and room.f_bavail * room.f_frsize >= memory * 1_048_576:
            return place
    raise FinwaitError(
        f"no folder has room for the guest's {memory} MB of memory",
        why="looked at " + ", ".join(map(str, places)) + ", which are full, not writable or mounted noexec",
    )
