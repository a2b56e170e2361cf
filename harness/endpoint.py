"""The kernel socket under test: real system calls, each on the timeline with its result or its errno by name."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from harness.errors import FinwaitError, Unsupported
from harness.timeline import Called, Timeline
from harness.timing import MS, Span
from netns import sysctls
from netns.enter import Namespace

T = TypeVar("T")

_libc = ctypes.CDLL(None, use_errno=True)

DEADLINE_SECONDS = 2.0
"""How long a blocking call may take before it fails with EAGAIN; real seconds of the kernel's clock."""

TCP_LINGER2 = socket.TCP_LINGER2
SHUT_NAMES = {socket.SHUT_RD: "SHUT_RD", socket.SHUT_WR: "SHUT_WR", socket.SHUT_RDWR: "SHUT_RDWR"}


class Endpoint:
    """One TCP socket of the kernel under test, as server or as client.

    Every method is a system call (or two) and raises OSError as the kernel gives it.

    Args:
        sock: the socket, in the namespace of the kernel under test.
        namespace: that namespace.
        timeline: where calls are recorded.
        settled: called after each call, so that probes can look.
        connection: its number on the timeline.
    """

    def __init__(
        self,
        sock: socket.socket,
        namespace: Namespace,
        timeline: Timeline,
        settled: Callable[[], None] = lambda: None,
        connection: int = 1,
    ) -> None:
        self.socket = sock
        self.socket.settimeout(DEADLINE_SECONDS)
        self.connection = connection
        self.accepted: list[Endpoint] = []
        self._namespace = namespace
        self._sysctls_before: dict[str, str] = {}
        self._timeline = timeline
        self._settled = settled

    def _call(self, name: str, function: Callable[[], T], show: Callable[[T], str] = lambda _: "0") -> T:
        at = time.time_ns()
        try:
            result = function()
        except OSError as error:
            self._record(at, name, _errno_name(error))
            raise
        self._record(at, name, show(result))
        return result

    def _record(self, at: int, name: str, result: str) -> None:
        step = self._timeline.step(name)
        self._timeline.add(Called(at, time.time_ns(), name, result, step, self.connection))
        self._settled()

    def bind(self, host: str, port: int) -> None:
        """bind(2)."""
        self._call(f"bind({host} port {port})", lambda: self.socket.bind((host, port)))

    def listen(self, backlog: int = 16) -> None:
        """listen(2)."""
        self._call(f"listen({backlog})", lambda: self.socket.listen(backlog))

    def accept(self, connection: int = 1) -> Endpoint:
        """accept(2): the connected endpoint, numbered as ``connection`` on the timeline."""
        accepted = self._call("accept()", self.socket.accept, lambda pair: f"{pair[1][0]} port {pair[1][1]}")[0]
        # kept by the listener too: one that the scenario lets go must not be closed, and send a FIN, before its end
        self.accepted.append(Endpoint(accepted, self._namespace, self._timeline, self._settled, connection))
        return self.accepted[-1]

    def connect(self, address: tuple[str, int], *, wait: bool = True) -> None:
        """connect(2); with ``wait=False`` it is back once the SYN is sent (EINPROGRESS)."""
        self.socket.settimeout(DEADLINE_SECONDS if wait else 0)
        try:
            self._call(f"connect({address[0]} port {address[1]})", lambda: self.socket.connect(address))
        except BlockingIOError:
            if wait:
                raise
        finally:
            self.socket.settimeout(DEADLINE_SECONDS)

    def send(self, data: bytes) -> int:
        """send(2): how many bytes the kernel took."""
        return self._call(f"send({len(data)} bytes)", lambda: self.socket.send(data), str)

    def receive(self, size: int = 65536) -> bytes:
        """recv(2): at most ``size`` bytes; empty at the end of the stream."""
        return self._call(f"recv({size})", lambda: self.socket.recv(size), lambda data: f"{len(data)} bytes")

    def send_urgent(self, data: bytes) -> int:
        """send(2) with MSG_OOB: the last octet is urgent."""
        return self._call(f"send({len(data)} bytes, MSG_OOB)", lambda: self.socket.send(data, socket.MSG_OOB), str)

    def receive_urgent(self) -> bytes:
        """recv(2) with MSG_OOB: the urgent octet; EINVAL where there is none."""
        show = bytes.__repr__
        return self._call("recv(1, MSG_OOB)", lambda: self.socket.recv(1, socket.MSG_OOB), show)

    def shutdown(self, how: int) -> None:
        """shutdown(2) with SHUT_RD, SHUT_WR or SHUT_RDWR: the socket stays owned by its process."""
        self._call(f"shutdown({SHUT_NAMES[how]})", lambda: self.socket.shutdown(how))

    def close(self) -> None:
        """close(2): the socket is an orphan from now on, if it is still there at all."""
        # the file descriptor is closed by hand: Python's own close() hides the kernel's errno
        self._call("close()", lambda: socket.close(self.socket.detach()))

    def disconnect(self) -> None:
        """connect(2) to AF_UNSPEC: Linux's ABORT, which leaves the process a socket that is as good as new."""
        self._call("connect(AF_UNSPEC)", lambda: _connect_to_nobody(self.socket))

    def linger(self, seconds: int) -> None:
        """SO_LINGER: with 0 s close() sends a RST."""
        value = struct.pack("ii", 1, seconds)
        self._call(
            f"setsockopt(SO_LINGER, {seconds} s)",
            lambda: self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, value),
        )

    def set_option(self, name: str, value: int) -> None:
        """setsockopt(2) by the option's name as Python's socket module has it, such as TCP_LINGER2 or SO_RCVBUF.

        Raises:
            FinwaitError: no socket option of that name.
        """
        number = getattr(socket, name, None)
        if not isinstance(number, int) or not name.startswith(("TCP_", "SO_", "IP_", "IPV6_")):
            raise FinwaitError(
                f"there is no socket option named {name!r}",
                why="options are named as in Python's socket module",
                hint="TCP_NODELAY, TCP_LINGER2, SO_RCVBUF, SO_KEEPALIVE",
            )
        levels = {"TCP": socket.IPPROTO_TCP, "SO": socket.SOL_SOCKET, "IP": socket.IPPROTO_IP}
        level = levels.get(name.partition("_")[0], socket.IPPROTO_IPV6)
        self._call(f"setsockopt({name}, {value})", lambda: self.socket.setsockopt(level, number, value))

    def set_sysctl(self, name: str, value: int | str) -> None:
        """Set a sysctl of the kernel under test, in this lab's namespace alone, such as net/ipv4/tcp_fin_timeout.

        Raises:
            Unsupported: this kernel has it not.
        """

        def write() -> None:
            with self._namespace.entered():
                try:
                    before = sysctls.write(name, str(value))
                except FileNotFoundError as error:
                    raise Unsupported(f"this kernel has no sysctl {name}") from error
            self._sysctls_before.setdefault(name, before or "")

        self._call(f"sysctl {name.rpartition('/')[2]}={value}", write)

    def restore_sysctls(self) -> None:
        """Undo ``set_sysctl``, of this endpoint and of those that it accepted; not on the timeline."""
        for endpoint in self.accepted:
            endpoint.restore_sysctls()
        while self._sysctls_before:
            name, before = self._sysctls_before.popitem()
            with self._namespace.entered():
                sysctls.write(name, before)

    def raise_error(self) -> None:
        """SO_ERROR: raise the error that the kernel has to tell of, once; do nothing where it has none."""

        def ask() -> None:
            number = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise OSError(number, errno.errorcode.get(number, str(number)))

        self._call("getsockopt(SO_ERROR)", ask)

    def wait_connected(self) -> None:
        """Wait until a ``connect(wait=False)`` is through, and raise what became of it."""
        self.socket.settimeout(DEADLINE_SECONDS)

        def finish() -> None:
            if not select.select([], [self.socket], [], DEADLINE_SECONDS)[1]:
                raise TimeoutError(errno.ETIMEDOUT, "not connected in time")
            number = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise OSError(number, errno.errorcode.get(number, str(number)))

        self._call("poll() for connect", finish)

    def await_error(self, limit: Span) -> str:
        """poll(2) and SO_ERROR: the name of the error that the kernel has for the process, empty for none in time.

        Args:
            limit: how long to wait at most.
        """

        def wait() -> str:
            waiting = select.poll()
            waiting.register(self.socket, 0)  # errors are always reported
            waiting.poll(limit.ns / MS)
            number = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            return errno.errorcode.get(number, str(number)) if number else ""

        return self._call("poll() for an error", wait, lambda name: name or "none in time")

    @contextmanager
    def without_waiting(self) -> Iterator[None]:
        """Calls inside fail with EAGAIN where they would wait."""
        self.socket.settimeout(0)
        try:
            yield
        finally:
            if self.socket.fileno() != -1:
                self.socket.settimeout(DEADLINE_SECONDS)

    def let_go(self) -> None:
        """Close it and what it accepted, at the end of a scenario; not on the timeline."""
        for endpoint in self.accepted:
            endpoint.let_go()
        self.socket.close()

    @property
    def port(self) -> int:
        """The local port."""
        port: int = self.socket.getsockname()[1]
        return port


def errno_of(call: Callable[[], object]) -> str:
    """Make a system call: the errno that it ends with by its name, or an empty text where it succeeds."""
    try:
        call()
    except OSError as error:
        return _errno_name(error)
    return ""


def _errno_name(error: OSError) -> str:
    if error.errno is None:
        return "EAGAIN" if isinstance(error, TimeoutError) else type(error).__name__
    return errno.errorcode.get(error.errno, str(error.errno))


def _connect_to_nobody(sock: socket.socket) -> None:
    # Python's connect() has no way to name an address of no family
    nobody = struct.pack("=H14x", socket.AF_UNSPEC)
    if _libc.connect(sock.fileno(), nobody, len(nobody)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def open_unbound(namespace: Namespace, version: int) -> socket.socket:
    """A TCP socket in the namespace."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with namespace.entered():
        made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made


def open_socket(namespace: Namespace, version: int, address: str, port: int) -> socket.socket:
    """A bound TCP socket in the namespace.

    Raises:
        FinwaitError: the port is in use, or the kernel has no such protocol.
    """
    made = open_unbound(namespace, version)
    try:
        made.bind((address, port))
    except OSError as error:
        made.close()
        raise FinwaitError(
            f"port {port} of the kernel under test cannot be bound ({_errno_name(error)})",
            why="another socket of this lab has it" if error.errno == errno.EADDRINUSE else "the kernel refuses it",
            hint="another port, or port=0 for any",
        ) from error
    return made
