"""Spans, and what a machine adds to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tcp.timing import MS, PROMPT, QUIET, RTO_MIN, VIRTUAL, Span, TimingProfile, calibrated, format_ms


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
    ],
)
def test_time_has_as_many_places_as_it_deserves(ns: int, text: str) -> None:
    assert format_ms(ns) == text


def test_span_says_its_name_and_can_be_multiplied_from_either_side() -> None:
    assert str(RTO_MIN) == "200 ms (RTO_MIN)"
    assert str(2 * RTO_MIN) == str(RTO_MIN * 2) == "400 ms (2 * RTO_MIN)"
    assert (3 * RTO_MIN).ns == 600 * MS


def test_silence_is_longer_than_a_prompt_answer() -> None:
    assert PROMPT < QUIET


def test_prompt_is_below_every_timer() -> None:
    assert PROMPT.ns <= 40 * MS  # TCP_DELACK_MIN, the shortest


def test_timer_wheel_rounds_timers_up_and_nothing_else() -> None:
    profile = TimingProfile(slack_ns=7, wheel=0.125, patience_ns=1000)
    assert profile.upper(PROMPT) == PROMPT.ns + 7
    assert profile.upper(Span(80 * MS, "timer")) == 90 * MS + 7
    assert profile.deadline(Span(80 * MS, "timer")) == 90 * MS + 1007


def test_where_time_stands_still_only_the_wheel_counts() -> None:
    assert VIRTUAL.upper(PROMPT) == PROMPT.ns
    assert VIRTUAL.deadline(RTO_MIN) == 225 * MS


@given(st.lists(st.integers(0, 10**9), max_size=20))
def test_slack_covers_the_slowest_answer_four_times_and_five_ticks(answers: list[int]) -> None:
    profile = calibrated(answers)
    assert profile.slack_ns >= 20 * MS
    assert all(profile.slack_ns >= 4 * answer for answer in answers)
    assert profile.slack_ns == 20 * MS or profile.slack_ns == 4 * profile.worst_ns
    assert profile.worst_ns in (*answers, 0)
    assert profile.rounds == len(answers)
