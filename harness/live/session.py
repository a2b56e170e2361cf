"""One kernel under test and crafted peers: lab, peers, endpoints and probes joined into what a scenario works with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import NamedTuple, Self

from harness.live.base_session import SERVICE_PORT, Account, know_addresses
from harness.live.dispatcher import Dispatcher
from harness.live.endpoint import Endpoint
from harness.live.lab_pool import EquippedLab
from harness.live.opening import SYN_OPTIONS, SYN_OPTIONS_WITHOUT_TIMESTAMPS, open_socket, open_unbound
from harness.live.own_delay import refuse_delay_of_peer
from harness.live.peer import Peer
from harness.live.sender import INITIAL_SEQUENCE_NUMBER
from harness.live.socket_session import SocketSession
from harness.live.syscalls import ports_of
from harness.live.sysctl_changes import SysctlChanges
from harness.probes.observer import Link, Observer
from harness.probes.tracepoints import Tracer
from harness.program.recording import step
from harness.program.steps import Call, Expect, Open, Program, Wait
from harness.tcp.mutation import Mutation
from harness.tcp.segment import ACK, SYN, check_range
from harness.tcp.timing import TimingProfile
from harness.tcp.verdict import Due, Evidence, Mismatch, shown
from harness.trace.events import Called
from harness.wire.frames import Flow
from netns import processor
from netns.conditions import Settings
from netns.lab import Lab


class Connection(NamedTuple):
    """The two ends of a connection: the socket of the kernel under test, server or client, and the peer."""

    endpoint: Endpoint
    peer: Peer


class Session(SocketSession):
    """A lab with one kernel under test and scripted peers.

    Args:
        profile: the tolerances.
        version: IP version, 4 or 6.
        timestamps: whether the peer offers TCP timestamps.
        settings: which conditions the lab pins.
        mutation: how answers are mutated before they are judged, or None.
        tracer: listens to the kernel's tracepoints for the whole process, or None.
        shared: an open lab that other sessions have before and after this one, with its own ``settings``; None for
            one of the session's own. What the session opens in it is gone when the session ends.
    """

    lab: Lab

    def __init__(
        self,
        profile: TimingProfile,
        *,
        version: int = 4,
        timestamps: bool = True,
        settings: Settings = Settings.HELD,
        mutation: Mutation | None = None,
        tracer: Tracer | None = None,
        shared: EquippedLab | None = None,
    ) -> None:
        super().__init__(profile, version, tracer)
        self.timestamps = timestamps
        self.peers: list[Peer] = []
        self._equipped = shared or EquippedLab(settings, ipv6=version == 6)
        self.lab = self._equipped.lab
        self._shared = shared is not None
        self._mutation = mutation

    def __enter__(self) -> Self:
        with ExitStack() as opening, self.stopwatch.part("lab"):
            opening.enter_context(processor.kept())
            if self._shared:
                self._equipped.unusable = "a session did not get as far as to clear it"
            else:
                opening.enter_context(self._equipped)
            self._sysctls = SysctlChanges(self.lab.kernel, self.timeline, self._after_step)
            self.wire = self._equipped.wire
            self.namespaces = {"kernel": self.lab.kernel, "peer": self.lab.peer}
            self.wire.begin()
            self.dispatcher = Dispatcher(self.lab.plan, self.wire, self.timeline, self.profile, self._mutation)
            self.dispatcher.stopwatch, self.dispatcher.conditions = self.stopwatch, self.lab.conditions
            know_addresses(self)
            self.observer = Observer(self._equipped.probes, self.timeline, self._tracer)
            self.observers = (self.observer,)
            self.dispatcher.after_step = self._after_step
            if self._shared:
                opening.push(self._clear)
            self._stack = opening.pop_all()
        return self

    def _before_closing(self) -> Iterable[Callable[[], None]]:
        return [peer.abandon for peer in self.peers]

    def _clear(self, failed: type[BaseException] | None, *_: object) -> None:
        """Leave a shared lab as it was; one in which something could not be let go stays unusable."""
        if failed is not None:
            return
        self._sysctls.undo()
        # the wire keeps its order: when the marker is answered, so are the resets and what closing sent
        self.dispatcher.flush()
        self._equipped.unusable = self.observer.left_behind()

    def _after_step(self) -> None:
        self.dispatcher.looked_at = time.time_ns()
        super()._after_step()

    # -- what scenarios open

    @step(Open, "client")
    def socket(self, port: int = 0, *, address: str | None = None) -> Endpoint:
        """Open a TCP socket in the kernel under test, bound to a port (0 for any) and the lab's address or another.

        Raises:
            FinwaitError: the port is in use, or out of range.
        """
        own = self.kernel_address if address is None else address
        made = open_socket(self.lab.kernel, self.version, own, check_range("port", port, 16))
        self.endpoints.append(Endpoint(made, self._sysctls, self.timeline, self._after_step, self._next))
        return self.endpoints[-1]

    @property
    def _next(self) -> int:
        """The number of the next peer."""
        return len(self.peers) + 1

    @step(Open, "client")
    def unbound_socket(self) -> Endpoint:
        """Open a TCP socket in the kernel under test without binding it; socket(2) is on the timeline."""
        at = time.time_ns()
        made = open_unbound(self.lab.kernel, self.version)
        step = self.timeline.step("socket()")
        self.timeline.add(Called(at, time.time_ns(), "socket", step=step, connection=self._next))
        self.endpoints.append(Endpoint(made, self._sysctls, self.timeline, self._after_step, self._next))
        return self.endpoints[-1]

    @step(Open, "listener")
    def listen(self, port: int = SERVICE_PORT, backlog: int = 16, *, address: str | None = None) -> Endpoint:
        """Open a listening socket in the kernel under test; see ``socket``."""
        listener = self.socket(port, address=address)
        listener.listen(backlog)
        return listener

    @step(Open, "peer")
    def new_peer(
        self, kernel_port: int = SERVICE_PORT, *, port: int | None = None, isn: int = INITIAL_SEQUENCE_NUMBER
    ) -> Peer:
        """Make a peer of a port of the kernel under test, with a free port of its own and this initial sequence number.

        Raises:
            FinwaitError: a connection of this lab uses the two ports, or a port is out of range.
        """
        taken = {peer.port for peer in self.peers}
        own = port if port is not None else next(p for p in iter(self._equipped.take_port, None) if p not in taken)
        flow = Flow(self.version, check_range("port", own, 16), kernel_port)
        peer = Peer(self.dispatcher, flow, self._next, isn)
        self.peers.append(peer)
        if all(port != kernel_port for port, _ in self.timeline.numbers):
            self._number(kernel_port, peer.connection)
        self.timeline.numbers[kernel_port, own] = peer.connection
        plan = self.lab.plan
        local, remote = (plan.kernel.address(self.version), kernel_port), (plan.peer.address(self.version), own)
        self.observer.watch(Link(peer.connection, self.version, local, remote, lambda: peer.kernel.isn))
        return peer

    def _number(self, port: int, number: int) -> None:
        """A socket that got another peer than was thought when it was opened has that peer's number, as its calls."""
        for endpoint in self.endpoints:
            if endpoint.connection != number and ports_of(endpoint.socket)[0] == port:
                endpoint.connection = number
                self.timeline.number(port, number)

    @property
    def syn_options(self) -> str:
        """The options of the peer's SYN or SYN,ACK, unless others are given."""
        return SYN_OPTIONS if self.timestamps else SYN_OPTIONS_WITHOUT_TIMESTAMPS

    @step(Open, "server", "peer")
    def establish(self, listener: Endpoint, peer: Peer | None = None, *, options: str | None = None) -> Connection:
        """Open a connection from the peer to a listening socket (RFC 9293 3.5, figure 6), and accept it.

        Args:
            listener: the listening socket.
            peer: the peer; a new one by default.
            options: of the peer's SYN, in packetdrill's notation; ``syn_options`` by default.

        Raises:
            Mismatch: the kernel does not complete the handshake.
        """
        peer = peer or self.new_peer(listener.port)
        offered = peer.send(SYN, seq=0, options=self.syn_options if options is None else options)
        peer.expect(SYN, seq=0, ack=1)
        peer.timestamps = offered.option("TS") is not None
        peer.send(ACK, seq=1, ack=1)
        return Connection(listener.accept(peer.connection), peer)

    @step(Open, "client", "peer")
    def connect(self, port: int | None = None, *, options: str | None = None) -> Connection:
        """Open a connection from the kernel under test to a new peer.

        Args:
            port: the peer's; the lab's next free one by default.
            options: of the peer's SYN,ACK, in packetdrill's notation; ``syn_options`` by default.

        Raises:
            Mismatch: the kernel does not complete the handshake.
        """
        client = self.socket()
        peer = self.new_peer(client.port, port=port)
        client.connect(peer, wait=False)
        peer.expect(SYN, seq=0)
        taken = peer.send(SYN, seq=0, ack=1, options=self.syn_options if options is None else options)
        peer.timestamps = taken.option("TS") is not None
        peer.expect(ACK, seq=1, ack=1)
        client.wait_connected()
        return Connection(client, peer)

    @step(Call)
    def sysctl(self, name: str, value: int | str | None = None) -> str:
        """Read a sysctl of the kernel under test, or set it until the scenario ends.

        Args:
            name: such as net/ipv4/tcp_fin_timeout, or with dots; those below net/, which each lab has its own of.
            value: the new value; None to read only.

        Returns:
            The value, with white space folded.

        Raises:
            FinwaitError: it is one of the whole machine, or a folder.
            Unsupported: this kernel does not have it; names much like it that it has are told.
            CallFailed: the kernel does not allow setting it (EPERM, EACCES) or refuses the value (EINVAL).
        """
        return self._sysctls.value(name, value)

    @step(Wait)
    def settle(self) -> None:
        """Wait until the kernel has processed everything that the peers sent."""
        self.dispatcher.flush()

    # -- the end of a scenario

    @step(Expect)
    def finish(self) -> None:
        """Fail if the kernel has sent a segment that the scenario did not mention. Every scenario ends with this.

        Raises:
            Mismatch: it has.
        """
        step = self.timeline.step("nothing more")
        with self.stopwatch.part("kernel"):
            self.dispatcher.flush()
        left = [(arrival.segment, peer.connection) for peer in self.peers for arrival in peer.inbox.leftover()]
        if left := left + [(stray.segment, 0) for stray in self.dispatcher.strays]:
            several = len(self.peers) > 1 or self.dispatcher.strays
            seen = "; ".join(f"> {segment}" + f"   on {shown(number)}" * bool(several) for segment, number in left)
            raise Mismatch(Evidence(expected=(Due("> nothing more"),), observed=seen, step=step))

    def program(self, failure: BaseException | None, outcome: str) -> Program:
        """See ``BaseSession.program``."""
        settings = self._settings_of_program(self.timestamps, self._equipped.settings)
        setting = Program(settings=settings, shared=self._shared)
        return self.recording.program({"session": self}, setting, failure, outcome)

    def explain(self, mismatch: Mismatch) -> None:
        """See ``BaseSession.explain``; what has passed the capture and nobody waited for is told too."""
        while self.dispatcher.pump(0):
            pass
        made = [taken.result for taken in self.recording.taken if isinstance(taken.result, Connection)]
        if any(one.peer.connection == mismatch.evidence.connection for one in made):
            refuse_delay_of_peer(mismatch.evidence, self.timeline, self.profile)
        super().explain(mismatch)

    def _account(self, grown: dict[str, int]) -> Account:
        return Account(
            frames=self.wire.frames,
            replies=[peer.last_reply for peer in self.peers if peer.last_reply],
            choices=[name for peer in self.peers for name in peer.choices],
            judged=max((peer.inbox.judged for peer in self.peers), default=0),
            mutated=self.dispatcher.mutated,
            counters=grown,
        )
