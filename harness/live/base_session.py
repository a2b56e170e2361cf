"""What a scenario works with, whoever is at the other end of the connection: a crafted peer or a second kernel."""

from __future__ import annotations

import shlex
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import NamedTuple, TypeVar

from harness.errors import FinwaitError
from harness.live.command import Ran, run_to_end
from harness.live.endpoint import Endpoint
from harness.live.pinned import signs, told_by
from harness.probes.observer import Observer
from harness.probes.sockets import SocketState
from harness.probes.tracepoints import Tracer
from harness.program.recording import step
from harness.program.steps import Call, Program
from harness.tcp.timing import PROGRAM_LIMIT, TimingProfile
from harness.tcp.verdict import Mismatch, Reply
from harness.trace.events import Called, Frame, Probed, Timeline, call_text, connections, ended_at, so_far
from harness.trace.stopwatch import Stopwatch
from netns.conditions import Settings
from netns.enter import Namespace
from netns.lab import Lab, PathLab

E = TypeVar("E")

SERVICE_PORT = 8080
"""The port that servers of a scenario listen on unless told otherwise."""


class Account(NamedTuple):
    """What the run folder keeps of a scenario beside its timeline.

    Args:
        frames: for a capture, in the order of their time.
        replies: the last of each peer's that tells something.
        choices: what the kernel chose where alternatives were declared, a peer after the other.
        judged: the number of the last segment that an expectation took.
        mutated: whether one was mutated before it was judged.
        counters: what the kernel's TCP counters grew by; over both kernels where there are two.
    """

    frames: list[Frame]
    replies: list[Reply]
    choices: list[str]
    judged: int
    mutated: bool
    counters: dict[str, int]


def know_addresses(session: BaseSession) -> None:
    """Let a program name the addresses of a lab, which no other lab has."""
    session.recording.knows(session.kernel_address, session, "kernel_address")
    session.recording.knows(session.peer_address, session, "peer_address")


class BaseSession(ABC):
    """One scenario's lab with all that is in it, of either topology; a context manager.

    Args:
        profile: the tolerances.
        version: IP version, 4 or 6.
        tracer: listens to the kernel's tracepoints for the whole process, or None.
    """

    lab: Lab | PathLab

    def __init__(self, profile: TimingProfile, version: int, tracer: Tracer | None) -> None:
        self.profile = profile
        self.version = version
        self.timeline = Timeline()
        self.recording = self.timeline.recording
        self.stopwatch = Stopwatch(None if profile.virtual else time.perf_counter_ns)
        self.endpoints: list[Endpoint] = []
        self.observers: tuple[Observer, ...] = ()
        self.namespaces: dict[str, Namespace] = {}  # by what is in them, the one under test first
        self._tracer = tracer
        self._stack = ExitStack()

    def __exit__(self, *_: object) -> None:
        ends = [*self._before_closing(), *(endpoint.let_go for endpoint in self.endpoints)]
        with self._stack as ending:
            for end in reversed(ends):  # one that fails keeps none of the others from being let go
                ending.callback(end)

    def _before_closing(self) -> Iterable[Callable[[], None]]:
        """What makes the kernel forget its connections, so that no orphan outlives the lab."""
        return ()

    def _after_step(self) -> None:
        with self.stopwatch.part("probe"):
            for observer in self.observers:
                observer.look()

    @property
    def kernel_address(self) -> str:
        """The address of the kernel under test; with two kernels, the server's."""
        return self.lab.plan.kernel.address(self.version)

    @property
    def peer_address(self) -> str:
        """The address of the peers; with two kernels, the client's."""
        return self.lab.plan.peer.address(self.version)

    @step(Call, "ran")
    def run(self, command: str | Sequence[str], *, input: str = "", where: str = "") -> Ran:
        """Run a program in a namespace of the lab, such as ``ss`` or ``nft``, and wait for its end.

        Args:
            command: the program and its arguments; a text is split as a shell would, but no shell runs it.
            input: for its standard input.
            where: ``kernel`` (default) or ``peer``; with two kernels ``server`` (default), ``client`` or ``path``.

        Raises:
            Unsupported: the program is not installed.
            Mismatch: the program did not end in time.
            FinwaitError: there is no such namespace.
        """
        argv = tuple(shlex.split(command) if isinstance(command, str) else command)
        chosen = where or next(iter(self.namespaces))
        if not argv or chosen not in self.namespaces:
            raise FinwaitError(f"{shlex.join(argv)!r} cannot run in {chosen!r}", hint=" or ".join(self.namespaces))
        at, arguments = time.time_ns(), (chosen, *argv)
        ran = run_to_end(argv, self.namespaces[chosen], input, PROGRAM_LIMIT)
        step = self.timeline.step(call_text("run", arguments))
        self.timeline.add(Called(at, time.time_ns(), "run", arguments, ran.status, step=step, connection=0))
        self._after_step()
        return ran

    def sockets(self) -> list[SocketState]:
        """The sockets of the kernel under test in this lab, half-open ones too; with two kernels, the server's.

        Raises:
            Unsupported: the kernel does not show its sockets.
        """
        return self.observers[-1].listing()

    def events(self, kind: type[E]) -> list[E]:
        """The events of one kind on the timeline so far, such as ``Received``."""
        return [event for event in self.timeline if isinstance(event, kind)]

    def note(
        self, source: str, what: str = "", *, state: str = "", connection: int = 1, side: str = "", **details: int | str
    ) -> None:
        """Add an observation of the scenario's own to the timeline; see ``Probed``."""
        seen = Probed(time.time_ns(), source, what, state, details=details, connection=connection, side=side)
        self.timeline.add(seen)

    @abstractmethod
    def finish(self) -> None:
        """Nothing may be left that the scenario did not mention.

        Raises:
            Mismatch: something was.
        """

    # -- what the recorder asks for

    @property
    def namespace(self) -> Namespace:
        """That of the kernel under test; with two kernels, the server's."""
        return self.lab.kernel

    @property
    def missing(self) -> dict[str, str]:
        """The probes that this machine lacks, with the reason."""
        return dict(self.observers[-1].missing)

    def account(self) -> Account:
        """What the run folder keeps of the scenario beside its timeline."""
        with self.stopwatch.part("probe"):
            for observer in self.observers:
                observer.collect()
            return self._account(self._growth())

    def _growth(self) -> dict[str, int]:
        """What the kernel's counters grew by; over both kernels where there are two."""
        grown = Counter[str]()
        for observer in self.observers:
            grown.update(observer.growth())
        return dict(grown)

    @abstractmethod
    def _account(self, grown: dict[str, int]) -> Account:
        """What ``account`` gives, with what the counters grew by."""

    @abstractmethod
    def program(self, failure: BaseException | None, outcome: str) -> Program:
        """What the scenario did; ``failure`` is what ended it before its own end, and stands for ``outcome``."""

    def _settings_of_program(self, timestamps: bool, settings: Settings) -> dict[str, bool | int]:
        given = {"ip_version": self.version, "timestamps": timestamps, "hold_timers": settings is not Settings.FREE}
        return {name: value for name, value in given.items() if value is False or value == 6}

    def explain(self, mismatch: Mismatch) -> None:
        """Put into a failure what the kernel knew and what went before.

        Raises:
            TooBusy: it may be owed to how slow the lab was, so that it says nothing of the kernel.
        """
        views = tuple(observer.view() for observer in self.observers)
        lab = told_by(self.lab.conditions, signs(mismatch.evidence, self._growth()))
        lab = tuple(dict.fromkeys((*mismatch.evidence.lab, *lab)))
        mismatch.add(kernel=views, lab=lab, so_far=tuple(so_far(self.timeline)))
        if cause := mismatch.evidence.times_from:
            mismatch.add(since=ended_at(self.timeline, cause))
        if len(connections(self.timeline)) < 2:
            mismatch.add(connection=0)
