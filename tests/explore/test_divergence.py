"""Differences: what is one, which are the same, and how each gets its shortest form."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.explore.attempt import RIGHT_EDGE, About, Act, Attempt, CameBack, Noted, Put
from harness.explore.differences import Fork, first_fork
from harness.explore.divergence import Divergence
from harness.explore.explorer import Explorer
from harness.explore.generate import attempt
from harness.explore.reached import ReachedCode
from harness.explore.themes import THEMES
from harness.explore.timeline import events
from harness.tcp.segment import ACK, FIN, RST
from harness.trace.events import Received, Sent

ANSWER = CameBack(ACK, 1, 2, 0, 1, "")
SILENT, ANSWERED = Noted(1), Noted(1, back=(ANSWER,))


def kernel(program: Attempt, *, drops: bool) -> tuple[Noted, ...]:
    """A kernel that answers a FIN, once a process has closed; or that drops it."""
    closed, noted = False, []
    for step in program.steps:
        closed = closed or step == Act("close")
        answers = closed and isinstance(step, Put) and step.flags & FIN and not drops
        noted.append(ANSWERED if answers else SILENT)
    return tuple(noted)


def test_kernels_part_at_the_first_step_that_they_answer_differently() -> None:
    program = Attempt((Act("close"), Put(FIN | ACK, seq=5, length=3, ack=-2)))
    fork = first_fork(program, [kernel(program, drops=True), kernel(program, drops=False)])
    assert fork is not None
    kind = "F. with data, seq beyond RCV.NXT, ack before SND.NXT"
    assert (fork.at, fork.signature) == (
        1,
        ("ESTABLISHED", kind, ("nothing, ESTABLISHED", ". acknowledging more, ESTABLISHED")),
    )
    assert first_fork(program, [kernel(program, drops=True)] * 2) is None


def test_what_is_alike_but_for_options_is_told_apart() -> None:
    program = Attempt((Put(ACK),))
    echoes = [(Noted(1, back=(CameBack(ACK, 1, 2, 0, 1, f"nop,nop,TS val 0 ecr {echo}"),)),) for echo in (1, 2)]
    fork = first_fork(program, echoes)
    assert fork is not None
    assert fork.signature.answers == (". acknowledging more, ESTABLISHED, other options",) * 2


def test_segment_of_another_connection_is_told_with_it() -> None:
    program = Attempt((About(2), Put(ACK), About(1)))
    late = Noted(1, back=(msgspec.structs.replace(ANSWER, connection=2),))
    other = msgspec.structs.replace(late, sent=(1, 1, 0))
    fork = first_fork(program, [(SILENT, other, SILENT), (SILENT, other, late)])
    assert fork is not None
    step, answers = "connection 1", ("nothing, ESTABLISHED", "#2 ., ESTABLISHED")
    assert fork.signature == ("ESTABLISHED", step, answers)
    sent, received = [one for one in events(program, (SILENT, other, SILENT)) if isinstance(one, Sent | Received)]
    assert (sent.connection, received.connection) == (2, 2)


def test_what_kernels_tell_of_themselves_differs_by_name() -> None:
    program = Attempt((Put(ACK),))
    told = [
        (Noted(1, info={"snd_cwnd": 10, "lost": 0, "rehash": 0}, grown={"TcpExtTCPChallengeACK": 1}),),
        (Noted(1, info={"snd_cwnd": 9, "lost": 0}),),
    ]
    fork = first_fork(program, told)
    assert fork is not None
    assert fork.signature.answers == ("nothing, ESTABLISHED, other snd_cwnd and TcpExtTCPChallengeACK",) * 2
    older = [(Noted(1, info={"lost": 0, "rehash": 3}),), (Noted(1, info={"lost": 0}),)]
    assert first_fork(program, older) is None  # an older kernel has fewer fields


def test_a_program_that_killed_a_kernel_is_a_difference() -> None:
    fork = first_fork(Attempt((Act("close"),)), [(SILENT,), None])
    assert fork is not None
    assert fork.signature.answers == ("", "panic")


def test_what_a_window_out_of_sight_has_placed_elsewhere_is_none() -> None:
    program = Attempt((Put(ACK, seq_from=RIGHT_EDGE),))
    assert first_fork(program, [(Noted(1, sent=(5, 1)),), (Noted(1, back=(ANSWER,), sent=(6, 1)),)]) is None


@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_the_shortest_form_has_what_matters_alone_and_in_its_plainest_values(number: int) -> None:
    program = Attempt((*attempt(1, number, THEMES["any"]).steps, Act("close"), Put(FIN | RST | ACK, 100, -5)))

    def fork(one: Attempt) -> Fork | None:
        return first_fork(one, [kernel(one, drops=True), kernel(one, drops=False)])

    found = fork(program)
    assert found is not None
    divergence = Divergence(found.signature, program, found.at, found.noted, 0.0)
    while tries := divergence.shorter():
        divergence.learn([(one, fork(one.attempt)) for one in tries])
    assert divergence.attempt == Attempt((Act("close"), Put(FIN)))


class FakeKernel:
    """Runs programs in memory; Ctrl-C comes while it is asked for the ``interrupted``th time."""

    def __init__(self, *, drops: bool, interrupted: int = 0) -> None:
        self._drops, self._left = drops, interrupted
        self.stopped = False
        self.why_lost: dict[Attempt, str] = {}
        self.code: ReachedCode | None = None
        self.boots = 1

    def ask(self, attempts: Sequence[Attempt], ignored: tuple[str, ...] = ()) -> list[bytes | None]:  # noqa: ARG002
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt
        return [msgspec.json.encode(kernel(one, drops=self._drops)) for one in attempts]

    def reboot(self) -> None:
        self.boots += 1

    def stop(self) -> None:
        self.stopped = True


def explorer(*kernels: FakeKernel) -> Explorer:
    return Explorer(kernels, THEMES["closing"], 1)


def test_one_cause_is_one_difference_that_counts_its_programs_and_is_confirmed_by_kernels_booted_for_it() -> None:
    both = FakeKernel(drops=True), FakeKernel(drops=False)
    search = explorer(*both)
    search.explore(300, None)
    search.confirm()
    (one,) = search.found
    assert one.attempt == Attempt((Act("close"), Put(FIN)))
    assert one.confirmed
    assert one.programs > 5
    assert [kernel.boots for kernel in both] == [2, 2]


def test_kernels_that_do_the_same_have_no_difference() -> None:
    search = explorer(FakeKernel(drops=True), FakeKernel(drops=True))
    search.explore(300, None)
    assert (search.found, search.programs) == ([], 300)


def test_ctrl_c_ends_the_search_and_keeps_what_was_found() -> None:
    both = FakeKernel(drops=True), FakeKernel(drops=False, interrupted=2)
    search = explorer(*both)
    with pytest.raises(KeyboardInterrupt):
        search.explore(None, None)
    assert search.found
    assert all(kernel.stopped for kernel in both)


def test_one_program_is_run_again_as_it_is() -> None:
    search = explorer(FakeKernel(drops=True), FakeKernel(drops=False))
    program = Attempt((Act("listen"), Act("close"), Put(FIN, length=5)))
    search.replay(program)
    search.confirm()
    (one,) = search.found
    assert (one.attempt, one.confirmed) == (program, True)


def test_one_program_that_differs_no_longer_is_nothing_found() -> None:
    search = explorer(FakeKernel(drops=True), FakeKernel(drops=True))
    search.replay(Attempt((Act("close"), Put(FIN))))
    search.confirm()
    assert search.found == []
