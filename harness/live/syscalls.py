"""System calls: errnos by name, and the calls that Python has no way to make."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

from harness.tcp.verdict import Due, Evidence, Mismatch

_ASKING = ("getpeername", "getsockname")
"""Calls that say nothing about TCP."""

_libc = ctypes.CDLL(None, use_errno=True)


def errno_of(call: Callable[[], object]) -> str:
    """Make a system call; the name of the error that it fails with, or an empty text if it succeeds."""
    try:
        call()
    except OSError as error:
        return errno_name(error)
    return ""


def errno_name(error: OSError) -> str:
    """The errno of an error by its name; EAGAIN for a call that ran into its deadline."""
    if error.errno is None:
        return "EAGAIN" if isinstance(error, TimeoutError) else type(error).__name__
    return errno.errorcode.get(error.errno, str(error.errno))


class CallFailed(Mismatch):
    """A system call ended with an error; what is raised is an OSError of the error's own kind as well.

    A scenario that expects the error catches it as such. One that does not deviates.
    """

    @classmethod
    def of(cls, call: str, error: OSError) -> CallFailed:
        """The failure of a call, by its name on the timeline."""
        if isinstance(error, CallFailed) and isinstance(error.__cause__, OSError):
            error = error.__cause__  # of one that the call is made of
        kind: type[CallFailed] = type(type(error).__name__, (cls, type(error)), {})
        return kind(call, error)

    def __init__(self, call: str, error: OSError) -> None:
        seen = f"  {errno_name(error)}   ({error.strerror or error})"
        super().__init__(Evidence(expected=(Due(f"  {call} succeeds"),), observed=seen, step=call))
        self.errno, self.strerror = error.errno, error.strerror


def _telling(name: str) -> Callable[..., object]:
    plain = getattr(socket.socket, name)

    @functools.wraps(plain)
    def called(self: KernelSocket, *args: object, **named: object) -> object:
        at = time.time_ns()
        result: object = None
        failed = ""
        try:
            result = plain(self, *args, **named)
            return result
        except OSError as error:
            failed = errno_name(error)
            raise CallFailed.of(f"{name}()", error) from error
        finally:
            if self.told and name not in _ASKING:
                self.told(at, name, (*args, *named.values()), result, failed)

    return called


def told_as(value: object) -> int | str:
    """An argument or a result as the timeline has it: data by their length."""
    if isinstance(value, bytes | bytearray | memoryview):
        return len(value)
    return value if isinstance(value, int | str) else 0 if value is None else str(value)


class KernelSocket(socket.socket):
    """A socket of the kernel under test, whose calls fail with ``CallFailed``, whoever makes them.

    ``told`` is told of each: when it was entered, its name, its arguments, its result, and the name of its error.
    """

    told: Callable[[int, str, tuple[object, ...], object, str], None] | None = None

    for _name in (
        *("accept", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recv", "recv_into"),
        *("recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into", "send", "sendall", "sendfile", "sendmsg", "sendto"),
        *("close", "setsockopt", "shutdown"),
    ):
        locals()[_name] = _telling(_name)
    del _name


def ports_of(sock: socket.socket) -> tuple[int, int]:
    """A TCP socket's own port and that of its other end; 0 where it has none."""
    found = [0, 0]
    # of a socket that has none, which is asked at every call, only that: no failure of a call is to be told
    for place, ask in enumerate((socket.socket.getsockname, socket.socket.getpeername)):
        with suppress(OSError):
            found[place] = ask(sock)[1]
    return found[0], found[1]


def connect_to_nobody(sock: socket.socket) -> None:
    """connect(2) to an address of family AF_UNSPEC, which undoes a connection.

    Raises:
        OSError: as the kernel gives it.
    """
    # Python's connect() has no way to name an address of no family
    nobody = struct.pack("=H14x", socket.AF_UNSPEC)
    if _libc.connect(sock.fileno(), nobody, len(nobody)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def option_given(sock: socket.socket, level: int, number: int, given: bytes, size: int) -> bytes:
    """getsockopt(2) of an option for which the kernel reads ``given`` first, and is told its length: ``size`` bytes.

    Raises:
        OSError: as the kernel gives it.
    """
    # Python's getsockopt() hands nothing in
    buffer, length = ctypes.create_string_buffer(given, size), ctypes.c_uint32(len(given))
    if _libc.getsockopt(sock.fileno(), level, number, buffer, ctypes.byref(length)) != 0:
        failed = ctypes.get_errno()
        raise OSError(failed, os.strerror(failed))
    return buffer.raw


def close_by_child(sock: socket.socket) -> None:
    """close(2) of a socket that a child process has inherited, and then the child's exit, which closes it at last.

    Raises:
        OSError: as the kernel gives it.
    """
    # cat ends with its standard input, and a process has closed its files before anybody can wait for it (do_exit)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[sock.fileno()]):
        socket.close(sock.detach())


def receive_urgent(sock: socket.socket) -> bytes:
    """recv(2) with MSG_OOB of one byte, within the socket's timeout.

    Raises:
        OSError: as the kernel gives it; TimeoutError where nothing came in time.
    """
    # with a timeout Python's recv() first waits for POLLIN, which urgent data alone do not set (tcp_poll in
    # net/ipv4/tcp.c)
    limit = sock.gettimeout()
    if not limit:
        return sock.recv(1, socket.MSG_OOB)
    end, waiting = time.monotonic() + limit, select.poll()
    sock.settimeout(0)
    try:
        for wanted in (select.POLLIN | select.POLLPRI, select.POLLPRI):  # with data but no urgent ones: EINVAL at once
            waiting.register(sock, wanted)
            if waiting.poll(max(0, end - time.monotonic()) * 1000):
                with suppress(BlockingIOError):
                    return sock.recv(1, socket.MSG_OOB)
        raise TimeoutError("timed out")
    finally:
        sock.settimeout(limit)
