"""A distribution's kernel, or the user's own bzImage, in an emulated machine without disk, network or KVM.

The machine counts instructions instead of seconds (``-icount``) and skips idle time, so load on the host does
not reach the guest's timers. Its tree is a RAM disk of our own, and its files come back over a virtio port.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import BinaryIO

from harness.errors import FinwaitError
from harness.kernels.boot import guest, initramfs, modules, qemu_init
from harness.kernels.boot.backend import Job, Worker
from harness.kernels.boot.guest_worker import GuestBackend, GuestWorker
from harness.kernels.boot.receiver import Malformed, Receiver
from harness.kernels.supply.images import ImageKind, identify
from harness.kernels.supply.provide import provided
from harness.process import Leashed

QEMU, QEMU_PACKAGE = "qemu-system-x86_64", "qemu-system-x86"
UPTIME = 10.0
# The second line saves about 3 s of a boot in emulation and touches nothing of the network stack.
_APPEND = (
    "console=ttyS0 quiet loglevel=1 panic=-1 oops=panic"
    " mitigations=off cryptomgr.notests nokaslr init_on_alloc=0"
    " rdinit=/finwait/python"  # last: words after it that the kernel does not know go to init
)
# Wide vectors and byte-wise string instructions are slow in emulation: without them the C library and the
# kernel choose other ways to copy memory, which saves 1 to 2 s.
_CPU = "max,-avx,-avx2,-erms,-fsrm"
# Without ioeventfd the machine takes what the guest sends before the guest's next instruction.
_MACHINE = (
    *("-machine", "q35", "-accel", "tcg", "-icount", "shift=0,sleep=off", "-cpu", _CPU, "-smp", "1"),
    *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
    *("-serial", "stdio", "-device", "virtio-serial-pci,ioeventfd=off"),
)
_PIECE = 1 << 20
# What a lab and its probes can need, and the way back to the host.
WANTED = (*modules.WANTED, "virtio_pci", "virtio_console", "unix_diag", "tcp_bbr", "tcp_dctcp", "md5")


@dataclass(frozen=True, slots=True)
class MachineFiles:
    """A bzImage, and the folder with its modules unless it has all it needs built in."""

    vmlinuz: Path
    modules: Path | None


class Qemu(GuestBackend):
    """One kernel in software emulation; KVM has no clock that counts instructions, so it is not used."""

    MEMORY_MB = 1024

    @contextmanager
    def boot(self, job: Job) -> Iterator[Worker]:
        """Boot; a job is the guest's root.

        The guest sees this Python environment, ``job.cwd``, ``job.reads`` and nothing else of the host. It
        starts with an empty ``job.output``; what is written there comes over file by file.

        Raises:
            FinwaitError: no QEMU, no bzImage for x86-64, or the job cannot be run.
        """
        guest.check(job)
        files = self._files()
        orders, theirs = socket.socketpair()
        returned = os.memfd_create("returned", 0)
        try:
            with orders, theirs, self._ram_disk(job, files) as disk:
                process = Leashed(
                    self._argv(files, disk, returned, theirs.fileno()),
                    cwd=job.output,
                    env={"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "LC_ALL": "C"},
                    pass_fds=(disk, returned, theirs.fileno()),
                )
                with process:
                    channel = _Ports(Receiver(job.output), returned, orders)
                    yield GuestWorker(self.name, job, process, channel)
        finally:
            os.close(returned)

    def _files(self) -> MachineFiles:
        path = self.spec.path
        if shutil.which(QEMU) is None:
            raise FinwaitError(
                f"{self.name} needs {QEMU}, which is not installed", hint=f"apt-get install {QEMU_PACKAGE}"
            )
        files = self._provided() if path is None or _is_package(path) else MachineFiles(path, self.spec.modules)
        image = identify(files.vmlinuz, "x86_64")
        if image.kind is not ImageKind.BZIMAGE:
            raise FinwaitError(f"{files.vmlinuz} is a {image.kind}, and QEMU boots a bzImage")
        if files.modules is not None and not files.modules.is_dir():
            raise FinwaitError(f"there is no folder {files.modules} with the modules of {image.release}")
        return files

    def _provided(self) -> MachineFiles:
        """Debian's packages: up to 6.18 one with /boot, then one with the image and one with modules."""
        trees = provided(self.spec, self.cache)
        images = [path for tree in trees for path in sorted(_glob(tree, "boot/vmlinuz-*", "*/vmlinuz"))]
        folders = [path.parent for tree in trees for path in sorted(_glob(tree, "*/kernel"))]
        if not images or not folders:
            raise FinwaitError(
                f"{self.name} contains no kernel image with modules",
                hint="a linux-image or linux-binary package",
            )
        return MachineFiles(images[-1], folders[-1])

    @contextmanager
    def _ram_disk(self, job: Job, files: MachineFiles) -> Iterator[int]:
        """The guest's tree in a file without a name, so that nothing is left of it whatever happens."""
        disk = os.memfd_create("ram-disk", 0)
        try:
            with os.fdopen(os.dup(disk), "wb", buffering=_PIECE) as out:
                with initramfs.python_root(self.cache).open("rb") as shared:
                    shutil.copyfileobj(shared, out, _PIECE)
                loading = _write_modules(files.modules, out)
                own = _job_archive(job, loading)
                size = (out.tell() + own.size()) >> 20
                if size > self.memory // 2:  # it is there twice while the kernel unpacks it
                    raise FinwaitError(
                        f"the guest's files of {size} MB do not fit into its memory of {self.memory} MB",
                        why=f"everything below {', '.join(map(str, (job.cwd, *job.reads)))} goes into it",
                        hint="put the scenarios into a folder of their own",
                    )
                own.write(out)
            yield disk
        finally:
            os.close(disk)

    def _argv(self, files: MachineFiles, disk: int, returned: int, orders: int) -> tuple[str, ...]:
        libraries = sorted({str(path.parent) for path in initramfs.shared_libraries([Path(sys.executable)])})
        append = f'{_APPEND} "LD_LIBRARY_PATH={":".join(libraries)}" -- -IS {_OURS}/{guest.START}'
        return (
            QEMU,
            *_MACHINE,
            *("-m", f"{self.memory}M"),
            *("-chardev", f"file,id=returned,path=/proc/self/fd/{returned}"),
            *("-device", f"virtserialport,chardev=returned,nr={qemu_init.RETURNED}"),
            *("-chardev", f"socket,id=orders,fd={orders}"),
            *("-device", f"virtserialport,chardev=orders,nr={qemu_init.ORDERS}"),
            *("-kernel", str(files.vmlinuz), "-initrd", f"/proc/self/fd/{disk}", "-append", append),
        )


def _is_package(path: Path) -> bool:
    return identify(path, "x86_64").kind is ImageKind.DEB


def _glob(tree: Path, *patterns: str) -> list[Path]:
    below = ("lib/modules/", "usr/lib/modules/")
    return [
        path
        for pattern in patterns
        for start in (("",) if pattern.startswith("boot") else below)
        for path in tree.glob(start + pattern)
    ]


def _write_modules(folder: Path | None, out: BinaryIO) -> list[str]:
    if folder is None:
        return []
    archive = initramfs.Archive()
    loading = []
    for path in modules.load_order(folder, WANTED):
        place = f"/finwait/modules/{path.name.partition('.ko')[0]}.ko"
        archive.put(place, modules.content(path))
        loading.append(place)
    archive.write(out)
    return loading


_OURS = "/finwait"


def _job_archive(job: Job, loading: list[str]) -> initramfs.Archive:
    """What only this job needs: the checkout, its further files, our guest side and what it prepares."""
    archive = initramfs.Archive()
    if Path(job.argv[0]).resolve() != Path(sys.executable).resolve():  # which is in the shared root
        for path in (Path(job.argv[0]), *initramfs.shared_libraries([Path(job.argv[0])])):
            archive.add(path)
    for path in (job.cwd, *job.reads):
        archive.add(path, initramfs.without(job.output, *job.unneeded))
    archive.link("/finwait/python", os.path.realpath(sys.executable))
    for name, content in guest.guest_side("qemu_init").items():
        archive.put(f"{_OURS}/{name}", content)
    archive.put(qemu_init.BOOT, guest.make_boot(job, loading, uptime=UPTIME))
    return archive


@dataclass(slots=True)
class _Ports:
    """A channel of two virtio ports.

    What the guest sends the machine writes into a file without a name. Not a pipe: a full one would keep the guest from
    going on, and its clock runs on meanwhile.

    Args:
        receiver: takes it apart.
        returned: that file.
        orders: the host's end of the other port.
    """

    receiver: Receiver
    returned: int
    orders: socket.socket
    _refused: str = ""
    _taken: int = 0

    def ask(self, number: int, job: Job, *, last: bool) -> None:  # noqa: ARG002
        """Send the order, a line of JSON; the job's files go along."""
        self.receiver.answer = None
        order = guest.make_order(job, home="/tmp", last=last)  # noqa: S108  the guest's own
        line = json.dumps({**order, "files": dict(job.files)}).encode() + b"\n"
        # a long order waits for the guest to take it, which may never be
        Thread(target=self._send, args=(line,), daemon=True).start()

    def _send(self, line: bytes) -> None:
        with contextlib.suppress(OSError):  # the machine has ended, which its lines tell
            self.orders.sendall(line)

    def take(self) -> None:
        """Take in what is new."""
        while not self._refused and (data := os.pread(self.returned, _PIECE, self._taken)):
            self._taken += len(data)
            try:
                self.receiver.feed(data)
            except (Malformed, OSError) as error:
                self._refused = str(error)

    def answer(self, number: int) -> guest.GuestReply:  # noqa: ARG002
        """The guest's answer; none counts once it sent what no guest of ours sends."""
        booted = self.receiver.booted is not None
        if self._refused:
            return guest.GuestReply(failed=f"its files could not be taken: {self._refused}", booted=booted)
        if self.receiver.answer is None:
            return guest.GuestReply(booted=booted)
        return guest.parse_answer(self.receiver.answer, booted=booted)
