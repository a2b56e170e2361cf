"""Programs from a seed: the same again, within bounds, and of everything that a theme names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import FinwaitError
from harness.explore.attempt import CALLS, OPTIONS, Act, Attempt, Pause, Put
from harness.explore.generate import MOST_STEPS, attempt
from harness.explore.starts import STARTS, lead, opened_actively
from harness.explore.themes import LONGEST_IN_REAL_TIME, THEMES, Theme, theme_of
from harness.tcp.segment import ACK


def test_the_same_seed_gives_the_same_programs_and_another_seed_others() -> None:
    theme = theme_of("any")
    first, again, other = ([attempt(seed, number, theme) for number in range(50)] for seed in (1, 1, 2))
    assert first == again
    assert len(set(first) & set(other)) < 5


@pytest.mark.parametrize("theme", THEMES)
def test_programs_hold_what_can_be_run_and_no_more_steps_than_they_may(theme: str) -> None:
    for number in range(300):
        steps = attempt(7, number, THEMES[theme]).steps
        assert 1 <= len(steps) <= MOST_STEPS
        assert {step.name for step in steps if isinstance(step, Act)} <= set(CALLS)
        assert {step.options for step in steps if isinstance(step, Put)} <= set(OPTIONS)


@pytest.mark.parametrize("theme", ["time", "any"])
def test_no_pause_is_longer_than_it_may_where_time_is_real(theme: str) -> None:
    def pauses(of: Theme) -> set[int]:
        several = (attempt(7, number, of).steps for number in range(500))
        return {step.ms for steps in several for step in steps if isinstance(step, Pause)}

    assert max(pauses(THEMES[theme])) >= 7_250_000
    assert 0 < max(pauses(replace(THEMES[theme], longest_ms=LONGEST_IN_REAL_TIME))) <= LONGEST_IN_REAL_TIME


def test_every_start_is_used_by_the_theme_that_holds_all() -> None:
    begun = {one for number in range(2000) for one in attempt(0, number, THEMES["any"]).steps[:1]}
    assert begun >= {steps[0] for steps in STARTS.values() if steps}


def test_a_theme_that_there_is_not_is_refused_by_name() -> None:
    with pytest.raises(FinwaitError, match="there is no theme 'closed'") as told:
        theme_of("closed")
    assert "closing" in str(told.value)


@pytest.mark.parametrize("name", STARTS)
def test_lead_is_the_start_whatever_was_set_before(name: str) -> None:
    steps = STARTS[name]
    assert lead(Attempt(steps)) == lead(Attempt((Act("rcvbuf", 1024), *steps, Act("cork")))) == len(steps)


def test_a_connection_that_was_accepted_is_opened_actively_instead() -> None:
    setting, more = Act("rcvbuf", 1024), (Put(ACK, length=5), Act("close"))
    assert opened_actively((setting, *STARTS["ESTABLISHED"], *more)) == (
        setting,
        *STARTS["ESTABLISHED actively"],
        *more,
    )
    assert opened_actively((*STARTS["ESTABLISHED actively"], *more)) is None
