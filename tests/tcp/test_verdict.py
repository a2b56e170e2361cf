"""Judging one segment that is due, and what a failure says."""

from __future__ import annotations

import pytest

from harness.tcp.kernel_view import KernelView, Moment, SocketView
from harness.tcp.pattern import Difference, Pattern
from harness.tcp.segment import ACK, RST, Segment
from harness.tcp.timing import MS, PROMPT, RTO_MIN, TimingProfile
from harness.tcp.verdict import Due, Evidence, Expectation, Mismatch, Outcome

PROFILE = TimingProfile(slack_ns=20 * MS)
ACCEPTED = Segment(flags=ACK, seq=2, ack=2, window=257)
CHALLENGED = Segment(flags=ACK, seq=2, ack=1, window=257)
EITHER = Expectation({"accepted": Pattern(ACK, seq=2, ack=2), "challenged": Pattern(ACK, seq=2, ack=1)}, PROMPT)
DUE = Expectation({"": Pattern(ACK, seq=2, ack=2)}, PROMPT)


def test_alternative_that_matches_is_named() -> None:
    assert EITHER.judge(ACCEPTED, 0, 0, PROFILE) == "accepted"
    assert EITHER.judge(CHALLENGED, 0, 0, PROFILE) == "challenged"


def test_nearest_alternative_tells_what_differs() -> None:
    with pytest.raises(Mismatch) as raised:
        EITHER.judge(Segment(flags=ACK, seq=3, ack=1, window=257), 2 * MS, 200_000, PROFILE)
    assert str(raised.value).splitlines() == [
        "expected  > . 2:2(0) ack 2   within 40 ms (PROMPT)   (accepted  )",
        "          > . 2:2(0) ack 1   within 40 ms (PROMPT)   (challenged)",
        "observed  > . 3:3(0) ack 1 win 257   at +0.2 ms   (seq: 3, not 2)",
    ]


def test_alternative_that_is_turned_down_is_not_told_as_right() -> None:
    with pytest.raises(Mismatch) as raised:
        EITHER.judge(Segment(flags=ACK, seq=3, ack=1, window=257), 2 * MS, 200_000, PROFILE)
    raised.value.only({"accepted"})
    assert str(raised.value).splitlines() == [
        "expected  > . 2:2(0) ack 2   within 40 ms (PROMPT)   (accepted)",
        "observed  > . 3:3(0) ack 1 win 257   at +0.2 ms   (ack: 1, not 2; seq: 3, not 2)",
    ]


def test_failure_says_expected_observed_kernel_and_what_went_before() -> None:
    mismatch = Mismatch(
        Evidence(
            expected=(Due("> . 2:2(0) ack 2"),),
            within=PROMPT,
            observed="> . 2:2(0) ack 1",
            elapsed_ns=200_000,
            differences=(Difference("ack", "2", "1"), Difference("window", "5", "6")),
        )
    )
    mismatch.add(
        kernel=(
            KernelView(
                sockets=(
                    SocketView(
                        1,
                        (Moment(0, "FIN-WAIT-1"), Moment(100_000, "FIN-WAIT-2")),
                        (Moment(120_000, "TCP_OLD_ACK"),),
                        "FIN-WAIT-2",
                        "nobody",
                        300_000,
                    ),
                ),
                counters={"TcpInSegs": 5, "TcpExtTCPChallengeACK": 1},
            ),
        ),
        notes=("path: rule 1 matched nothing",),
        so_far=("> F. 1:1(0) ack 1  +0 ms", "< .  2:2(0) ack 2  +0.1 ms"),
    )
    assert str(mismatch) == (
        "expected  > . 2:2(0) ack 2   within 40 ms (PROMPT)\n"
        "observed  > . 2:2(0) ack 1   at +0.2 ms   (ack: 1, not 2; window: 6, not 5)\n"
        "kernel    FIN-WAIT-1 -> FIN-WAIT-2 by +0.1 ms\n"
        "          dropped: TCP_OLD_ACK at +0.1 ms\n"
        "          now FIN-WAIT-2, held by no process at +0.3 ms\n"
        "          TcpExtTCPChallengeACK +1\n"
        "          path: rule 1 matched nothing\n"
        "so far    > F. 1:1(0) ack 1  +0 ms\n"
        "          < .  2:2(0) ack 2  +0.1 ms"
    )


# 40 ms and the slack of 20; a lower bound takes no slack
@pytest.mark.parametrize(("elapsed", "in_time"), [(-5 * MS, True), (60 * MS, True), (60 * MS + 1, False)])
def test_upper_bound_takes_the_slack(elapsed: int, in_time: bool) -> None:
    if in_time:
        assert DUE.judge(ACCEPTED, elapsed, elapsed, PROFILE) == ""
        return
    with pytest.raises(Mismatch) as raised:
        DUE.judge(ACCEPTED, elapsed, elapsed, PROFILE)
    assert raised.value.evidence.differences == (Difference("time", "by 60 ms", "60.0 ms"),)


@pytest.mark.parametrize(("elapsed", "in_time"), [(200 * MS - 1, False), (200 * MS, True)])
def test_lower_bound_is_exact(elapsed: int, in_time: bool) -> None:
    timer = Expectation({"": Pattern(ACK, seq=2, ack=2)}, None, RTO_MIN)
    if in_time:
        timer.judge(ACCEPTED, elapsed, elapsed, PROFILE)
        return
    with pytest.raises(Mismatch, match="time: 200 ms, not from 200 ms on"):
        timer.judge(ACCEPTED, elapsed, elapsed, PROFILE)


def test_upper_bound_counts_from_the_end_of_the_cause_and_lower_from_its_start() -> None:
    Expectation({"": Pattern(ACK, seq=2, ack=2)}, PROMPT, RTO_MIN).judge(ACCEPTED, 250 * MS, 30 * MS, PROFILE)


def test_numbers_are_judged_before_time() -> None:
    with pytest.raises(Mismatch) as raised:
        DUE.judge(CHALLENGED, 500 * MS, 500 * MS, PROFILE)
    assert [difference.field for difference in raised.value.evidence.differences] == ["ack"]


def test_time_does_not_matter_where_it_is_not_named() -> None:
    Expectation({"": Pattern(RST)}, None).judge(Segment(flags=RST), 9**12, 9**12, PROFILE)


def test_segment_that_never_came_says_which_and_how_long_it_was_waited_for() -> None:
    assert str(DUE.missing(1060 * MS)).splitlines() == [
        "expected  > . 2:2(0) ack 2   within 40 ms (PROMPT)",
        "observed  nothing in 1060 ms",
    ]
    assert DUE.missing(1060 * MS, 1000 * MS).evidence.observed == (
        "nothing in 1060 ms (waited on after the limit, to tell late from missing)"
    )


def test_mismatch_fails_a_test_and_is_no_error() -> None:
    assert issubclass(Mismatch, AssertionError)


def test_there_are_four_outcomes() -> None:
    assert {str(outcome) for outcome in Outcome} == {"conforms", "deviates", "unsupported", "lost"}


def test_sockets_are_told_apart_where_there_are_several_and_kernels_where_there_are_two() -> None:
    view = KernelView("server", (SocketView(1), SocketView(2, state="ESTABLISHED", holder="process")))
    assert view.lines() == [
        "server: #1 now no socket",
        "server: #2 now ESTABLISHED, owned by its process",
        "server: no counter tells anything",
    ]
