"""The order of events, and the records that are kept of them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, FIN, Segment
from harness.trace.events import Called, Event, Probed, Received, Sent, Timeline, describe
from harness.trace.records import Result, TimelineRecord

SEGMENT = Segment(flags=FIN | ACK, seq=1, ack=1, window=257, options=parse_options("nop,nop,TS val 3 ecr 2"))
EVENTS: list[Event] = [
    Sent(1, SEGMENT, "1: send", 2),
    Received(2, Segment(flags=ACK, data=b"\0\xff", raw_options=b"\x02", checksum=7, data_offset=6, reserved=1)),
    Called(3, 4, "close", error="EBADF", step="2: close()"),
    Probed(5, "sock_diag", state="TIME-WAIT", details={"left_ms": 60_000}),
]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (EVENTS[0], "< F. 1:1(0) ack 1 win 257 <nop,nop,TS val 3 ecr 2>"),
        (Received(0, SEGMENT), "> F. 1:1(0) ack 1 win 257 <nop,nop,TS val 3 ecr 2>"),
        (EVENTS[2], "  close() = EBADF"),
        (EVENTS[3], "  sock_diag: TIME-WAIT"),
    ],
)
def test_event_has_one_line(event: Event, line: str) -> None:
    assert describe(event) == line


def test_steps_are_numbered_as_they_are_announced() -> None:
    timeline = Timeline()
    assert [timeline.step("a"), timeline.step("b")] == ["1: a", "2: b"]


@given(st.permutations(EVENTS))
def test_events_come_in_the_order_of_their_time(shuffled: list[Event]) -> None:
    timeline = Timeline()
    for event in shuffled:
        timeline.add(event)
    assert list(timeline) == EVENTS
    assert len(timeline) == 4


def test_events_of_one_moment_keep_their_order() -> None:
    timeline = Timeline()
    for text in "abc":
        timeline.add(Probed(1, "probe", text))
    assert [event.what for event in timeline if isinstance(event, Probed)] == ["a", "b", "c"]


def test_of_two_equal_events_the_one_that_is_meant_is_replaced() -> None:
    timeline = Timeline()
    first, second = Received(1, SEGMENT), Received(1, SEGMENT)
    timeline.add(first)
    timeline.add(second)
    timeline.replace(second, Received(1, SEGMENT, "judged"))
    assert [event.step for event in timeline if isinstance(event, Received)] == ["", "judged"]


def test_record_of_a_timeline_can_be_read_back() -> None:
    record = TimelineRecord(scenario="a::b", events=tuple(EVENTS))
    assert msgspec.json.decode(msgspec.json.encode(record), type=TimelineRecord) == record


def test_result_of_an_earlier_version_without_newer_fields_can_be_read() -> None:
    assert msgspec.json.decode(b'{"scenario":"a","outcome":"lost"}', type=Result) == Result(
        scenario="a", outcome="lost"
    )


def test_a_loop_over_the_timeline_may_add_to_it() -> None:
    timeline = Timeline()
    timeline.add(Probed(2, "probe", "b"))
    for _ in timeline:
        timeline.add(Probed(1, "probe", "a"))
    assert [event.at for event in timeline] == [1, 2]
