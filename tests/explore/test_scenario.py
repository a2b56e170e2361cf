"""What a kernel did as a scenario: it passes where a kernel does that again, and fails where one does not."""

from __future__ import annotations

import msgspec
import pytest

from harness.errors import FinwaitError
from harness.explore.attempt import About, Act, Attempt, Noted, Pause, Put
from harness.explore.execute import Executor
from harness.explore.scenario import scenario
from harness.explore.starts import STARTS
from harness.live.session import Session
from harness.program.interpreter import run
from harness.program.packetdrill import packetdrill
from harness.program.python import python
from harness.tcp.segment import ACK, FIN, SYN
from harness.tcp.timing import TimingProfile
from harness.tcp.verdict import Mismatch

DISORDER = Attempt((*STARTS["FIN-WAIT-2"], Put(FIN | ACK, ack=-1)))


def noted(attempt: Attempt) -> tuple[Noted, ...]:
    with Executor() as executor:
        return executor.run(attempt)


@pytest.mark.parametrize(
    "steps",
    [
        DISORDER.steps,
        (*STARTS["ESTABLISHED actively"], Act("send", 5), Put(ACK, length=3000), Act("recv", 100), Act("close")),
        (Act("listen"), Put(SYN, options="full"), Put(ACK), Act("accept"), Put(ACK, length=5, options="stale")),
        (*STARTS["ESTABLISHED"], Act("recv", 5))[:-1],
    ],
)
def test_the_kernel_that_was_noted_passes(opened: Session, steps: tuple[Act | Put, ...]) -> None:
    attempt = Attempt(steps)
    run(scenario(attempt, noted(attempt)), {"session": opened})


TWO = (Act("listen"), Put(SYN), About(2), Put(SYN), Put(ACK), About(1), Put(ACK), Act("accept"), Act("accept"))
"""Two connections of one listener, of which the second is established and accepted first."""
APART = Attempt((*TWO, Act("send", 3), About(2), Act("shutdown_wr"), Put(ACK), Put(FIN | ACK, ack=-1)))


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("attempt", [APART, DISORDER])
def test_several_connections_and_ipv6_are_said(profile: TimingProfile, version: int, attempt: Attempt) -> None:
    attempt = msgspec.structs.replace(attempt, ip_version=version)
    said = scenario(attempt, noted(attempt))
    with Session(profile, version=version) as session:
        run(said, {"session": session})
    text = python(said, "test_difference_1")
    compile(text, "test_difference_1.py", "exec")
    assert ("ip_version" in text) == (version == 6)
    assert ("--ip_version=ipv6" in packetdrill(said, "difference_1")) == (version == 6)


def test_a_kernel_that_answers_on_another_connection_fails(opened: Session) -> None:
    was = list(noted(APART))
    at = len(TWO)
    (data,) = was[at].back
    was[at] = msgspec.structs.replace(was[at], back=(msgspec.structs.replace(data, connection=2),))
    with pytest.raises(Mismatch):
        run(scenario(APART, was), {"session": opened})


def test_a_kernel_that_answers_otherwise_fails(opened: Session) -> None:
    *before, last = noted(DISORDER)
    (back,) = last.back
    other = msgspec.structs.replace(last, back=(msgspec.structs.replace(back, ack=1),))
    with pytest.raises(Mismatch, match="ack"):
        run(scenario(DISORDER, (*before, other)), {"session": opened})


def test_it_is_printed_as_python() -> None:
    text = python(scenario(DISORDER, noted(DISORDER)), "test_difference_1")
    compile(text, "test_difference_1.py", "exec")
    assert 'peer.send(FIN | ACK, seq=1, window=65535, ack=1, options="")' in text
    assert "peer.expect(ACK, seq=2, ack=2)" in text
    assert 'session.expect_state(peer, "TIME-WAIT")' in text


@pytest.mark.parametrize(
    ("step", "why"), [(Pause(1000), "time passes in it"), (Act("recv", 5), "its recv gives EAGAIN")]
)
def test_what_no_scenario_can_say_is_refused(step: Act | Pause, why: str) -> None:
    attempt = Attempt((*STARTS["ESTABLISHED"], step))
    with pytest.raises(FinwaitError, match=why):
        scenario(attempt, (*noted(Attempt(STARTS["ESTABLISHED"])), Noted(1, "EAGAIN")))
