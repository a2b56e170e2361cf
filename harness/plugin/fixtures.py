"""The fixtures that a scenario asks for by name: a lab, and connections in the states that it starts from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import pytest

from harness.errors import Unsupported
from harness.live.calibration import await_phase
from harness.live.endpoint import Endpoint
from harness.live.kernel_pair import KernelPair
from harness.live.lab_pool import LabPool
from harness.live.nginx import Curl, Nginx
from harness.live.router import Router
from harness.live.session import Connection, Session
from harness.live.two_kernels import TwoKernelSession
from harness.path.path import Path
from harness.plugin.hooks import RUNNER, Runner
from harness.tcp.timing import REAL_WAIT, SECOND, Span, TimingProfile, format_ms, span_of
from netns.conditions import Settings


@pytest.fixture(scope="session")
def ip_version() -> int:
    """The IP version, 4 unless parametrized; ``@both_families`` runs the scenario over both."""
    return 4


@pytest.fixture(scope="session")
def timestamps() -> bool:
    """Whether the peer offers TCP timestamps; ``@with_and_without_timestamps`` runs the scenario both ways."""
    return True


@pytest.fixture(scope="session")
def hold_timers() -> bool:
    """Whether the lab holds the kernel's timers off; never where a scenario ``waits`` (docs/conditions.md)."""
    return True


@pytest.fixture(scope="session")
def shared_lab() -> Iterator[LabPool]:
    """Lets ``session`` reuse a lab of earlier scenarios, which saves the time to build one; see ``@in_shared_lab``.

    For the many small cells of a table. Each scenario uses ports of its own, and leaves nothing behind.
    """
    with LabPool() as opened:
        yield opened


@pytest.fixture
def session(request: pytest.FixtureRequest, ip_version: int, timestamps: bool, hold_timers: bool) -> Iterator[Session]:
    """A lab of the scenario's own, with no sockets yet; with ``shared_lab``, one that earlier scenarios used."""
    runner = request.config.stash[RUNNER]
    scenario = runner.scenario(request.node)
    shared = "shared_lab" in request.fixturenames
    settings = _settings(request, runner, hold_timers)
    opened = Session(
        runner.profile,
        version=ip_version,
        timestamps=timestamps,
        settings=settings,
        mutation=runner.mutations.of(scenario.id),
        tracer=runner.tracer,
        shared=request.getfixturevalue("shared_lab").get(settings) if shared else None,
    )
    with opened:
        runner.recorder.opened(scenario, opened)
        if runner.profile.virtual and not shared:
            await_phase()
        yield opened


def _settings(request: pytest.FixtureRequest, runner: Runner, hold_timers: bool) -> Settings:
    """Which of the conditions in docs/conditions.md the lab of the scenario that asks sets.

    Raises:
        Unsupported: see ``refuse_long_wait``.
    """
    marks = list(request.node.iter_markers("waits"))
    waits = [span_of(one, "waits") for mark in marks for one in mark.args]
    refuse_long_wait(waits, runner.profile, span_of(request.config.option.real_wait, "--real-wait"))
    return Settings.FREE if runner.settings is Settings.HELD and (marks or not hold_timers) else runner.settings


def refuse_long_wait(waits: Iterable[Span], profile: TimingProfile, most: Span = REAL_WAIT) -> None:
    """Refuse a scenario that waits for longer than ``most`` in real time; see ``harness.plugin.markers.waits``.

    Raises:
        Unsupported: it does.
    """
    wait = sum(span.ns for span in waits)
    if wait > most.ns and not profile.virtual:
        raise Unsupported(
            f"waits {format_ms(wait)} for the kernel's timers, and in real time finwait waits for {most} at most",
            hint=f"--real-wait {math.ceil(wait / SECOND.ns)}, "
            "or finwait matrix --kernel uml-virtual:7.2, where waiting takes no time",
        )


@pytest.fixture
def listener(session: Session) -> Endpoint:
    """A listening socket of the kernel under test."""
    return session.listen()


@pytest.fixture
def established(session: Session, listener: Endpoint) -> Connection:
    """A connection that the peer opened and the kernel accepted: ``server, peer = established``."""
    return session.establish(listener)


@pytest.fixture
def connected(session: Session) -> Connection:
    """A connection that the kernel under test opened to the peer: ``client, peer = connected``."""
    return session.connect()


@pytest.fixture
def routed(request: pytest.FixtureRequest) -> bool:
    """Whether a third kernel forwards between path and server: where the scenario asks for ``router``."""
    return "router" in request.fixturenames


@pytest.fixture
def path_session(
    request: pytest.FixtureRequest, ip_version: int, timestamps: bool, hold_timers: bool, routed: bool
) -> Iterator[TwoKernelSession]:
    """Two kernels with a path between them, with no sockets yet; with ``router``, a third kernel too."""
    runner = request.config.stash[RUNNER]
    scenario = runner.scenario(request.node)
    opened = TwoKernelSession(
        runner.profile,
        version=ip_version,
        timestamps=timestamps,
        settings=_settings(request, runner, hold_timers),
        mutation=runner.mutations.of(scenario.id),
        tracer=runner.tracer,
        routed=routed,
    )
    with opened:
        runner.recorder.opened(scenario, opened)
        yield opened


@pytest.fixture
def path(path_session: TwoKernelSession) -> Path:
    """The path between the two kernels."""
    return path_session.path


@pytest.fixture
def router(path_session: TwoKernelSession) -> Router:
    """The kernel that forwards between path and server, with no rules to begin with."""
    return path_session.router


@pytest.fixture
def two_kernels(path_session: TwoKernelSession) -> KernelPair:
    """A connection between two kernels: ``client, server, path = two_kernels``."""
    return path_session.connect(path_session.listen())


@pytest.fixture(scope="session")
def lingering_close() -> str:
    """nginx's directive of that name: ``on`` unless parametrized with ``always`` or ``off``."""
    return "on"


@pytest.fixture
def nginx(path_session: TwoKernelSession, lingering_close: str) -> Nginx:
    """nginx, as installed on this machine, as the server of ``path_session``; HTTP keepalive is off."""
    return path_session.serve_nginx(lingering_close)


@pytest.fixture
def curl(path_session: TwoKernelSession) -> Curl:
    """curl as the client of ``path_session``; probes watch its connection."""
    return path_session.curl()
