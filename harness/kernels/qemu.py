"""A distribution's kernel, or the user's own bzImage, in an emulated machine without disk, network or KVM.

The machine counts instructions instead of seconds (``-icount``) and skips idle time, so load on the host does not
reach the guest's timers. Its tree is a RAM disk of our own, and its files come back over a virtio port.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import FinwaitError
from harness.kernels import guest, guest_init, initramfs, modules, qemu_init, stream
from harness.kernels.backend import Job, Run
from harness.kernels.cache import Cache
from harness.kernels.images import ImageKind, identify
from harness.kernels.process import run_to_end

QEMU = "qemu-system-x86_64"
MEMORY_MB = 1024
UPTIME = 10.0
# The second line saves about 3 s of a boot in emulation and touches nothing of the network stack.
_APPEND = (
    "console=ttyS0 quiet loglevel=1 panic=-1 oops=panic"
    " mitigations=off cryptomgr.notests nokaslr init_on_alloc=0"
    " rdinit=/finwait/python"  # last: the kernel hands words that it does not know to init, but not those before this
)
# Wide vectors and byte-wise string instructions are slow in emulation: without them the C library and the kernel
# choose other ways to copy memory, which saves 1 to 2 s.
_CPU = "max,-avx,-avx2,-erms,-fsrm"
_PIECE = 1 << 20
# What a lab and its probes can need, and the way back to the host.
WANTED = (*modules.WANTED, "virtio_pci", "virtio_console", "unix_diag", "tcp_bbr", "tcp_dctcp", "md5")


class Qemu:
    """One kernel in software emulation, or under KVM when that is asked for and found to work.

    Args:
        vmlinuz: a bzImage for x86-64.
        modules: that kernel's module folder (``.../modules/RELEASE``), or None when it has all it needs built in.
        cache: where the archive of the Python environment is kept.
        name: what the kernel is called.
        memory: the machine's memory in MB.
    """

    def __init__(
        self, vmlinuz: Path, modules: Path | None, cache: Cache, *, name: str = "", memory: int = MEMORY_MB
    ) -> None:
        self.vmlinuz = vmlinuz
        self.modules = modules
        self.cache = cache
        self.memory = memory
        self.name = name or f"qemu:{vmlinuz.name}"

    def available(self) -> str | None:
        """None when a job can be run; otherwise what is missing."""
        try:
            self._check()
        except FinwaitError as error:
            return str(error)
        return None

    def run(self, job: Job, console: Callable[[str], None] | None = None) -> Run:
        """Boot, run the job as the guest's root, end.

        The guest sees this Python environment, ``job.cwd``, ``job.reads`` and nothing else of the host. It starts
        with an empty ``job.output``; what it writes there comes over file by file.

        Raises:
            FinwaitError: no QEMU, no bzImage for x86-64, or the job cannot be run.
            Unsupported: the kernel has no veth, no IPv6 or no network namespaces.
        """
        guest.check(job)
        self._check()
        receiver = stream.Receiver(str(job.output))
        with ExitStack() as stack:
            disk = stack.enter_context(self._ram_disk(job))
            returned, sending = os.pipe()
            stack.callback(os.close, returned)
            reader = _Reader(returned, receiver)
            reader.start()
            try:
                ended = run_to_end(
                    self._argv(disk, sending),
                    limit=job.real_limit,
                    cwd=job.output,
                    env={"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "LC_ALL": "C"},
                    console=console,
                    pass_fds=(disk, sending),
                )
            finally:
                os.close(sending)  # the last writer: the reader comes to its end
                reader.join()
        return guest.judge(self.name, job, ended, reader.answer())

    def _check(self) -> None:
        if shutil.which(QEMU) is None:
            raise FinwaitError(
                f"{self.name} needs {QEMU}, which is not here", hint="apt-get install qemu-system-x86"
            )
        image = identify(self.vmlinuz, "x86_64")
        if image.kind is not ImageKind.BZIMAGE:
            raise FinwaitError(f"{self.vmlinuz} is a {image.kind}, and QEMU boots a bzImage")
        if self.modules is not None and not self.modules.is_dir():
            raise FinwaitError(f"no folder of kernel modules at {self.modules}")

    @contextmanager
    def _ram_disk(self, job: Job) -> Iterator[int]:
        """The guest's tree in a file without a name, so that nothing is left of it whatever happens."""
        disk = os.memfd_create("ram-disk", 0)
        try:
            with os.fdopen(os.dup(disk), "wb", buffering=_PIECE) as out:
                with initramfs.python_root(self.cache).open("rb") as shared:
                    shutil.copyfileobj(shared, out, _PIECE)
                loading = self._write_modules(out)
                _job_archive(job, loading).write(out)
            yield disk
        finally:
            os.close(disk)

    def _write_modules(self, out: io.BufferedWriter) -> list[str]:
        if self.modules is None:
            return []
        archive, loading = initramfs.Archive(), []
        for path in modules.load_order(self.modules, WANTED):
            place = f"/finwait/modules/{path.name.partition('.ko')[0]}.ko"
            archive.put(place, modules.content(path))
            loading.append(place)
        archive.write(out)
        return loading

    def _argv(self, disk: int, sending: int) -> tuple[str, ...]:
        libraries = sorted({str(path.parent) for path in initramfs.shared_libraries([Path(sys.executable)])})
        append = f'{_APPEND} "LD_LIBRARY_PATH={":".join(libraries)}" -- -IS {_INIT}'
        return (
            *(QEMU, "-machine", "q35", "-accel", "tcg", "-icount", "shift=0,sleep=off", "-cpu", _CPU, "-smp", "1"),
            *("-m", f"{self.memory}M", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-serial", "stdio", "-device", "virtio-serial-pci"),
            *("-chardev", f"file,id=returned,path=/proc/self/fd/{sending}"),
            *("-device", f"virtserialport,chardev=returned,name={qemu_init.PORT}"),
            *("-kernel", str(self.vmlinuz), "-initrd", f"/proc/self/fd/{disk}", "-append", append),
        )


_INIT = "/finwait/init.py"


def _job_archive(job: Job, loading: list[str]) -> initramfs.Archive:
    """What only this job needs: the checkout, its further files, our guest side and the order."""
    archive = initramfs.Archive()
    if Path(job.argv[0]).resolve() != Path(sys.executable).resolve():  # which is in the shared root
        for path in (Path(job.argv[0]), *initramfs.shared_libraries([Path(job.argv[0])])):
            archive.add(path)
    for path in (job.cwd, *job.reads):
        archive.add(path, initramfs.without(job.output))
    archive.link("/finwait/python", os.path.realpath(sys.executable))
    for module in (guest_init, qemu_init, stream):
        archive.put(f"/finwait/harness/kernels/{Path(module.__file__).name}", Path(module.__file__).read_bytes())
    for package in ("harness", "harness/kernels"):
        archive.put(f"/finwait/{package}/__init__.py", b"")
    archive.put(_INIT, _START)
    order = guest.make_order(
        job,
        loading,
        home="/tmp",  # noqa: S108  the guest's own
        uptime=UPTIME,
        virtual_limit=job.virtual_limit,
    )
    archive.put(qemu_init.ORDER, json.dumps(order).encode())
    return archive


_START = b"""\
import sys
sys.path.insert(0, "/finwait")
sys.dont_write_bytecode = True
from harness.kernels import qemu_init
qemu_init.begin()
"""


@dataclass(slots=True)
class _Reader:
    """Takes in what the guest sends while it runs, on a thread of its own."""

    source: int
    receiver: stream.Receiver
    refused: str = ""
    _thread: threading.Thread = field(init=False)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._take_all, name="guest files", daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _take_all(self) -> None:
        while data := os.read(self.source, _PIECE):
            if not self.refused:
                try:
                    self.receiver.feed(data)
                except (stream.Malformed, OSError) as error:
                    self.refused = str(error)

    def answer(self) -> guest.Answer:
        """The guest's answer; none counts once it sent what no guest of ours sends."""
        booted = self.receiver.booted is not None
        if self.refused:
            return guest.Answer(failed=f"its files could not be taken: {self.refused}", booted=booted)
        if self.receiver.answer is None:
            return guest.Answer(booted=booted)
        return guest.parse_answer(self.receiver.answer, booted=booted)
