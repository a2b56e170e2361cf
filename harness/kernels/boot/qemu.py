"""A distribution's kernel, or the user's own bzImage, in an emulated machine without disk, network or KVM.

The machine counts instructions instead of seconds (``-icount``) and skips idle time, so load on the host does
not reach the guest's timers. Its tree is a RAM disk of our own, and its files come back over a virtio port.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from harness.errors import FinwaitError
from harness.kernels.boot import guest, guest_init, initramfs, modules, qemu_init, stream
from harness.kernels.boot.backend import Job, Run
from harness.kernels.boot.receiver import Malformed, Receiver
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.images import ImageKind, identify
from harness.kernels.supply.provide import provided
from harness.kernels.supply.spec import KernelSpec
from harness.process import run_to_end

QEMU, QEMU_PACKAGE = "qemu-system-x86_64", "qemu-system-x86"
MEMORY_MB = 1024
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


class Qemu:
    """One kernel in software emulation; KVM has no clock that counts instructions, so it is not used.

    Args:
        spec: which kernel: a name whose packages were fetched, or a path to a bzImage, with its modules.
        cache: where the packages are, and where the archive of the Python environment is kept.
        memory: the machine's memory in MB.
    """

    def __init__(self, spec: KernelSpec, cache: Cache, *, memory: int = MEMORY_MB) -> None:
        self.name = spec.name
        self.spec = spec
        self.cache = cache
        self.memory = memory

    def available(self) -> str | None:
        """None when a job can be run; otherwise what is missing."""
        try:
            self._files()
        except FinwaitError as error:
            return str(error)
        return None

    def run(self, job: Job, console: Callable[[str], None] | None = None) -> Run:
        """Boot, run the job as the guest's root, end.

        The guest sees this Python environment, ``job.cwd``, ``job.reads`` and nothing else of the host. It
        starts with an empty ``job.output``; what it writes there comes over file by file.

        Raises:
            FinwaitError: no QEMU, no bzImage for x86-64, or the job cannot be run.
            Unsupported: the kernel has no veth, no IPv6 or no network namespaces.
        """
        guest.check(job)
        files = self._files()
        returned = _Returned(Receiver(job.output))

        def line(text: str) -> None:
            returned.take()
            if console is not None:
                console(text)

        try:
            with self._ram_disk(job, files) as disk:
                ended = run_to_end(
                    self._argv(files, disk, returned.file),
                    limit=job.real_limit,
                    stop=job.stop,
                    cwd=job.output,
                    env={"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "LC_ALL": "C"},
                    console=line,
                    pass_fds=(disk, returned.file),
                )
        finally:
            returned.take()
            os.close(returned.file)
        return guest.judge(self.name, job, ended, returned.answer())

    def _files(self) -> MachineFiles:
        path = self.spec.path
        if shutil.which(QEMU) is None:
            raise FinwaitError(f"{self.name} needs {QEMU}, which is not here", hint=f"apt-get install {QEMU_PACKAGE}")
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
                f"{self.name} holds no kernel image with modules",
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
                _job_archive(job, loading).write(out)
            size = os.fstat(disk).st_size >> 20
            if size > self.memory // 2:  # it is there twice while the kernel unpacks it
                raise FinwaitError(
                    f"the guest's tree of {size} MB does not fit into a machine of {self.memory} MB",
                    why=f"all below {', '.join(map(str, (job.cwd, *job.reads)))} goes into it",
                    hint="start in a smaller folder",
                )
            yield disk
        finally:
            os.close(disk)

    def _argv(self, files: MachineFiles, disk: int, returned: int) -> tuple[str, ...]:
        libraries = sorted({str(path.parent) for path in initramfs.shared_libraries([Path(sys.executable)])})
        append = f'{_APPEND} "LD_LIBRARY_PATH={":".join(libraries)}" -- -IS {_INIT}'
        return (
            QEMU,
            *_MACHINE,
            *("-m", f"{self.memory}M"),
            *("-chardev", f"file,id=returned,path=/proc/self/fd/{returned}"),
            *("-device", f"virtserialport,chardev=returned,name={qemu_init.PORT}"),
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


_INIT = "/finwait/init.py"


def _job_archive(job: Job, loading: list[str]) -> initramfs.Archive:
    """What only this job needs: the checkout, its further files, our guest side and the order."""
    archive = initramfs.Archive()
    if Path(job.argv[0]).resolve() != Path(sys.executable).resolve():  # which is in the shared root
        for path in (Path(job.argv[0]), *initramfs.shared_libraries([Path(job.argv[0])])):
            archive.add(path)
    for path in (job.cwd, *job.reads):
        archive.add(path, initramfs.without(job.output, *job.unneeded))
    archive.link("/finwait/python", os.path.realpath(sys.executable))
    for source in (guest_init.__file__, qemu_init.__file__, stream.__file__):
        archive.put(f"/finwait/harness/kernels/boot/{Path(source or '').name}", Path(source or "").read_bytes())
    for package in ("harness", "harness/kernels", "harness/kernels/boot"):
        archive.put(f"/finwait/{package}/__init__.py", b"")
    archive.put(_INIT, _START)
    order = guest.make_order(
        job,
        loading,
        env=guest.environment(job, "/tmp"),  # noqa: S108  the guest's own
        uptime=UPTIME,
        virtual_limit=job.virtual_limit,
    )
    archive.put(qemu_init.ORDER, json.dumps(order).encode())
    return archive


_START = b"""\
import sys
sys.path.insert(0, "/finwait")
sys.dont_write_bytecode = True
from harness.kernels.boot import qemu_init
qemu_init.begin()
"""


@dataclass(slots=True)
class _Returned:
    """What the guest sent so far: a file without a name, which the machine writes and which is read here.

    Not a pipe: a full one would keep the guest from going on, and its clock runs on meanwhile.
    """

    receiver: Receiver
    file: int = field(default_factory=lambda: os.memfd_create("returned", 0))
    refused: str = ""
    _taken: int = 0

    def take(self) -> None:
        """Take in what is new."""
        while not self.refused and (data := os.pread(self.file, _PIECE, self._taken)):
            self._taken += len(data)
            try:
                self.receiver.feed(data)
            except (Malformed, OSError) as error:
                self.refused = str(error)

    def answer(self) -> guest.GuestReply:
        """The guest's answer; none counts once it sent what no guest of ours sends."""
        booted = self.receiver.booted is not None
        if self.refused:
            return guest.GuestReply(failed=f"its files could not be taken: {self.refused}", booted=booted)
        if self.receiver.answer is None:
            return guest.GuestReply(booted=booted)
        return guest.parse_answer(self.receiver.answer, booted=booted)
