"""The first process of a guest kernel: prepare the tree and modules, run one job after the other, power off.

Started by a guest's kernel with the host's Python, of which it takes the standard library alone; of ours there are only
the files that ``guest.guest_side`` names. Its argument is a folder on the host with what to prepare (``boot.json``) and
the orders as they come; the answers go there too.
"""

# Without pathlib, which alone takes a quarter of this script's start-up time (6 ms of 24).
# ruff: noqa: PTH102, PTH103, PTH105, PTH110, PTH115, PTH123, PTH208, PTH211

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import socket
import stat
import struct
import sys
import time
from typing import Any, NoReturn

from harness.kernels.boot import guest_jobs

# From include/uapi/linux: mount.h, reboot.h, sockios.h, if.h, random.h, rtnetlink.h, if_link.h, sched.h.
MS_BIND = 4096
RB_POWER_OFF = 0x4321FEDC
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
RNDADDENTROPY = 0x40085203
RTM_NEWLINK, NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL = 16, 1, 4, 0x400, 0x200
IFLA_IFNAME, IFLA_LINKINFO, IFLA_INFO_KIND = 3, 18, 1
CLONE_NEWNET = 0x40000000

BOOT = "boot.json"
ORDER = "order-{}.json"
ANSWER = "answer-{}.json"
BOOTED = "booted"
FAILED = "failed"
HOME = "/tmp/home"  # noqa: S108  the guest's own tmpfs, not the host's /tmp
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    args = (source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())
    _check(_libc.mount(*args), f"mount {kind or source} on {target}")


def fresh_tmpfs(folder: str, shown: set[str] | None = None) -> None:
    """Put a tmpfs on a folder; what the host has there (only ``shown``, if given) stays visible in it."""
    below = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        names = os.listdir(folder)
    except PermissionError:
        names = []
    mount("tmpfs", folder, "tmpfs", 0, "mode=1777")
    for name in names if shown is None else shown.intersection(names):
        there, here = f"/proc/self/fd/{below}/{name}", f"{folder}/{name}"
        try:
            mode = os.lstat(there).st_mode
            if stat.S_ISLNK(mode):
                os.symlink(os.readlink(there), here)
            elif stat.S_ISDIR(mode):
                os.mkdir(here)
                mount(there, here, "", MS_BIND)
            elif stat.S_ISREG(mode):
                os.close(os.open(here, os.O_CREAT | os.O_WRONLY))
                mount(there, here, "", MS_BIND)
        except (FileNotFoundError, PermissionError):
            continue  # gone since, or not this user's to see
    os.close(below)


def make_tree_usable(output: str) -> None:
    """Kernel file systems, writable folders in memory, and the job's output folder on the host."""
    mount("proc", "/proc", "proc")
    mount("sysfs", "/sys", "sysfs")
    try:
        mount("devtmpfs", "/dev", "devtmpfs")
    except OSError as error:
        if error.errno != 16:  # EBUSY: the kernel did it by itself (CONFIG_DEVTMPFS_MOUNT)
            raise
    console = os.open("/dev/console", os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(console, standard)
    os.makedirs("/dev/shm", exist_ok=True)  # noqa: S108
    mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777")  # noqa: S108
    fresh_tmpfs("/tmp")  # noqa: S108  a checkout or a virtual environment may be there
    fresh_tmpfs("/run", {"user"})  # the rest is the host's running state, and /run/netns must be writable
    os.makedirs(HOME)
    os.makedirs(output, exist_ok=True)  # below /run it is gone from sight
    mount_output(output)  # again: it may lie below one of these


def mount_output(output: str) -> None:
    """Make the job's output folder, which is the host's, writable at its own path."""
    mount("none", output, "hostfs", 0, output)


def load(modules: list[str]) -> None:
    """finit_module(2) for each path in turn; one that is there already is no error."""
    for path in modules:
        with open(path, "rb") as module:
            if _libc.syscall(_FINIT_MODULE, module.fileno(), b"", 0) < 0:
                number = ctypes.get_errno()
                if number != 17:  # EEXIST
                    raise OSError(number, f"load {path}: {os.strerror(number)}")


# The generic table, which new architectures share, and x86-64's own (arch/x86/entry/syscalls/syscall_64.tbl).
_FINIT_MODULE = 313 if os.uname().machine == "x86_64" else 273


def seed_random(seed: bytes) -> None:
    """Give the kernel its first randomness (random(4)); without, 5.10 blocks for 8 s in getrandom."""
    with open("/dev/random", "wb", buffering=0) as random:
        fcntl.ioctl(random, RNDADDENTROPY, struct.pack("=ii", 8 * len(seed), len(seed)) + seed)


def loopback_up() -> None:
    """Bring lo up (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def has_veth() -> bool:
    """Whether a veth pair can be made: tried in a network namespace that goes with the process that tries."""
    child = os.fork()
    if child == 0:
        try:
            _check(_libc.unshare(CLONE_NEWNET), "unshare")
            info = _attribute(IFLA_LINKINFO, _attribute(IFLA_INFO_KIND, b"veth\0"))
            body = struct.pack("=BxHiII", 0, 0, 0, 0, 0) + _attribute(IFLA_IFNAME, b"probe0\0") + info
            flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as route:
                route.send(struct.pack("=IHHII", 16 + len(body), RTM_NEWLINK, flags, 1, 0) + body)
                error = struct.unpack_from("=i", route.recv(4096), 16)[0]
            os._exit(0 if error == 0 else 1)
        except OSError:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def missing() -> list[str]:
    """What a lab needs and this kernel lacks."""
    lacking = []
    if not os.path.exists("/proc/net/if_inet6"):
        lacking.append("IPv6")
    if not os.path.exists("/proc/self/ns/net"):
        lacking.append("network namespaces")
    elif not has_veth():
        lacking.append("veth")
    return lacking


def wait_for_uptime(seconds: float) -> None:
    """Wait until the kernel has been up that long.

    TCP keeps when a peer's timestamp was seen in whole seconds of uptime and takes 0 for never
    (tcp_paws_check in include/net/tcp.h), so straight after boot it judges otherwise. Where idle time is
    skipped the wait is free.
    """
    left = seconds - time.clock_gettime(time.CLOCK_BOOTTIME)
    if left > 0:
        select.select([], [], [], left)


def write_whole(path: str, text: str) -> None:
    """Write a file so that the host sees it whole or not at all."""
    with open(path + ".part", "w", encoding="utf-8") as part:
        part.write(text)
        part.flush()
        os.fsync(part.fileno())
    os.replace(path + ".part", path)


def power_off() -> NoReturn:
    """End the kernel."""
    os.sync()
    _libc.reboot(RB_POWER_OFF)
    os._exit(1)


def wait_for_order(path: str) -> dict[str, Any]:
    """The next order, as soon as it is there.

    The host holds the whole kernel while it has none. Until that takes hold this looks without a pause: a virtual clock
    stands still while code runs, and a sleep would let it run away.
    """
    while not os.path.exists(path):
        pass
    with open(path, encoding="utf-8") as file:
        order: dict[str, Any] = json.load(file)
        return order


def main(control: str) -> None:
    """Do what is asked in ``control``, until it is said to be the last."""
    with open(f"{control}/{BOOT}", encoding="utf-8") as file:
        boot = json.load(file)
    mount_output(boot["output"])  # first, so that an answer can be written whatever comes next
    make_tree_usable(boot["output"])
    load(boot["modules"])
    seed_random(bytes.fromhex(boot["seed"]))
    loopback_up()
    write_whole(f"{control}/{BOOTED}", os.uname().release)
    lacking = missing()
    wait_for_uptime(boot["uptime"])
    number, order = 0, {"last": False}
    while not order["last"]:
        if number:
            print(f"{guest_jobs.DONE}{number}", flush=True)  # noqa: T201
        number += 1
        order = wait_for_order(f"{control}/{ORDER.format(number)}")
        write_whole(f"{control}/{ANSWER.format(number)}", json.dumps(guest_jobs.answer_of(order, lacking)))


def begin() -> NoReturn:
    """What the kernel starts; the control folder is its argument."""
    # Any other exception ends this process, and with it the kernel: a panic, with the traceback above it.
    try:
        main(sys.argv[1])
    except OSError as error:
        print(f"guest init: {error}", flush=True)  # noqa: T201
        write_whole(f"{sys.argv[1]}/{FAILED}", str(error))
    power_off()
