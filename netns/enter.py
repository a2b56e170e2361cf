"""Network namespaces as file descriptors: make one, and act inside one.

A namespace that has no name lives only as long as somebody holds it, so a killed run leaves none behind.
Threads are entered one by one (setns(2)); everything here acts on the calling thread alone.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

# Python has os.unshare and os.setns from 3.12 on only.
_libc = ctypes.CDLL(None, use_errno=True)


class _Thread(threading.local):
    """What a thread knows of where it is: in a guest, to look that up costs as much as to go elsewhere."""

    home = -1  # a descriptor of where it acts inside of no namespace of ours, held from the first time on
    inside = False


_thread = _Thread()


def unshare(flags: int) -> None:
    """unshare(2) for the calling thread, which is at home where it then is.

    Raises:
        OSError: with the errno of the call; EPERM without CAP_SYS_ADMIN, EINVAL for a user namespace in a process
            that has several threads.
    """
    if _libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare({flags:#x}): {os.strerror(number)}")
    _thread.home = -1


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


def _current() -> int:
    # thread-self and not self: the thread that leads the process may be in another namespace
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def _back_afterwards() -> Iterator[None]:
    if _thread.inside:
        back = _current()
        try:
            yield
        finally:
            _setns(back)
            os.close(back)
        return
    if _thread.home < 0:
        _thread.home = _current()
    home, _thread.inside = _thread.home, True
    try:
        yield
    finally:
        _setns(home)
        _thread.home, _thread.inside = home, False


class Namespace:
    """One network namespace, held open until ``close``."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def create(cls) -> Namespace:
        """A new, empty network namespace; the calling thread stays where it is.

        Raises:
            OSError: EPERM without CAP_SYS_ADMIN, ENOSPC above /proc/sys/user/max_net_namespaces.
        """
        with _back_afterwards():
            unshare(CLONE_NEWNET)
            return cls(_current())

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Act inside: sockets that are opened and files below /proc/sys/net that are touched belong to it."""
        with _back_afterwards():
            _setns(self.descriptor)
            yield

    @property
    def inode(self) -> int:
        """The kernel's number for the namespace, as in ``net:[4026531840]``."""
        return os.fstat(self.descriptor).st_ino

    def close(self) -> None:
        """Let go; the kernel removes the namespace when its last socket is closed, in its own time."""
        os.close(self.descriptor)


def in_user_namespace() -> bool:
    """Whether root here is root of a part of the machine only; the initial user namespace maps every id to itself."""
    return Path("/proc/self/uid_map").read_text().split() != ["0", "0", "4294967295"]
