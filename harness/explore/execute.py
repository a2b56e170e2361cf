"""Runs programs in one lab, inside the kernel that is asked: one connection each, and all that came back."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import msgspec

from harness.explore.attempt import (
    NOT_MADE,
    SOCKET_OPTIONS,
    SYSCTLS,
    Act,
    Attempt,
    AttemptStep,
    CameBack,
    Icmp,
    Noted,
    Pause,
    Put,
)
from harness.explore.numbers import Numbering
from harness.live.calibration import await_phase
from harness.live.syscalls import connect_to_nobody, errno_name
from harness.probes import sockets
from harness.tcp.segment import PSH, Segment
from harness.tcp.socket_options import number_of
from harness.tcp.timing import MARKER_LIMIT, MS, SECOND
from harness.wire.capture import ETH_P_ALL, packet_socket
from harness.wire.decode import decode
from harness.wire.frames import Encoder, Flow
from harness.wire.icmp import error
from harness.wire.marker import Marker, unanswered
from netns import processor
from netns.conditions import Settings
from netns.lab import Lab
from netns.link import PEER_END

SERVICE_PORT, CLIENT_PORT = 8080, 8081
_FIRST_PORT = 1024
_AT_ONCE = struct.pack("ii", 1, 0)  # struct linger: a reset
_CLOSED, _LISTEN = 7, 10  # include/net/tcp_states.h; behind them may be a mini-socket, or a connection to accept
_MOST = 65536
_SYSCTLS = Path("/proc/sys/net/ipv4")


class Executor:
    """One lab, in which programs run one after the other; a context manager.

    Args:
        ignored: what is left out of each observation, see ``attempt.IGNORED``.
        virtual: whether the kernel's clock skips idle time: what waits then begins at one place of its timer wheel.
    """

    def __init__(self, ignored: tuple[str, ...] = (), *, virtual: bool = False) -> None:
        self._virtual = virtual
        self.ignored = frozenset(ignored)
        self._lab = Lab(Settings.HELD, ipv6=False)
        self._stack = ExitStack()
        self._port = _FIRST_PORT - 1

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(processor.kept())
            opening.enter_context(self._lab)
            self.plan = self._lab.plan
            with self._lab.peer.entered():
                # what one packet socket sends it does not see itself, so that only the kernel's frames are read
                self._wire = opening.enter_context(packet_socket(PEER_END, ETH_P_ALL))
            self._diag = opening.enter_context(sockets.open_diag(self._lab.kernel))
            opening.enter_context(self._lab.kernel.entered())
            self._marker = Marker.of(self.plan)
            self._stack = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, attempt: Attempt) -> tuple[Noted, ...]:
        """Run a program on a connection of its own, and note what each step brought about."""
        self._port += 1
        if self._virtual and any(isinstance(step, Pause) for step in attempt.steps):
            await_phase()
        course = _Course(self, self._port)
        try:
            return tuple([course.take(step) for step in attempt.steps])
        finally:
            course.end()

    # -- what a course needs of the lab

    def put(self, frame: bytes) -> None:
        """Send a frame."""
        self._wire.send(frame)

    def drain(self, flow: Flow) -> list[Segment]:
        """What the kernel has sent of a connection so far: up to its answer to a request that it always answers.

        Raises:
            FinwaitError: it does not answer.
        """
        self._wire.send(self._marker.request)
        self._wire.settimeout(MARKER_LIMIT.ns / SECOND.ns)
        found: list[Segment] = []
        try:
            while not self._marker.is_answer(data := self._wire.recv(_MOST)):
                found += _of(flow, data)
        except TimeoutError:
            raise unanswered() from None
        return found

    def wait(self, flow: Flow, ms: int) -> list[tuple[int, Segment]]:
        """Let time pass: the segments that the kernel sends meanwhile, with the ms after which it did."""
        start = time.monotonic_ns()
        found = []
        while (left := start + ms * MS - time.monotonic_ns()) > 0:
            self._wire.settimeout(left / SECOND.ns)
            with suppress(TimeoutError):
                data = self._wire.recv(_MOST)
                found += [((time.monotonic_ns() - start) // MS, segment) for segment in _of(flow, data)]
        return found

    def state(self, flow: Flow) -> int:
        """The state of a connection that no process of ours holds, as the kernel counts them; 0 for none."""
        kernel, peer = (self.plan.kernel.ipv4, flow.kernel_port), (self.plan.peer.ipv4, flow.peer_port)
        body = sockets.ask(self._diag, flow.version, kernel, peer)
        return body[1] if body else 0

    def seen(self, segment: CameBack) -> CameBack:
        """What of a segment is in sight."""
        hidden: dict[str, object] = {}
        if "PSH" in self.ignored:
            hidden["flags"] = segment.flags & ~PSH
        if "window sizes" in self.ignored:
            hidden["window"] = min(segment.window, 1)
        if "time" in self.ignored:
            hidden["at_ms"] = 0
        return msgspec.structs.replace(segment, **hidden) if hidden else segment


def _of(flow: Flow, data: bytes) -> list[Segment]:
    """The kernel's segment in a frame, where it is of this connection."""
    decoded = decode(data)
    if decoded and decoded[:3] == (flow.version, flow.kernel_port, flow.peer_port):
        return [decoded.segment]
    return []


class _Course:
    """One run of a program."""

    def __init__(self, lab: Executor, port: int) -> None:
        self._lab = lab
        self._port = port
        self._listener: socket.socket | None = None
        self._connection: socket.socket | None = None
        self._made: list[socket.socket] = []
        self._before: dict[Path, str] = {}
        self._set_out(SERVICE_PORT)
        self._numbers = Numbering(shows_timestamps="timestamp values" not in lab.ignored)

    def _set_out(self, service: int) -> None:
        """Be about the connection with this port of the kernel's."""
        self._flow = Flow(4, self._port, service)
        self._encoder = Encoder(self._lab.plan, self._flow)

    def take(self, step: AttemptStep) -> Noted:
        """Do a step."""
        result = ""
        sent: tuple[int, ...] = ()
        waited: list[tuple[int, Segment]] = []
        match step:
            case Put():
                segments, sent = self._numbers.wire(step)
                for segment in segments:
                    self._lab.put(self._encoder.encode(segment))
            case Icmp(name, seq):
                self._lab.put(error(self._lab.plan, self._flow, name, self._numbers.kernels(seq)))
            case Act():
                result = self._call(step)
            case Pause(ms):
                waited = self._lab.wait(self._flow, ms)
        back = [self._lab.seen(self._numbers.relative(one, at)) for at, one in waited]
        back += [self._lab.seen(self._numbers.relative(one, 0)) for one in self._lab.drain(self._flow)]
        return Noted(self._state(), result, tuple(back), sent)

    def _state(self) -> int:
        holder = self._connection or self._listener
        held = holder.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] if holder is not None else 0
        if held not in (0, _CLOSED, _LISTEN):
            return held
        return self._lab.state(self._flow) or held

    def _call(self, act: Act) -> str:
        try:
            return str(self._do(act))
        except OSError as error:
            return errno_name(error)

    def _do(self, act: Act) -> int | str:
        if act.name in SYSCTLS:
            return self._set(*act.name.rpartition("_")[::2])
        opening = {
            "listen": self._listen,
            "accept": self._accept,
            "connect": self._connect,
            "defer_accept": self._defer,
        }
        if act.name in opening:
            return opening[act.name]()
        return self._do_with(self._connection, act) if self._connection is not None else NOT_MADE

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
        if self._listener is None or self._connection is not None:
            return NOT_MADE
        self._connection, _ = self._listener.accept()
        self._made.append(self._connection)
        self._connection.setblocking(False)
        return 0

    def _connect(self) -> int | str:
        if self._listener is not None:
            return NOT_MADE
        if self._connection is None:
            self._set_out(CLIENT_PORT)
            self._connection = self._socket(CLIENT_PORT)
        self._connection.connect((self._lab.plan.peer.ipv4, self._port))
        return 0

    def _do_with(self, connection: socket.socket, act: Act) -> int | str:
        match act.name:
            case "close":
                self._connection = None
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
            case _:
                name, value = SOCKET_OPTIONS[act.name]
                connection.setsockopt(*number_of(name), value)
        return 0

    def _set(self, name: str, value: str) -> int | str:
        file = _SYSCTLS / name
        if not file.exists():
            return "ENOENT"
        self._before.setdefault(file, file.read_text())
        file.write_text(value)
        return 0

    def _socket(self, port: int) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._made.append(made)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((self._lab.plan.kernel.ipv4, port))
        return made

    def end(self) -> None:
        """Leave nothing of the connection: whoever holds it resets it, and an orphan is reset by the peer."""
        for one in self._made:
            with suppress(OSError):  # closed by the program
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            one.close()
        if self._connection is None:  # what the kernel goes on with by itself
            self._lab.put(self._encoder.encode(self._numbers.reset()))
        for file, value in self._before.items():
            file.write_text(value)
