"""Time by part, on a clock that the test turns."""

from __future__ import annotations

from contextlib import suppress

import pytest

from harness.trace.stopwatch import Stopwatch


class Clock:
    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_time_is_counted_to_the_part_it_was_spent_in(clock: Clock) -> None:
    watch = Stopwatch(clock)
    clock.now += 100
    with watch.part("lab"):
        clock.now += 7
    clock.now += 100
    with watch.part("lab"):
        clock.now += 5
    assert watch.spent == {"lab": 12}


def test_part_inside_another_is_counted_once_as_itself(clock: Clock) -> None:
    watch = Stopwatch(clock)
    with watch.part("kernel"):
        clock.now += 1
        with watch.part("match"):
            clock.now += 10
            with watch.part("kernel"):
                clock.now += 100
        clock.now += 1000
    assert watch.spent == {"kernel": 1101, "match": 10}


def test_part_that_fails_is_counted_and_ended(clock: Clock) -> None:
    watch = Stopwatch(clock)
    with suppress(OSError), watch.part("lab"):
        clock.now += 3
        raise OSError("gone")
    clock.now += 100
    with watch.part("write"):
        clock.now += 1
    assert watch.spent == {"lab": 3, "write": 1}


def test_nothing_is_counted_without_a_clock() -> None:
    watch = Stopwatch(None)
    with watch.part("kernel"), watch.part("match"):
        pass
    assert not watch.spent
