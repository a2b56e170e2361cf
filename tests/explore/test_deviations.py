"""Deviations: a kernel that does what RFC 9293 allows has none, over sequences; and each names what is allowed."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from harness.explore.attempt import (
    COOKIES,
    FILLS,
    IRS,
    ISS,
    RIGHT_EDGE,
    SND_UNA,
    UNJUDGED,
    About,
    Act,
    Attempt,
    AttemptStep,
    Noted,
    Pause,
    Put,
)
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

ONE_OCTET = (Act("rcvbuf", 1),)
"""As small a buffer as there is."""

STAMPED = (Act("connect"), Put(SYN | ACK, options="full"))
"""With timestamps."""


@pytest.mark.parametrize(
    "steps",
    [
        (*OFFERED_ALL, Put(ACK, seq=1, seq_from=RIGHT_EDGE)),
        (*OFFERED_ALL, Put(RST, seq=1, seq_from=RIGHT_EDGE)),
        (*OFFERED_ALL, Put(FIN | ACK), Put(RST, seq=1, seq_from=RIGHT_EDGE)),
        (Act("listen"), Put(SYN), Put(SYN | ACK, seq=-1, length=1), Put(ACK)),
        (Act("listen"), Put(SYN, options="full"), Put(RST, options="unsent")),
        (*PASSIVE, Put(ACK, length=5000), Act("shutdown_wr"), Act("rcvbuf"), Put(ACK, length=1), Put(ACK)),
        (*STARTS["TIME-WAIT"], Put(SYN, seq=1, options="malformed"), Put(FIN | ACK, seq=-1)),
        (*STARTS["TIME-WAIT signed"], Put(SYN, seq=1), Put(FIN | ACK, seq=-1)),
        (Put(ACK, options="signed"), Act("listen"), Put(SYN, options="signed")),
        (*STARTS["SYN-RECEIVED with fast open"], Put(SYN), Put(SYN, seq=-6), Act("shutdown_wr"), Put(ACK), Put(ACK)),
        (*STARTS["TIME-WAIT signed"], Act("md5_no_key"), Put(SYN, seq=1, options="signed")),
        (
            *STARTS["LISTEN with fast open"],
            Put(SYN, window=0, options="cookie"),
            Act("accept"),
            Act("close"),
            Put(ACK, ack=-2),
        ),
        (*STARTS["ESTABLISHED signed"], Put(FIN | ACK), Put(FIN | ACK, options="wrongly signed"), Act("close")),
        (*ONE_OCTET, *STARTS["ESTABLISHED actively"], Put(ACK, seq=-1, length=1875)),
        (*ONE_OCTET, Act("connect"), Put(SYN), Act("close"), Put(ACK), Put(RST, seq=-1, length=1448)),
        (*STARTS["FIN-WAIT-2 actively"], Put(ACK, length=FILLS), *ONE_OCTET, Put(FIN | ACK, seq=1)),
        (Act("listen"), Put(SYN), *ONE_OCTET, Put(ACK, seq=1, length=64_239), Put(ACK, length=2896)),
        (Act("connect"), Put(SYN, options="stamped"), Act("abort"), Act("connect"), Put(ACK, options="unsent")),
        (Act("listen"), Put(SYN, options="full"), Put(NONE, options="unsent"), Pause(5), Put(ACK), Put(FIN | ACK)),
        (Act("tcp_shrink_window_1"), *STAMPED, Put(FIN | ACK), Act("close"), Put(ACK, seq=1, seq_from=RIGHT_EDGE)),
        (*STAMPED, Act("shutdown_wr"), Put(FIN | ACK), Put(SYN | RST, options="full")),
    ],
)
def test_what_7_2_was_seen_to_do_is_explained(lab: Executor, steps: tuple[AttemptStep, ...]) -> None:
    assert all(one.design in NEWS or "test_" in one.design for one in judged(lab, *steps))


@pytest.mark.parametrize(
    "steps",
    [
        (Act("listen"), Act("defer_accept"), Put(SYN), Put(ACK), Put(ACK, length=1)),
        (Act("tcp_rfc1337_1"), *STARTS["TIME-WAIT"], Put(RST), Put(FIN | ACK, seq=-1)),
        (Act("tcp_syncookies_2"), *PASSIVE, Put(FIN | ACK)),
        (Act("listen"), Put(SYN, options="full"), Put(ACK, options="future"), Put(ACK), Put(ACK, length=1)),
        (Act("rcvbuf", 1024), *PASSIVE, Put(ACK, length=FILLS), Put(FIN | ACK, seq=-1)),
        (Act("listen"), Put(SYN, options="wide"), Put(ACK), Put(ACK, window=1), Act("accept"), Act("send", 20_000)),
        (*PASSIVE, Put(ACK, length=5, seq_from=IRS), Put(ACK, ack_from=ISS), Put(ACK, ack_from=SND_UNA)),
        (Act("connect"), Put(SYN, seq=-1), Put(ACK, length=1), Act("close")),
        (*PASSIVE, Put(FIN | ACK, length=1), Act("shutdown_rdwr"), Act("linger_0"), Act("close")),
        (*STAMPED, Put(ACK), Put(ACK, seq=1 - 2**31, seq_from=IRS, options="stale")),
        (*PASSIVE, Put(ACK, length=FILLS, ack=-1), Put(ACK, length=FILLS)),
        (
            Act("connect"),
            Put(SYN),
            Act("shutdown_wr"),
            Put(FIN | ACK, ack_from=ISS),
            Put(ACK, ack=-1, window=0),
            Put(ACK, ack=1),
        ),
        (*STAMPED, Act("close"), Put(ACK), Act("connect"), Put(SYN, options="stamped")),
        (*STARTS["FIN-WAIT-2 orphaned"], Put(SYN, seq=-1, length=64_241), Put(FIN | ACK)),
        (Put(ACK, options="overlong"), Act("listen"), Put(ACK, options="malformed")),
    ],
)
def test_what_the_process_asks_for_and_where_numbers_count_from_are_followed(
    lab: Executor, steps: tuple[AttemptStep, ...]
) -> None:
    assert [one.signature for one in judged(lab, *steps) if not one.design] == []


def test_what_is_taken_without_the_signature_is_none_that_is_allowed(lab: Executor) -> None:
    attempt = Attempt((*STARTS["ESTABLISHED signed"], Put(ACK, length=5)))
    *before, dropped = lab.run(attempt)
    assert not list(deviations(attempt, [(*before, dropped)]))
    signed = Attempt((*attempt.steps[:-1], Put(ACK, length=5, options="signed")))
    taken = lab.run(signed)[-1]
    (found,) = deviations(attempt, [(*before, taken)])
    assert found.signature.answers[1] == "allowed: nothing, ESTABLISHED (RFC2385-2.0)"
    forged = taken.back[0].options.replace("00", "ff")
    wrong = msgspec.structs.replace(taken, back=(msgspec.structs.replace(taken.back[0], options=forged),))
    assert [one.design for one in deviations(signed, [(*before, wrong)])] == [""]


def test_data_with_a_forged_cookie_that_are_taken_are_told(lab: Executor) -> None:
    good, forged = (Attempt((*STARTS["LISTEN with fast open"], Put(SYN, length=5, options=one))) for one in COOKIES[1:])
    assert not list(deviations(good, [lab.run(good)]))
    assert [one.design for one in deviations(forged, [lab.run(good)])] == [""]


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


def test_each_connection_is_followed_by_what_is_its_own(lab: Executor) -> None:
    odd = Put(NONE, seq=-1)
    found = judged(lab, *PASSIVE, odd, About(2), odd, Put(SYN), Put(ACK), odd, Act("accept"), About(1), Act("close"))
    named = [(one.at, one.signature.state, one.design.partition("::")[2]) for one in found]
    first, second = len(PASSIVE), len(PASSIVE) + 5
    assert [(at, state) for at, state, _ in named] == [(first, "ESTABLISHED"), (second, "ESTABLISHED")]


def test_what_nothing_allows_of_the_second_connection_is_told(lab: Executor) -> None:
    attempt = Attempt((*PASSIVE, About(2), Put(SYN), Put(ACK), Put(ACK, length=5)))
    *before, last = lab.run(attempt)
    (acknowledged,) = last.back
    assert acknowledged.connection == 2
    assert not list(deviations(attempt, [(*before, last)]))
    wrong = msgspec.structs.replace(last, back=(msgspec.structs.replace(acknowledged, ack=3),))
    (found,) = deviations(attempt, [(*before, wrong)])
    assert (found.at, found.signature.state) == (len(attempt.steps) - 1, "ESTABLISHED")


def test_accept_takes_the_connection_that_was_established_first(lab: Executor) -> None:
    opened = Act("listen"), Put(SYN), About(2), Put(SYN), Put(ACK), About(1), Put(ACK)
    noted = lab.run(Attempt((*opened, Act("accept"))))
    assert noted[-1].result == "2"
    assert judged(lab, *opened, Act("accept"), Act("close"), About(2), Act("close"), Put(FIN | ACK)) == []


def test_a_program_that_kills_the_kernel_is_one() -> None:
    (found,) = deviations(Attempt(PASSIVE), [None])
    assert found.signature.answers == ("panic",)
