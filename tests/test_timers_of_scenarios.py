"""Spans of time for scenarios about timers: how they add up, double, and are undone of the wheel's rounding."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import Unsupported
from harness.plugin.fixtures import refuse_long_wait
from harness.tcp.timing import (
    MS,
    PHASE_NS,
    REAL_WAIT,
    RTO_INIT,
    RTO_MOST,
    SECOND,
    VIRTUAL,
    Span,
    TimingProfile,
    backoff,
    to_phase,
)

spans = st.integers(min_value=50 * MS, max_value=10**13).map(lambda ns: Span(ns, "SOME"))


def test_timer_doubles_and_stops_growing() -> None:
    assert [span.ns // MS for span in backoff(RTO_INIT, 9)] == [
        1000, 2000, 4000, 8000, 16000, 32000, 64000, 120000, 120000,
    ]  # fmt: skip
    assert [span.ns for span in backoff(RTO_INIT, 2, most=RTO_INIT)] == 2 * [RTO_INIT.ns]
    assert [span.name for span in backoff(RTO_INIT, 9)][-1] == RTO_MOST.name


def test_spans_add_up_and_say_of_what() -> None:
    assert str(RTO_INIT + 2 * SECOND) == "3000 ms (RTO_INIT + 2 * SECOND)"
    assert (2 * SECOND).minus(RTO_INIT).ns == 1000 * MS


@given(spans)
def test_timer_that_the_wheel_rounded_up_most_is_found_again(timer: Span) -> None:
    wheel = msgspec.structs.replace(VIRTUAL, tick_ns=0)
    fired = Span(wheel.upper(timer), "FIRED")
    assert fired.unrounded().ns <= timer.ns
    assert timer.unrounded().ns < timer.ns <= wheel.upper(timer.unrounded()) + 10


@given(st.integers(min_value=0, max_value=10**16))
def test_phase_begins_at_whole_numbers_of_it(now: int) -> None:
    wait = to_phase(now)
    assert 0 <= wait < PHASE_NS
    assert (now + wait) % PHASE_NS == 0


def test_only_virtual_time_is_free() -> None:
    assert VIRTUAL.virtual
    assert not TimingProfile().virtual
    assert VIRTUAL.wakeup_ns == 0 < TimingProfile().wakeup_ns


def test_wait_is_refused_from_the_longest_one_on_and_never_in_virtual_time() -> None:
    refuse_long_wait([REAL_WAIT], TimingProfile())
    with pytest.raises(Unsupported, match=r"waits 3001 ms .* --real-wait 4, or .* uml-virtual"):
        refuse_long_wait([REAL_WAIT, Span(MS, "ONE")], TimingProfile())
    refuse_long_wait([3600 * SECOND], VIRTUAL)
