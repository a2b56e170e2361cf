"""The kernel socket under test: real system calls, each on the timeline with its result or its errno by name."""

from __future__ import annotations

import errno
import select
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from harness.errors import FinwaitError, Unsupported
from harness.live.blocking_call import BlockingCall
from harness.live.recorded_socket import DEADLINE_SECONDS, RecordedSocket
from harness.live.sender import Sender
from harness.live.syscalls import close_by_child, connect_to_nobody, option_given, ports_of, receive_urgent
from harness.probes import tcp_info
from harness.program.recording import step
from harness.program.steps import Call, Enter, Look, Open
from harness.tcp import socket_options
from harness.tcp.segment import check_range
from harness.tcp.timing import MS, Span

D = TypeVar("D", bytes, int)

_MOST_BYTES = 1024
"""What Python reads of an option (sock_getsockopt, Modules/socketmodule.c)."""

SHUT_NAMES = {socket.SHUT_RD: "SHUT_RD", socket.SHUT_WR: "SHUT_WR", socket.SHUT_RDWR: "SHUT_RDWR"}


def _named(flags: int) -> tuple[str, ...]:
    return (str(socket.MsgFlag(flags).name),) if flags else ()


class Endpoint(RecordedSocket):
    """A TCP socket of the kernel under test, server or client.

    Each method is a system call, or two, and raises the kernel's OSError, as ``CallFailed``.
    """

    @step(Call)
    def bind(self, host: str, port: int) -> None:
        """bind(2)."""
        self._call("bind", (host, port), lambda: self.socket.bind((host, port)))

    @step(Call)
    def listen(self, backlog: int = 16) -> None:
        """listen(2)."""
        self._call("listen", (backlog,), lambda: self.socket.listen(backlog))

    @step(Open, "server")
    def accept(self, connection: int = 0) -> Endpoint:
        """accept(2): the accepted socket; ``connection`` is its number on the timeline, 0 for that of its peer."""

        def number(pair: tuple[socket.socket, tuple[str, int]]) -> int:
            return connection or self._timeline.numbers.get((ports_of(pair[0])[0], pair[1][1]), 1)

        show = "{0[1][0]} port {0[1][1]}".format
        pair = self._call("accept", (), self.socket.accept, show, number)
        # kept by the listener too: one that the scenario lets go must not be closed, and send a FIN, before its end
        shared = (self.sysctls, self._timeline, self._after_step)
        accepted = Endpoint(pair[0], *shared, number(pair), self.side)
        self.accepted.append(accepted)
        return accepted

    @step(Call)
    def connect(self, to: Sender | tuple[str, int], *, wait: bool = True) -> None:
        """connect(2) to a peer or to an address and port; with ``wait=False`` it returns once the SYN is sent."""
        address = self._address(to)
        self.socket.settimeout(DEADLINE_SECONDS if wait else 0)
        try:
            self._call("connect", address, lambda: self.socket.connect(address))
        except BlockingIOError:
            if wait:
                raise
        finally:
            self.socket.settimeout(DEADLINE_SECONDS)

    def _address(self, to: Sender | tuple[str, int]) -> tuple[str, int]:
        """Of the other end; where that is a peer, the socket has its number."""
        if not isinstance(to, Sender):
            return to
        self.connection = to.connection
        return to.address

    @step(Call)
    def send(self, data: bytes, flags: int = 0) -> int:
        """send(2), with flags such as ``socket.MSG_OOB``: how many bytes the kernel took."""
        return self._call("send", (len(data), *_named(flags)), lambda: self.socket.send(data, flags), int)

    @step(Call)
    def send_opening(self, data: bytes, to: Sender | tuple[str, int]) -> int:
        """sendto(2) with MSG_FASTOPEN: how many bytes the SYN carries; 0 if it could carry none (EINPROGRESS)."""
        address = self._address(to)
        arguments = (len(data), "MSG_FASTOPEN", *address)
        try:
            return self._call("sendto", arguments, lambda: self.socket.sendto(data, socket.MSG_FASTOPEN, address), int)
        except BlockingIOError:
            return 0

    @step(Call)
    def receive(self, size: int = 65536, flags: int = 0) -> bytes:
        """recv(2) of at most ``size`` bytes, with flags such as ``socket.MSG_PEEK``; empty at the end of the stream."""
        return self._call("recv", (size, *_named(flags)), lambda: self.socket.recv(size, flags), len)

    def _begin(self, name: str, size: int, call: Callable[[], D]) -> BlockingCall[D]:
        return BlockingCall(self.socket, name, (size,), call, self._timeline, self.connection, self.side)

    @step(Open, "sender")
    def begin_send(self, data: bytes) -> BlockingCall[int]:
        """send(2) on a thread of its own, where it may wait; see ``BlockingCall.end``."""
        return self._begin("send", len(data), lambda: socket.socket.send(self.socket, data))

    @step(Open, "reader")
    def begin_receive(self, size: int = 65536) -> BlockingCall[bytes]:
        """recv(2) on a thread of its own; see ``begin_send``."""
        return self._begin("recv", size, lambda: socket.socket.recv(self.socket, size))

    @step(Call)
    def receive_urgent(self) -> bytes:
        """recv(2) with MSG_OOB: the urgent byte; EINVAL if there is none."""
        return self._call("recv", (1, "MSG_OOB"), lambda: receive_urgent(self.socket), bytes.__repr__)

    @step(Call)
    def shutdown(self, how: int) -> None:
        """shutdown(2) with SHUT_RD, SHUT_WR or SHUT_RDWR: the socket stays owned by its process.

        Raises:
            FinwaitError: it is none of the three.
        """
        if how not in SHUT_NAMES:
            raise FinwaitError(f"shutdown({how!r}) is not a way to shut down", hint="socket.SHUT_WR, or another SHUT_")
        self._call("shutdown", (SHUT_NAMES[how],), lambda: self.socket.shutdown(how))

    @step(Call)
    def close(self) -> None:
        """close(2): no process owns the socket any more; the kernel goes on with it as an orphan."""
        # the file descriptor is closed by hand: Python's own close() hides the kernel's errno
        self._call("close", (), lambda: socket.close(self.socket.detach()))

    @step(Call)
    def close_by_child(self) -> None:
        """close(2) while a child process has the socket too, whose exit then closes it at last."""
        self._call("close", ("and by a child",), lambda: close_by_child(self.socket))

    @step(Call)
    def disconnect(self) -> None:
        """connect(2) to AF_UNSPEC: Linux's ABORT; the socket can be used again."""
        self._call("connect", ("AF_UNSPEC",), lambda: connect_to_nobody(self.socket))

    @step(Call)
    def linger(self, seconds: int) -> None:
        """SO_LINGER; with 0 s, ``close()`` sends a RST.

        Raises:
            FinwaitError: the seconds are no whole number, or do not fit.
        """
        check_range("seconds", seconds, 31)
        self.set_option("SO_LINGER", struct.pack("ii", 1, seconds))

    @step(Call)
    def set_option(self, name: socket_options.Name, value: socket_options.Value) -> None:
        """setsockopt(2).

        Args:
            name: as in the kernel's headers, such as ``"TCP_LINGER2"``, or ``(level, number)``, such as ``(6, 8)``.
            value: a number; seconds for a timeout such as SO_RCVTIMEO; a text such as the name of a congestion
                control; or the bytes of a struct.

        Raises:
            FinwaitError: no socket option has that name, or the value is none that it can have.
        """
        level, number = socket_options.number_of(name)
        taken = socket_options.encoded(name, value)
        called = (socket_options.name_of(name), socket_options.shown(value))
        self._call("setsockopt", called, lambda: self.socket.setsockopt(level, number, taken))
        if called[0] == "TCP_QUEUE_SEQ":
            self.recording.gap("TCP_QUEUE_SEQ is a number that the kernel chose in that run")

    @step(Call)
    def option(self, name: socket_options.Name) -> int:
        """getsockopt(2) of an option whose value is a number; see ``set_option``."""
        level, number = socket_options.number_of(name)
        called = (socket_options.name_of(name),)
        return self._call("getsockopt", called, lambda: self.socket.getsockopt(level, number), int)

    @step(Look, "content")
    def option_bytes(self, name: socket_options.Name, size: int = 256, *, given: bytes = b"") -> bytes:
        """getsockopt(2) of any option: at most ``size`` bytes, such as a struct or a text with its NUL.

        Some options, such as TCP_AO_GET_KEYS, are asked for by a struct, ``given``, whose length the kernel is told
        then, and answered in ``size`` bytes, filled up with zeros.
        """
        level, number = socket_options.number_of(name)
        if not isinstance(size, int) or not len(given) <= size <= _MOST_BYTES or not size:
            raise FinwaitError(f"size={size!r} does not fit", hint=f"a whole number from 1 to {_MOST_BYTES}")
        called = (socket_options.name_of(name), size)

        def ask() -> bytes:
            if given:
                return option_given(self.socket, level, number, given, size)
            return self.socket.getsockopt(level, number, size)

        return self._call("getsockopt", called, ask, socket_options.shown)

    @step(Call)
    def tcp_info(self, field: str) -> int | str:
        """getsockopt(TCP_INFO): one of its fields, such as ``snd_cwnd``, ``rtt_us``, ``lost`` or ``ca_state``.

        Times are in the unit that their name ends in; ``ca_state`` is Open, Disorder, CWR, Recovery or Loss, ``state``
        as RFC 9293 names it, ``options`` names joined by commas (struct tcp_info, include/uapi/linux/tcp.h).

        Raises:
            FinwaitError: there is no such field.
            Unsupported: this kernel does not tell it.
        """
        name = tcp_info.field_name(field)

        def ask() -> int | str:
            told: int | str | tuple[str, ...] | None = getattr(tcp_info.read(self.socket), name)
            if told is None:
                raise Unsupported(f"this kernel's TCP_INFO has no {name}", hint="a newer kernel")
            return ",".join(told) if isinstance(told, tuple) else told

        return self._call("getsockopt", ("TCP_INFO", name), ask, lambda told: told)

    @step(Call)
    def error(self) -> int:
        """getsockopt(SO_ERROR): the pending errno, 0 for none; reading clears it."""
        return self.option("SO_ERROR")

    @step(Call)
    def is_urgent(self) -> bool:
        """poll(2) for POLLPRI: whether there is urgent data that was not read yet."""

        def poll() -> bool:
            return bool(select.select([], [], [self.socket], 0)[2])

        return self._call("poll", ("POLLPRI",), poll, int)

    @step(Call)
    def raise_error(self) -> None:
        """getsockopt(SO_ERROR): raise the pending error; do nothing if there is none."""
        self._call("getsockopt", ("SO_ERROR",), self._raise_pending)

    def _raise_pending(self) -> None:
        number = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, errno.errorcode.get(number, str(number)))

    @step(Call)
    def wait_connected(self) -> None:
        """Wait until a ``connect(wait=False)`` has ended, and raise its error if it failed."""
        self.socket.settimeout(DEADLINE_SECONDS)

        def finish() -> None:
            if not select.select([], [self.socket], [], DEADLINE_SECONDS)[1]:
                raise TimeoutError(errno.ETIMEDOUT, "not connected in time")
            self._raise_pending()

        self._call("poll", ("POLLOUT",), finish)

    @step(Enter)
    @contextmanager
    def without_waiting(self) -> Iterator[None]:
        """Calls inside fail with EAGAIN where they would wait."""
        self.socket.settimeout(0)
        try:
            yield
        finally:
            if self.socket.fileno() != -1:
                self.socket.settimeout(DEADLINE_SECONDS)

    @step(Call)
    def await_error(self, limit: Span) -> str:
        """poll(2) and getsockopt(SO_ERROR): the name of the error that the kernel reports; empty if none in time.

        Args:
            limit: how long to wait at most.
        """

        def wait() -> str:
            waiting = select.poll()
            waiting.register(self.socket, 0)  # errors are always reported
            waiting.poll(limit.ns / MS)
            number = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            return errno.errorcode.get(number, str(number)) if number else ""

        return self._call("poll", ("POLLERR",), wait, lambda name: name or 0)

    @property
    def port(self) -> int:
        """The local port; its last one if the socket has none any more, or is closed."""
        self._port = ports_of(self.socket)[0] or self._port
        self.recording.knows(self._port, self, "port")
        return self._port
