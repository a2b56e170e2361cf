"""The first process of an emulated guest: run job after job, and hand their files to the host as they are closed.

Started from the initramfs with the host's Python, of which it takes the standard library alone; of ours there are only
the files that ``guest.guest_side`` names. It runs at a real-time priority, so that after a close(2)
in the job the file is on its way to the host before the job runs on: what was closed before a panic is not lost.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import stat
import struct
import time
from collections.abc import Iterator
from typing import Any, NoReturn

from harness.kernels.boot import guest_init, guest_jobs, stream

BOOT = "/finwait/boot.json"
RETURNED, ORDERS = 1, 2
"""The numbers of the ports: to the host, and from it."""
# include/uapi/linux/inotify.h
IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
IN_ISDIR, IN_Q_OVERFLOW, IN_NONBLOCK = 0x40000000, 0x4000, os.O_NONBLOCK
GROWING = ".jsonl"
"""How the names of files end that only ever grow: what was sent of one is not sent again (harness/trace/folder.py)."""
WATCHED = IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
_EVENT = struct.Struct("iIII")
RB_AUTOBOOT = 0x1234567
PORT_APPEARS_WITHIN = 30.0
_LOOKS_EVERY_SECONDS = 0.0001
_libc = ctypes.CDLL(None, use_errno=True)


class Notices:
    """inotify(7) on a tree of folders."""

    def __init__(self) -> None:
        self.fd = _libc.inotify_init1(IN_NONBLOCK)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._folders: dict[int, str] = {}

    def watch(self, folder: str) -> None:
        """Watch one folder."""
        number = _libc.inotify_add_watch(self.fd, os.fsencode(folder), WATCHED)
        if number >= 0:
            self._folders[number] = folder

    def read(self) -> Iterator[tuple[int, str]]:
        """What happened since: mask and path; the mask alone when notices were dropped."""
        try:
            data = os.read(self.fd, 1 << 20)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            number, mask, _, length = _EVENT.unpack_from(data, at)
            name = data[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")
            at += _EVENT.size + length
            if mask & IN_Q_OVERFLOW:
                yield mask, ""
            elif number in self._folders and name:
                yield mask, f"{self._folders[number]}/{os.fsdecode(name)}"


class Mirror:
    """Keeps the host's copy of one folder as this one is."""

    def __init__(self, folder: str, port: int) -> None:
        self.folder, self.port = folder, port
        self.notices = Notices()
        self._sent: dict[str, tuple[int, int, int]] = {}  # size, time and inode
        self.notices.watch(folder)

    def send(self, kind: bytes, path: str = "", content: bytes = b"") -> None:
        """Send one record; write(2) to the port returns when the host has the bytes."""
        relative = os.fsencode(os.path.relpath(path, self.folder)) if path else b""
        data = memoryview(stream.record(kind, relative, content))
        while data:
            data = data[os.write(self.port, data) :]

    def follow(self) -> None:
        """Pass on what happened since."""
        for mask, path in self.notices.read():
            if not path:
                self.everything()
            elif mask & (IN_DELETE | IN_MOVED_FROM):
                self._sent.pop(path, None)
                self.send(stream.DELETE, path)
            elif mask & IN_ISDIR:
                self._tree(path)
            elif mask & (IN_CLOSE_WRITE | IN_MOVED_TO) or self._is_hard_link(path):
                self._put(path)

    def everything(self) -> None:
        """Send what differs from what was sent, also of files that are still open."""
        self._tree(self.folder)

    def _tree(self, folder: str) -> None:
        if folder != self.folder:
            self.send(stream.FOLDER, folder)
            self.notices.watch(folder)
        for path, folders, files in os.walk(folder):
            for name in folders:
                self.send(stream.FOLDER, f"{path}/{name}")
                self.notices.watch(f"{path}/{name}")
            for name in files:
                self._put(f"{path}/{name}", only_changed=True)

    def _put(self, path: str, *, only_changed: bool = False) -> None:
        try:
            found = os.lstat(path)
            size, _, inode = self._sent.get(path, (0, 0, 0))
            state = (found.st_size, found.st_mtime_ns, found.st_ino)
            if stat.S_ISREG(found.st_mode) and not (only_changed and self._sent.get(path) == state):
                begin = size if path.endswith(GROWING) and found.st_ino == inode and size <= found.st_size else 0
                with open(path, "rb") as file:  # noqa: PTH123
                    file.seek(begin)
                    content = file.read()
                self.send(stream.MORE if begin else stream.PUT, path, content)
                self._sent[path] = (begin + len(content), *state[1:])
        except FileNotFoundError:
            return  # gone again

    @staticmethod
    def _is_hard_link(path: str) -> bool:
        try:
            return os.lstat(path).st_nlink > 1
        except FileNotFoundError:
            return False


def make_tree_usable() -> None:
    """Kernel file systems and a console for the job."""
    guest_init.mount("proc", "/proc", "proc")
    guest_init.mount("sysfs", "/sys", "sysfs")
    guest_init.mount("devtmpfs", "/dev", "devtmpfs")
    console = os.open("/dev/console", os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(console, standard)
    for folder, kind in (("/dev/shm", "tmpfs"), ("/dev/pts", "devpts")):  # noqa: S108  the guest's own
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        guest_init.mount(kind, folder, kind)


def open_port(number: int, mode: int) -> int:
    """Open one of the ports to the host; it appears some time after its driver."""
    notices = Notices()
    notices.watch("/dev")
    deadline = time.monotonic() + PORT_APPEARS_WITHIN
    while True:
        for name in os.listdir("/dev"):  # noqa: PTH208
            if name.startswith("vport") and name.endswith(f"p{number}"):
                os.close(notices.fd)
                return os.open(f"/dev/{name}", mode)
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([notices.fd], [], [], left)[0]:
            raise OSError(19, "no virtio port: the kernel lacks CONFIG_VIRTIO_PCI or CONFIG_VIRTIO_CONSOLE")
        list(notices.read())


def wait_for_order(port: int) -> dict[str, Any]:
    """The next order, a line of JSON, as soon as it is there.

    The host holds the whole machine while it has none. Until that takes hold this may neither wait for the port, since
    the clock of a machine that does nothing jumps to its next timer, nor spin, since what hands over the bytes has to
    get the processor in between: it looks again and again, and the clock runs on by little.
    """
    text = b""
    while not text.endswith(b"\n"):
        with contextlib.suppress(BlockingIOError):
            text += os.read(port, 1 << 20)  # nothing until the host is known to be there
        time.sleep(_LOOKS_EVERY_SECONDS)
    order: dict[str, Any] = json.loads(text)
    return order


def write_files(order: dict[str, Any]) -> None:
    """Make the job's output folder, and in it the files that the job finds there."""
    os.makedirs(order["output"], exist_ok=True)  # noqa: PTH103
    for name, text in order["files"].items():
        with open(f"{order['output']}/{name}", "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(text)


def reset() -> NoReturn:
    """End the machine, which a reset does here, and for which a kernel needs less than for a power-off."""
    _libc.reboot(RB_AUTOBOOT)
    os._exit(1)


def main() -> None:
    """Do what is asked, until it is said to be the last; what goes wrong is printed, among the console lines."""
    with open(BOOT, encoding="utf-8") as file:  # noqa: PTH123
        boot = json.load(file)
    make_tree_usable()
    guest_init.load(boot["modules"])
    os.makedirs(boot["output"], exist_ok=True)  # noqa: PTH103
    mirror = Mirror(boot["output"], open_port(RETURNED, os.O_WRONLY))
    orders = open_port(ORDERS, os.O_RDONLY | os.O_NONBLOCK)
    guest_init.loopback_up()
    mirror.send(stream.BOOTED, content=os.uname().release.encode())
    lacking = guest_init.missing()
    with open("/proc/sys/kernel/sched_rt_runtime_us", "w", encoding="ascii") as share:  # noqa: PTH123
        share.write("-1")  # or the job gets a share of each second, also in the middle of a file
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    guest_init.wait_for_uptime(boot["uptime"])
    number, order = 0, {"last": False}
    while not order["last"]:
        if number:
            print(f"{guest_jobs.DONE}{number}", flush=True)  # noqa: T201
        number += 1
        order = wait_for_order(orders)
        try:
            write_files(order)
            answer = guest_jobs.answer_of(order, lacking, mirror.notices.fd, mirror.follow)
        except OSError as error:
            answer = {"failed": str(error)}
        mirror.follow()
        mirror.everything()
        mirror.send(stream.ANSWER, content=json.dumps(answer).encode())


def begin() -> NoReturn:
    """What the kernel starts."""
    try:
        main()
    except OSError as error:
        print(f"guest init: {error}", flush=True)  # noqa: T201
    reset()
