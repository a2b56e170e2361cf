"""Runs programs in one lab, inside the kernel that is asked: each over connections of its own, with all that came."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from harness.explore.attempt import (
    COOKIE,
    COOKIE_ASKED,
    KEYS,
    NOT_MADE,
    SIZED,
    SOCKET_OPTIONS,
    SYSCTLS,
    About,
    Act,
    Attempt,
    AttemptStep,
    Icmp,
    Noted,
    Pause,
    Put,
)
from harness.explore.lab import ProgramLab, Sighted
from harness.explore.line import Line
from harness.live.calibration import await_phase
from harness.live.syscalls import connect_to_nobody, errno_name
from harness.tcp.authentication import Md5Key
from harness.tcp.segment import SYN
from harness.tcp.socket_options import number_of
from harness.wire.frames import Flow
from harness.wire.icmp import KINDS, error

SERVICE_PORT, CLIENT_PORT = 8080, 8081
_FIRST_PORT = 1024
CONNECTIONS = 3
"""Of a program, at most."""
_AT_ONCE = struct.pack("ii", 1, 0)  # struct linger: a reset
_CLOSED, _LISTEN = 7, 10  # include/net/tcp_states.h; behind them may be a mini-socket, or a connection to accept
_SILENT = {"listen", "accept", "defer_accept", *KEYS, *SYSCTLS}
"""Calls that change nothing about a connection. Should a kernel send something all the same, the next step has it."""
_SYSCTLS = Path("/proc/sys/net/ipv4")
_ASKS = (Act("fastopen"), Act("listen"), Put(SYN, options=COOKIE_ASKED))


class Executor(ProgramLab):
    """Runs programs in a lab of its own, one after the other; a context manager.

    Args:
        ignored: see ``ProgramLab``.
        virtual: whether the kernel's clock skips idle time: what waits then begins at one place of its timer wheel.
    """

    def __init__(self, ignored: tuple[str, ...] = (), *, virtual: bool = False) -> None:
        super().__init__(ignored)
        self._virtual = virtual
        self._port = _FIRST_PORT - CONNECTIONS
        self.cookies: dict[int, bytes] = {}
        """Of Fast Open by IP version, as the kernel has given them to the peer."""

    def run(self, attempt: Attempt) -> tuple[Noted, ...]:
        """Run a program on connections of its own, and note what each step brought about."""
        wants_cookie = any(isinstance(step, Put) and step.options == COOKIE for step in attempt.steps)
        if wants_cookie and attempt.ip_version not in self.cookies:
            self._run(Attempt(_ASKS, attempt.ip_version))
        return self._run(attempt)

    def _run(self, attempt: Attempt) -> tuple[Noted, ...]:
        self._port += CONNECTIONS
        if self._virtual and any(isinstance(step, Pause) for step in attempt.steps):
            await_phase()
        course = _Course(self, self._port, attempt.ip_version)
        try:
            return tuple([course.take(step) for step in attempt.steps])
        finally:
            course.end()


class _Course:
    """One run of a program."""

    def __init__(self, lab: Executor, port: int, version: int) -> None:
        self._lab = lab
        self._port = port
        self._version = version
        self._address = lab.plan.kernel.address(version)
        self._listener: socket.socket | None = None
        self._made: list[socket.socket] = []
        self._options: list[tuple[int, int, int | bytes]] = []  # of the next socket
        self._before: dict[Path, str] = {}
        self._lines: dict[int, Line] = {}
        self._among: dict[tuple[int, int, int], int] = {}
        self._line = self._about(1)

    def _about(self, number: int) -> Line:
        if number not in self._lines:
            port = self._port + number - 1
            self._lines[number] = Line(number, Flow(self._version, port, SERVICE_PORT), self._lab, self._lab.cookies)
            for own in (SERVICE_PORT, CLIENT_PORT):
                self._among[self._version, own, port] = number
        return self._lines[number]

    def take(self, step: AttemptStep) -> Noted:
        """Do a step."""
        self._lab.begin_step()
        result = ""
        sent: tuple[int, ...] = ()
        waited: list[tuple[int, Sighted]] = []
        match step:
            case Put():
                self._line.is_known = True
                segments, sent = self._line.numbers.wire(step)
                for segment in segments:
                    self._line.put(segment, step.options)
            case Icmp(name, seq) if KINDS[name][self._version == 6]:
                self._lab.put(error(self._lab.plan, self._line.flow, name, self._line.numbers.kernels(seq)))
            case About(number):
                self._line = self._about(number)
            case Act():
                result = self._call(step)
            case Pause(ms):
                waited = self._lab.wait(self._among, ms)
        back = [self._lines[one.connection].seen(one, at) for at, one in waited]
        if not (isinstance(step, Act) and step.name in _SILENT):
            back += [self._lines[one.connection].seen(one, 0) for one in self._lab.drain(self._among)]
        held = self._line.connection
        seen = self._lab.info(held), self._lab.grown(), self._lab.dropped()
        return Noted(self._state(), result, tuple(back), sent, *seen)

    def _state(self) -> int:
        line = self._line
        held = _LISTEN if self._listener else 0
        if line.connection is not None:
            held = line.connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
            if held not in (_CLOSED, _LISTEN):
                return held
        return (self._lab.state(line.flow) if line.is_known else 0) or held

    def _call(self, act: Act) -> str:
        try:
            return str(self._do(act))
        except OSError as error:
            return errno_name(error)

    def _do(self, act: Act) -> int | str:
        if act.name in SYSCTLS:
            return self._set(*act.name.rpartition("_")[::2])
        opening: dict[str, Callable[[], int | str]] = {
            "listen": self._listen,
            "accept": self._accept,
            "connect": self._connect,
            "defer_accept": self._defer,
            **{name: partial(self._share, key) for name, key in KEYS.items()},
        }
        if act.name in opening:
            return opening[act.name]()
        if act.name in SIZED or act.name in SOCKET_OPTIONS:
            return self._set_option(act)
        return self._do_with(self._line.connection, act) if self._line.connection is not None else NOT_MADE

    def _listen(self) -> int | str:
        self._listener = self._listener or self._socket(SERVICE_PORT)
        self._listener.listen(8)
        return 0

    def _defer(self) -> int | str:
        if self._listener is None:
            return NOT_MADE
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
        return 0

    def _accept(self) -> int | str:
        if self._listener is None or self._line.connection is not None:
            return NOT_MADE
        accepted, (_, port, *_) = self._listener.accept()
        self._made.append(accepted)
        accepted.setblocking(False)
        number = port - self._port + 1
        self._about(number).connection = accepted
        return 0 if number == self._line.number else number  # the first in the queue may be another's

    def _connect(self) -> int | str:
        if self._listener is not None:
            return NOT_MADE
        line, port = self._line, self._port + self._line.number - 1
        if line.connection is None:
            line.is_known = True
            line.set_out(Flow(self._version, port, CLIENT_PORT))
            line.connection = self._socket(CLIENT_PORT)
        line.connection.connect((self._lab.plan.peer.address(self._version), port))
        return 0

    def _do_with(self, connection: socket.socket, act: Act) -> int | str:
        match act.name:
            case "close":
                self._line.connection = None
                connection.close()
            case "shutdown_rd" | "shutdown_wr" | "shutdown_rdwr":
                connection.shutdown(("shutdown_rd", "shutdown_wr", "shutdown_rdwr").index(act.name))
            case "send":
                return connection.send(bytes(act.size))
            case "recv":
                return len(connection.recv(act.size))
            case "linger_0":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            case "abort":
                connect_to_nobody(connection)
        return 0

    def _share(self, key: bytes) -> int:
        return self._with_option("TCP_MD5SIG", Md5Key(key).socket_option(self._lab.plan.peer.address(self._version)))

    def _set_option(self, act: Act) -> int:
        return self._with_option(*((SIZED[act.name], act.size) if act.name in SIZED else SOCKET_OPTIONS[act.name]))

    def _with_option(self, name: str, value: int | bytes) -> int:
        holder = self._line.connection or self._listener
        if holder is None:
            self._options.append((*number_of(name), value))
        else:
            holder.setsockopt(*number_of(name), value)
        return 0

    def _set(self, name: str, value: str) -> int | str:
        file = _SYSCTLS / name
        if not file.exists():
            return "ENOENT"
        self._before.setdefault(file, file.read_text())
        file.write_text(value)
        return 0

    def _socket(self, port: int) -> socket.socket:
        family = socket.AF_INET if self._version == 4 else socket.AF_INET6
        made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._made.append(made)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        while self._options:
            made.setsockopt(*self._options.pop(0))
        made.bind((self._address, port))
        return made

    def end(self) -> None:
        """Leave nothing of the connection: whoever holds it resets it, and an orphan is reset by the peer."""
        for one in self._made:
            if one.fileno() >= 0:  # not closed by the program
                with suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                one.close()
        for line in self._lines.values():
            if line.connection is None:  # what the kernel goes on with by itself
                line.end()
        for file, value in self._before.items():
            file.write_text(value)
