"""Joins two real kernels, the path between them, and the probes of both into what a scenario works with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from typing import Self

from harness.errors import FinwaitError
from harness.live.base_session import SERVICE_PORT, Account, BaseSession, know_addresses
from harness.live.endpoint import Endpoint
from harness.live.forgetting import resets
from harness.live.kernel_pair import KernelPair
from harness.live.nginx import Curl, Nginx
from harness.live.opening import open_socket
from harness.live.own_delay import refuse_delay_of_path
from harness.live.router import Router
from harness.live.sysctl_changes import SysctlChanges
from harness.path.passages import Closing
from harness.path.path import Path
from harness.path.rules import Side
from harness.probes.observer import Link, Observer, Probes
from harness.probes.sockets import SocketState
from harness.probes.tracepoints import Tracer
from harness.program.recording import step
from harness.program.steps import Call, Expect, Look, Open, Program
from harness.tcp.mutation import Mutation
from harness.tcp.timing import RTO_INIT, Time, TimingProfile, format_ms, span_of
from harness.tcp.verdict import Due, Evidence, Mismatch
from netns import processor, sysctls
from netns.conditions import Settings
from netns.enter import Namespace
from netns.lab import PathLab

OVER = ("TIME-WAIT", "CLOSED")


class TwoKernelSession(BaseSession):
    """A lab with two kernels and a path between them.

    Args:
        profile: the tolerances.
        version: IP version, 4 or 6.
        timestamps: whether the client offers TCP timestamps.
        settings: which conditions the lab pins.
        mutation: how segments are mutated before they are judged, or None.
        tracer: listens to the kernel's tracepoints for the whole process, or None.
        routed: whether a third kernel forwards between path and server.
    """

    lab: PathLab

    def __init__(
        self,
        profile: TimingProfile,
        *,
        version: int = 4,
        timestamps: bool = True,
        settings: Settings = Settings.HELD,
        mutation: Mutation | None = None,
        tracer: Tracer | None = None,
        routed: bool = False,
    ) -> None:
        super().__init__(profile, version, tracer)
        self.lab = PathLab(settings, ipv6=version == 6, routed=routed)
        self._timestamps = timestamps
        self._settings = settings
        self._mutation = mutation
        self._connections = 0
        self._closing: Closing | None = None
        self._router: Router | None = None

    def __enter__(self) -> Self:
        with ExitStack() as opening, self.stopwatch.part("lab"):
            opening.enter_context(processor.kept())
            opening.enter_context(self.lab)
            self.namespaces = {"server": self.lab.server, "client": self.lab.client, "path": self.lab.path}
            know_addresses(self)
            if self.lab.router:
                self.namespaces["router"] = self.lab.router
                self._router = Router(self.lab.router, self.lab.plan, self.version, self.timeline, self._after_step)
            if not self._timestamps:
                with self.lab.client.entered():
                    sysctls.write("net/ipv4/tcp_timestamps", "0")
            self.path = opening.enter_context(Path(self.lab, self.timeline, self.profile, self._mutation))
            self._sysctls = {
                side: SysctlChanges(self._namespace(side), self.timeline, self._after_step, str(side)) for side in Side
            }
            probes = {side: opening.enter_context(Probes(self._namespace(side))) for side in Side}
            self._observers = {side: Observer(probes[side], self.timeline, self._tracer, str(side)) for side in Side}
            self.observers = tuple(self._observers.values())
            self.path.after_step = self._after_step
            self._stack = opening.pop_all()
        return self

    def _before_closing(self) -> Iterable[Callable[[], None]]:
        return self.path.conclude, self._abandon

    def _namespace(self, side: Side) -> Namespace:
        return self.lab.client if side is Side.CLIENT else self.lab.server

    @property
    def router(self) -> Router:
        """The kernel that forwards between path and server.

        Raises:
            FinwaitError: there is none.
        """
        if self._router is None:
            raise FinwaitError("no kernel forwards between path and server here", hint="ask for the fixture router")
        return self._router

    def address(self, side: Side | str) -> str:
        """The address of a side: ``client`` or ``server``."""
        return self.peer_address if Side(side) is Side.CLIENT else self.kernel_address

    # -- what scenarios open

    @step(Open, "endpoint")
    def socket(self, side: Side | str, port: int = 0, *, reuse: bool = True) -> Endpoint:
        """Open a TCP socket in one of the kernels and bind it; port 0 for any.

        Raises:
            FinwaitError: the port is in use.
        """
        side = Side(side)
        made = open_socket(self._namespace(side), self.version, self.address(side), port, reuse=reuse)
        its = self._sysctls[side], self.timeline, self._after_step
        self.endpoints.append(Endpoint(made, *its, self._connections + 1, str(side)))
        return self.endpoints[-1]

    @step(Open, "listener")
    def listen(self, port: int = SERVICE_PORT, backlog: int = 16) -> Endpoint:
        """Open a listening socket in the server's kernel."""
        listener = self.socket(Side.SERVER, port)
        listener.listen(backlog)
        return listener

    @step(Call)
    def watch(self, client_port: int, server_port: int, *, host: str = "") -> None:
        """Let the probes watch a connection from now on; see ``connect``."""
        self._connections += 1
        client, server = (self.address(Side.CLIENT), client_port), (host or self.address(Side.SERVER), server_port)
        self._observers[Side.CLIENT].watch(Link(self._connections, self.version, client, server))
        self._observers[Side.SERVER].watch(Link(self._connections, self.version, server, client))

    @step(Open, "client", "server", "path")
    def connect(self, listener: Endpoint, client_port: int = 0, *, host: str = "", port: int = 0) -> KernelPair:
        """Open a connection from the client to a listening socket of the server, and accept it.

        Args:
            listener: the listening socket.
            client_port: the client's port; the lab's next one by default.
            host: the address that the client connects to; the server's by default.
            port: and the port; the listener's by default.

        Raises:
            Mismatch: the kernels do not complete the handshake.
        """
        client = self.open(port or listener.port, client_port, host=host)
        server = listener.accept(client.connection)
        own, other = server.socket.getsockname()[:2], server.socket.getpeername()[:2]  # as a router translates them
        self._observers[Side.SERVER].watch(Link(client.connection, self.version, own, other))
        return KernelPair(client, server, self.path)

    @step(Open, "client")
    def open(self, port: int, client_port: int = 0, *, host: str = "") -> Endpoint:
        """Open a connection from the client to a port of the server, without accepting it; see ``connect``.

        Raises:
            Mismatch: the kernels do not complete the handshake.
        """
        client = self.socket(Side.CLIENT, client_port or self.client_port)
        self.watch(client.port, port, host=host)
        client.connect((host or self.address(Side.SERVER), port))
        self.path.expect_handshake(client.connection)
        return client

    @step(Open, "nginx")
    def serve_nginx(self, lingering_close: str = "on") -> Nginx:
        """nginx on ``SERVICE_PORT`` of the server's kernel until the scenario ends; for the rest see ``Nginx``."""
        where = self.lab.server, self.address(Side.SERVER), SERVICE_PORT
        return self._stack.enter_context(Nginx(*where, lingering_close, self.recording))

    @step(Open, "curl")
    def curl(self) -> Curl:
        """curl as the client, to ask the server at ``SERVICE_PORT``; the probes watch its connection."""
        port = self.client_port
        self.watch(port, SERVICE_PORT)
        return Curl(self.lab.client, port, self.address(Side.SERVER), SERVICE_PORT, self.recording)

    @property
    def client_port(self) -> int:
        """The port of the client's next connection."""
        port = self.lab.plan.first_port + self._connections + 1
        self.recording.knows(port, self, "client_port")
        return port

    @step(Call)
    def sysctl(self, name: str, value: int | str | None = None, *, side: Side | str = Side.SERVER) -> str:
        """Read or set a sysctl of one of the kernels; see ``Session.sysctl``."""
        return self._sysctls[Side(side)].value(name, value)

    # -- how it ends

    @step(Look, "found")
    def look(self, side: Side | str, connection: int = 1) -> SocketState | None:
        """The socket of a connection on one side, after both kernels have processed everything; None if it is gone.

        Raises:
            Unsupported: the kernel does not show its sockets.
        """
        self.path.settle()
        return self._observers[Side(side)].find(connection)

    @step(Look)
    def states(self, connection: int = 1) -> tuple[str, str]:
        """The states of a connection's two sockets, client first; CLOSED where there is none. See ``look``."""
        found = [self.look(side, connection) for side in Side]
        client, server = (state.state if state else "CLOSED" for state in found)
        return client, server

    @step(Expect, "closing")
    def expect_closed(self, connection: int = 1, within: Time = RTO_INIT) -> Closing:
        """Wait until both sockets of a connection are gone or in TIME-WAIT.

        Args:
            connection: its number.
            within: how long to wait.

        Raises:
            Mismatch: they are not by then.
            Unsupported: the kernel does not show its sockets.
        """
        step = self.timeline.step("expect both sockets gone or in TIME-WAIT")
        wait = self.profile.deadline(span_of(within, "within"))
        end = time.monotonic_ns() + wait
        while True:
            names = self.states(connection)
            if set(names) <= set(OVER):
                break
            if not self.path.watch(end - time.monotonic_ns()) and time.monotonic_ns() >= end:
                seen = f"client {names[0]}, server {names[1]} after {format_ms(wait)}"
                due = (Due("both sockets gone or in TIME-WAIT"),)
                raise Mismatch(Evidence(expected=due, observed=seen, step=step))
        self._closing = self.path.passages.closing(connection)
        return self._closing

    def _abandon(self) -> None:
        for side, frame in resets(self.path.passages.last_acknowledging(), self.lab.plan):
            self.path.send(side, frame)

    @step(Expect)
    def finish(self) -> None:
        """Fail if a segment came that the scenario did not mention, or a rule never took effect.

        Raises:
            Mismatch: something was.
            BadRules: a rule did not.
        """
        self.path.finish()

    # -- what the recorder asks for

    def _account(self, grown: dict[str, int]) -> Account:
        """An answer's time is that until both closed."""
        self.path.place()
        reply = self.path.last_reply
        if reply and self._closing:
            reply = replace(reply, elapsed_ns=self._closing.ns)
        return Account(
            frames=self.path.passages.frames,
            replies=[reply] if reply else [],
            choices=[reply.name] if reply and reply.name else [],
            judged=self.path.judged,
            mutated=self.path.mutated,
            counters=grown,
        )

    def program(self, failure: BaseException | None, outcome: str) -> Program:
        """See ``BaseSession.program``."""
        settings = self._settings_of_program(self._timestamps, self._settings)
        things: dict[str, object] = {"path_session": self, "path": self.path}
        if self._router:
            settings, things = settings | {"routed": True}, things | {"path_session.router": self._router}
        setting = Program(topology="path_session", settings=settings)
        return self.recording.program(things, setting, failure, outcome)

    def explain(self, mismatch: Mismatch) -> None:
        """What the rules of the path wait for, too."""
        self.path.conclude()
        if not self.path.impaired:
            refuse_delay_of_path(mismatch.evidence, self.path.passages, self.profile)
        super().explain(mismatch)
        mismatch.add(notes=tuple(f"path: {complaint}" for complaint in self.path.complaints or ()))
