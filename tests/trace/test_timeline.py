"""The order of events, and the records that are kept of them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, FIN, Segment
from harness.tcp.timing import MS
from harness.trace.events import Called, Event, Probed, Received, Sent, Timeline, describe, ended_at, so_far
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


def test_call_that_waited_says_when_it_was_back() -> None:
    timeline = Timeline()
    timeline.add(Called(0, 10 * MS, "send", (1,), 1))
    timeline.add(Called(MS, 1001 * MS, "poll", ("POLLOUT",), error="ETIMEDOUT"))
    assert so_far(timeline) == [
        "+0 ms    send(1) = 1",
        "+1 ms    poll(POLLOUT) = ETIMEDOUT   back at +1001 ms",
    ]


def test_moment_is_told_by_what_was_over_then() -> None:
    timeline = Timeline()
    timeline.add(Called(0, 5 * MS, "close"))
    timeline.add(Probed(5 * MS, "sock_diag", state="CLOSED"))
    timeline.add(Received(7 * MS, SEGMENT, connection=1))
    timeline.add(Received(8 * MS, SEGMENT, connection=2))
    assert ended_at(timeline, 5 * MS) == "+0 ms  #1   close() = 0"
    assert ended_at(timeline, 8 * MS) == "+8 ms  #2 > F. 1:1(0) ack 1 win 257 <nop,nop,TS val 3 ecr 2>"
    assert ended_at(timeline, 6 * MS) == ""


def test_sysctl_is_told_of_no_connection() -> None:
    timeline = Timeline()
    for number in (1, 2):
        timeline.add(Called(number, number, "close", connection=number))
    timeline.add(Called(3, 3, "sysctl", ("net/ipv4/tcp_sack", 0)))
    assert so_far(timeline)[-1] == "+0.0 ms       sysctl(net/ipv4/tcp_sack, 0) = 0"
