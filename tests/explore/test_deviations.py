"""Deviations: a kernel that does what RFC 9293 allows has none, over sequences; and each names what is allowed."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from harness.explore.attempt import RIGHT_EDGE, UNJUDGED, About, Act, Attempt, AttemptStep, Noted, Pause, Put
from harness.explore.deviations import deviations
from harness.explore.differences import Fork
from harness.explore.execute import Executor
from harness.explore.starts import STARTS
from harness.model.linux import NEWS
from harness.tcp.segment import ACK, FIN, NONE, RST, SYN
from netns import privilege

PASSIVE = STARTS["ESTABLISHED"]
CHALLENGED = "., FIN-WAIT-2"


@pytest.fixture(scope="module")
def lab() -> Iterator[Executor]:
    privilege.ensure()
    with Executor(UNJUDGED) as executor:
        yield executor


def judged(lab: Executor, *steps: AttemptStep) -> list[Fork]:
    attempt = Attempt(steps)
    return list(deviations(attempt, [lab.run(attempt)]))


@pytest.mark.parametrize(
    "steps",
    [
        *STARTS.values(),
        (*PASSIVE, Put(ACK, seq=5, length=5), Put(ACK, length=5), Act("recv", 20), Act("close"), Put(FIN | ACK)),
        (*PASSIVE, Put(ACK, window=0), Act("send", 9), Act("shutdown_wr"), Put(ACK), Put(ACK), Put(FIN | ACK)),
        (*PASSIVE, Put(ACK, length=3000), Act("close"), Put(ACK)),
        (*PASSIVE, Act("send", 4000), Act("close"), Put(ACK), Put(FIN | ACK), Put(ACK)),
        (*PASSIVE, Act("linger_0"), Act("close"), Put(ACK)),
        (*PASSIVE, Act("abort"), Act("send", 1), Act("close")),
        (Act("listen"), Put(SYN, options="full"), Put(ACK), Act("accept"), Put(ACK, length=5, options="stale")),
        (*STARTS["TIME-WAIT"], Put(SYN, seq=100), Put(ACK), Put(ACK, length=5)),
        (*PASSIVE, Put(RST), Put(SYN), Put(ACK)),
        (*STARTS["ESTABLISHED actively"], Act("send", 5), Pause(20), Put(ACK), Put(RST, seq=1)),
    ],
)
def test_what_rfc_9293_has_is_followed(lab: Executor, steps: tuple[AttemptStep, ...]) -> None:
    assert judged(lab, *steps) == []


def test_what_linux_means_to_do_is_named_and_followed_further(lab: Executor) -> None:
    found = judged(lab, *PASSIVE, Put(NONE, seq=-1), Put(FIN | ACK), Put(RST, seq=-1), Put(SYN), Put(ACK))
    assert [(one.at, one.design.partition("::")[2]) for one in found] == [
        (4, "test_answer[ESTABLISHED-no-flags-left]"),
        (6, "test_answer[CLOSE-WAIT-RST-left]"),
    ]


OFFERED_ALL = (*STARTS["ESTABLISHED actively"], Put(ACK, length=1448))
"""Without a scale the kernel then offers 65,535 octets, and has room for more (tcp_select_window)."""


@pytest.mark.parametrize(
    "steps",
    [
        (*OFFERED_ALL, Put(ACK, seq=1, seq_from=RIGHT_EDGE)),
        (*OFFERED_ALL, Put(RST, seq=1, seq_from=RIGHT_EDGE)),
        (*OFFERED_ALL, Put(FIN | ACK), Put(RST, seq=1, seq_from=RIGHT_EDGE)),
        (Act("listen"), Put(SYN), Put(SYN | ACK, seq=-1, length=1), Put(ACK)),
        (Act("listen"), Put(SYN, options="full"), Put(RST, options="unsent")),
        (*PASSIVE, Put(ACK, length=5000), Act("shutdown_wr"), Act("rcvbuf"), Put(ACK, length=1), Put(ACK)),
    ],
)
def test_what_7_2_was_seen_to_do_is_explained(lab: Executor, steps: tuple[AttemptStep, ...]) -> None:
    assert all(one.design in NEWS or "test_" in one.design for one in judged(lab, *steps))


def test_what_nothing_allows_is_told_with_what_is(lab: Executor) -> None:
    attempt = Attempt((*STARTS["FIN-WAIT-2"], Put(FIN | ACK, ack=-1), Put(ACK)))
    *before, last, _ = lab.run(attempt)
    (challenge,) = last.back
    dropped = Noted(5, "", (msgspec.structs.replace(challenge, ack=1),), last.sent)
    (found,) = deviations(attempt, [(*before, dropped, dropped)])
    assert (found.at, found.design) == (len(attempt.steps) - 2, "")
    assert found.signature == (
        "FIN-WAIT-2",
        "F., ack before SND.NXT",
        (CHALLENGED, "allowed: . acknowledging more, TIME-WAIT (RFC9293-3.10.7.4 eighth)"),
    )


def test_one_connection_is_followed_until_another_comes(lab: Executor) -> None:
    assert judged(lab, *PASSIVE, Put(NONE, seq=-1), About(2), Put(NONE, seq=-1), About(1), Put(NONE, seq=-1))[1:] == []


def test_a_program_that_kills_the_kernel_is_one() -> None:
    (found,) = deviations(Attempt(PASSIVE), [None])
    assert found.signature.answers == ("panic",)
