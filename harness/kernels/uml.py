"""A User Mode Linux kernel as an ordinary process, in real time, with the host's tree as its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.errors import FinwaitError
from harness.kernels import guest, guest_init
from harness.kernels.backend import Job, Run
from harness.kernels.cache import Cache
from harness.kernels.modules import load_order
from harness.kernels.process import run_to_end
from harness.kernels.provide import provided
from harness.kernels.spec import KernelSpec

MEMORY_MB = 256


class Uml:
    """User Mode Linux, prebuilt or the user's own; nothing is needed of the machine, no root and no KVM.

    Args:
        spec: which kernel.
        cache: where its package was fetched to.
        memory: the guest's memory in MB; it decides the default sizes of TCP's buffers (tcp_init in net/ipv4/tcp.c).
    """

    def __init__(self, spec: KernelSpec, cache: Cache, *, memory: int = MEMORY_MB) -> None:
        self.name = spec.name
        self.spec = spec
        self.cache = cache
        self.memory = memory

    def available(self) -> str | None:
        """None when the binary is here; otherwise what is missing."""
        try:
            self._files()
        except FinwaitError as error:
            return str(error)
        return None

    def run(self, job: Job, console: Callable[[str], None] | None = None) -> Run:
        """Boot, run the job as the guest's root with the rights of this user on the host, end.

        The host's tree is read-only below /, job.output is writable, and /tmp, /run and HOME are in memory.

        Raises:
            FinwaitError: the kernel was not fetched, or the job cannot be run.
            Unsupported: the kernel has no veth, no IPv6 or no network namespaces.
        """
        guest.check(job)
        binary, modules = self._files()
        with guest.control_folder(job) as control:
            guest.write_order(control, job, load_order(modules) if modules else (), **self._order(job))
            ended = run_to_end(
                self._argv(binary, control),
                limit=job.real_limit,
                cwd=control,
                # HOME is where it keeps its pid file; the system's own settings must not reach it.
                env={"HOME": str(control), "PATH": os.defpath, "TMPDIR": _memory_folder()},
                console=console,
            )
            answer = guest.read_answer(control)
        return guest.judge(self.name, job, ended, answer)

    def _order(self, job: Job) -> dict[str, Any]:
        """What the guest's first process is told beyond the job itself."""
        return {"virtual_limit": job.virtual_limit}

    def _files(self) -> tuple[Path, Path | None]:
        """The binary and the folder with its modules."""
        if self.spec.path is not None and self.spec.path.suffix != ".deb":
            return self.spec.path, self.spec.modules
        (tree,) = provided(self.spec, self.cache)
        binary = tree / "usr/bin/linux.uml"
        if not binary.is_file():
            raise FinwaitError(f"{self.name} holds no usr/bin/linux.uml", hint="a user-mode-linux package")
        folders = sorted(tree.glob("usr/lib/uml/modules/*"))
        return binary, folders[-1] if folders else None

    def _argv(self, binary: Path, control: Path) -> tuple[str, ...]:
        init = _quoted(sys.executable)
        script = _quoted(guest_init.__file__)
        return (
            str(binary),
            f"mem={self.memory}M",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            f"init={init}",
            "con=null",
            "con0=null,fd:1",
            "quiet",
            "--",
            "-I",
            "-S",
            script,
            _quoted(str(control)),
        )


def _quoted(path: str) -> str:
    """A path as one word of a kernel command line (next_arg in lib/cmdline.c), which has no way to quote a quote."""
    if '"' in path or "\n" in path:
        raise FinwaitError(
            f"cannot boot with the path {path!r}", why="a kernel command line cannot hold a quotation mark"
        )
    return f'"{path}"'


def _memory_folder() -> str:
    """Where the guest's memory is, as a file without a name: in memory when the host has such a place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else "/tmp"  # noqa: S108
