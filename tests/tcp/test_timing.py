"""Spans, and what a machine adds to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FinwaitError
from harness.tcp.timing import (
    MS,
    PROMPT,
    QUIET,
    RTO_MIN,
    UNSAID,
    VIRTUAL,
    Span,
    TimingProfile,
    backoff,
    bounds,
    calibrated,
    format_ms,
    span_of,
)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ms"),
        (40 * MS, "40 ms"),
        (200_000, "0.2 ms"),
        (21_000, "0.0 ms"),
        (99_900_000, "99.9 ms"),
        (100_400_000, "100 ms"),
        (1_060_400_000, "1060 ms"),
        (60_000_001, "60.0 ms"),
        (59_999 * MS, "59999 ms"),
        (60_000 * MS, "1 min"),
        (90_004 * MS, "1 min 30.004 s"),
        (7_200_000 * MS, "2 h"),
    ],
)
def test_time_has_as_many_places_as_it_deserves(ns: int, text: str) -> None:
    assert format_ms(ns) == text


def test_span_says_its_name_and_can_be_multiplied_from_either_side() -> None:
    assert str(RTO_MIN) == "200 ms (RTO_MIN)"
    assert str(2 * RTO_MIN) == str(RTO_MIN * 2) == "400 ms (2 * RTO_MIN)"
    assert (3 * RTO_MIN).ns == 600 * MS


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (2 * (RTO_MIN + PROMPT), "480 ms (2 * (RTO_MIN + PROMPT))"),
        (2 * RTO_MIN + PROMPT, "440 ms (2 * RTO_MIN + PROMPT)"),
        (2 * RTO_MIN.minus(PROMPT), "320 ms (2 * (RTO_MIN - PROMPT))"),
        (RTO_MIN.minus(PROMPT + PROMPT), "120 ms (RTO_MIN - (PROMPT + PROMPT))"),
        (1.5 * RTO_MIN, "300 ms (1.5 * RTO_MIN)"),
        ((RTO_MIN + PROMPT) / 2, "120 ms ((RTO_MIN + PROMPT) / 2)"),
        (RTO_MIN + 0.1, "300 ms (RTO_MIN + 0.1 s)"),
    ],
)
def test_span_is_named_as_it_was_reckoned(span: Span, text: str) -> None:
    assert str(span) == text


@pytest.mark.parametrize("span", [0.3 * PROMPT, PROMPT / 3, PROMPT + 1e-10])
def test_span_is_a_whole_number_of_nanoseconds_however_it_was_reckoned(span: Span) -> None:
    assert isinstance(span.ns, int)


def test_timer_that_doubles_begins_with_seconds_too() -> None:
    assert [span.ns for span in backoff(0.2, 3, 0.5)] == [200 * MS, 400 * MS, 500 * MS]


def test_silence_is_longer_than_a_prompt_answer() -> None:
    assert PROMPT < QUIET


def test_prompt_is_below_every_timer() -> None:
    assert PROMPT.ns <= 40 * MS  # TCP_DELACK_MIN, the shortest


def test_timer_wheel_rounds_timers_up_and_nothing_else() -> None:
    profile = TimingProfile(slack_ns=7, wheel=0.125, patience_ns=1000)
    assert profile.upper(PROMPT) == PROMPT.ns + 7
    assert profile.upper(Span(80 * MS, "timer")) == 90 * MS + 7
    assert profile.deadline(Span(80 * MS, "timer")) == 90 * MS + 1007


def test_where_time_stands_still_only_the_wheel_and_its_ticks_count() -> None:
    assert VIRTUAL.upper(PROMPT) == PROMPT.ns
    tick = 4 * MS
    assert VIRTUAL.deadline(RTO_MIN) == (RTO_MIN.ns + tick) * 9 // 8


@given(st.lists(st.integers(0, 10**9), max_size=20))
def test_slack_covers_the_slowest_answer_four_times_and_five_ticks(answers: list[int]) -> None:
    profile = calibrated(answers)
    assert profile.slack_ns >= 20 * MS
    assert all(profile.slack_ns >= 4 * answer for answer in answers)
    assert profile.slack_ns == 20 * MS or profile.slack_ns == 4 * profile.worst_ns
    assert profile.worst_ns in (*answers, 0)
    assert profile.rounds == len(answers)


@pytest.mark.parametrize(("given", "text"), [(0.5, "500 ms (0.5 s)"), (2, "2000 ms (2 s)"), (RTO_MIN, str(RTO_MIN))])
def test_seconds_are_taken_where_a_span_is(given: Span | float, text: str) -> None:
    assert str(span_of(given, "within")) == text


@pytest.mark.parametrize("given", ["x", True, -1, float("nan"), float("inf"), [1]])
def test_what_is_no_time_is_told_in_one_line(given: object) -> None:
    with pytest.raises(FinwaitError) as raised:
        span_of(given, "within")  # type: ignore[arg-type]
    said = f"within={given!r} is not a time; try: seconds such as 0.5, or a span such as RTO_MIN"
    assert str(raised.value) == said


@pytest.mark.parametrize(
    ("within", "at_least", "after", "both"),
    [
        (UNSAID, None, None, (PROMPT, None)),
        (UNSAID, 0.01, None, (PROMPT, Span(10 * MS, "0.01 s"))),
        (UNSAID, RTO_MIN, None, (4 * RTO_MIN, RTO_MIN)),  # beyond PROMPT nothing could meet both
        (None, RTO_MIN, None, (None, RTO_MIN)),
        (0.2, RTO_MIN, None, (Span(200 * MS, "0.2 s"), RTO_MIN)),
        (UNSAID, None, RTO_MIN, (RTO_MIN, RTO_MIN)),
        (UNSAID, None, 0.0, (Span(0, "0.0 s"), Span(0, "0.0 s"))),
    ],
)
def test_bounds_of_a_segment(
    within: Span | float | None, at_least: Span | float | None, after: Span | float | None, both: tuple[Span, Span]
) -> None:
    assert bounds(within, at_least, after) == both


@pytest.mark.parametrize("within", [PROMPT, 0.1])
def test_bounds_that_leave_no_moment_are_told(within: Span | float) -> None:
    with pytest.raises(FinwaitError, match=r"within=.* is over before at_least=200 ms \(RTO_MIN\); .*try: after="):
        bounds(within, RTO_MIN)
