from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, RST, Segment
from harness.trace.events import Called, Event, Forwarded, OtherPacket, Probed, Received, Sent
from reports.ladder import ladder, length
from reports.lines import in_ascii, plain, wrap

DATA = Path(__file__).parents[1] / "data"
ZERO = 1_700_000_000_000_000_000
MS = 1_000_000

Disorder = Callable[..., tuple[Event, ...]]


@pytest.mark.parametrize(
    ("name", "width"), [("challenged", 100), ("challenged", 80), ("accepted", 100), ("timestamps", 150)]
)
def test_the_disorder_looks_as_it_shall(disorder: Disorder, name: str, width: int) -> None:
    events = disorder(name == "accepted", timestamps=name == "timestamps")
    drawn = str(ladder(events, zero=ZERO, width=width, kernel="5.10.46"))
    assert drawn + "\n" == (DATA / f"ladder-{name}-{width}.txt").read_text()


def test_two_connections_are_told_apart(disorder: Disorder) -> None:
    events = disorder(timestamps=False) + disorder(timestamps=False, connection=2, delay=50_000)
    drawn = str(ladder(events, zero=ZERO))
    assert drawn + "\n" == (DATA / "ladder-connections.txt").read_text()


def _lines(*events: Event, zero: int | None = None) -> list[str]:
    return str(ladder(events, zero=zero)).splitlines()[2:]


SEGMENT = Segment(flags=ACK, seq=1, ack=1, window=9)
RESET = Segment(flags=RST, seq=1, window=0)


def test_a_state_stands_beside_its_cause_only_while_it_is_new() -> None:
    soon, late = Probed(ZERO + MS, "p", state="CLOSED"), Probed(ZERO + MS + 1, "p", state="CLOSED")
    assert len(_lines(Sent(ZERO, SEGMENT, "1: send"), soon)) == 1
    assert len(_lines(Sent(ZERO, SEGMENT, "1: send"), late)) == 2
    assert len(_lines(Sent(ZERO, SEGMENT, "1: send", 2), soon)) == 2  # another connection's


@pytest.mark.parametrize("late_ms", [200, 910_100, 90_061_000])
def test_pause_says_how_long_it_is_however_narrow_its_column(late_ms: int) -> None:
    early = Forwarded(ZERO, SEGMENT, "client", (ZERO,))
    at = ZERO + late_ms * MS
    late = Forwarded(at, SEGMENT, "server", (at,))
    pause = next(line for line in str(ladder((early, late), zero=ZERO, width=80)).splitlines() if "┊" in line)
    said = pause.split("┊")[1].strip()
    assert said.removesuffix(" pass") == length(late_ms * MS)


def test_an_error_of_icmp_is_an_arrow_of_its_own() -> None:
    segment = Segment(flags=ACK, seq=1, ack=1, window=9)
    told = OtherPacket(ZERO, "ICMP packet too big mtu 1200", segment)
    assert "──── ICMP packet too big mtu 1200 about . 1:1(0) ack 1 win 9 ──" in _lines(told)[0]
    (brief,) = str(ladder([told], brief=True)).splitlines()[2:]
    assert "mtu 1200 about . 1:1(0) ack 1 ──" in brief


def test_what_a_probe_says_beyond_the_state_is_a_note() -> None:
    assert "held by no process" in _lines(Probed(ZERO, "sock_diag", state="FIN-WAIT-2", holder="nobody"))[0]
    assert "sock_diag" not in _lines(Probed(ZERO, "sock_diag", was="FIN-WAIT-1", state="FIN-WAIT-2"))[0]
    dropped = Probed(ZERO, "tracepoint", "dropped", details={"reason": "TCP_OLD_ACK"})
    assert _lines(dropped)[0].endswith("│ tracepoint: dropped: TCP_OLD_ACK")


def test_a_look_that_shows_nothing_new_is_not_drawn() -> None:
    looks = [Probed(ZERO + number * MS, "sock_diag", state="ESTABLISHED", holder="mini") for number in range(3)]
    drawn = _lines(*looks, Probed(ZERO + 5 * MS, "sock_diag", state="ESTABLISHED", holder="process"))
    assert [line.rpartition("│")[2].split() for line in drawn] == [
        ["ESTABLISHED", "mini-socket"],
        ["owned", "by", "its", "process"],
    ]


def test_a_call_is_shown_as_one() -> None:
    for call, shown in [
        (Called(ZERO, ZERO, "close"), "close() = 0"),
        (Called(ZERO, ZERO, "send", (9, "MSG_OOB"), 1), "send(9, MSG_OOB) = 1"),
        (Called(ZERO, ZERO, "close", error="EBADF"), "close() = EBADF"),
    ]:
        assert _lines(call)[0].endswith(f"│ {shown}")


def test_a_call_that_blocked_has_two_lines_only_when_something_came_between() -> None:
    call = Called(ZERO, ZERO + 20 * MS, "recv", (9,))
    assert [line.rpartition("│")[2].strip() for line in _lines(call)] == ["recv(9) = 0  (20 ms)"]
    drawn = _lines(call, Sent(ZERO + MS, SEGMENT, "1: send"))
    assert [line.rpartition("│")[2].strip() for line in drawn] == ["recv(9) ...", "", "... recv(9) = 0"]


def test_a_pause_is_shown_and_its_length() -> None:
    assert "pass" not in "".join(_lines(Sent(ZERO, SEGMENT, ""), Sent(ZERO + 40 * MS, SEGMENT, "")))
    drawn = _lines(Sent(ZERO, SEGMENT, ""), Sent(ZERO + 204 * MS, SEGMENT, ""), Sent(ZERO + 60_204 * MS, SEGMENT, ""))
    assert ["204 ms pass" in drawn[1], "1 min pass" in drawn[3]] == [True, True]


def test_times_count_from_zero_whether_it_is_given_or_not() -> None:
    event = Received(ZERO + 1_500, SEGMENT)
    assert _lines(event)[0].startswith("0.000 ")
    assert _lines(event, zero=ZERO)[0].startswith("0.002 ")
    assert _lines(event, zero=ZERO + MS)[0].startswith("-0.999 ")  # 0.9985, to the even digit that a float allows


def test_a_stray_says_that_it_is_of_no_connection() -> None:
    assert "of no connection" in "".join(_lines(Received(ZERO, RESET, "of no connection", 0)))


def test_nothing_recorded_is_said_in_words() -> None:
    assert str(ladder([])) == "nothing was recorded"


def test_lines_can_be_drawn_without_line_drawing_characters(disorder: Disorder) -> None:
    drawn = plain(in_ascii(ladder(disorder()).lines()))
    assert drawn.isascii()
    assert "|<--- F. 1:1(0) ack 1 win 512" in drawn
    assert "?" not in drawn


def _printed(events: tuple[Event, ...], encoding: str = "utf-8", **options: object) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    Console(file=file, **options).print(ladder(events))  # type: ignore[arg-type]
    assert isinstance(file.buffer, io.BytesIO)
    return file.buffer.getvalue().decode(encoding)


def test_a_terminal_shows_colours_and_a_pipe_none(disorder: Disorder) -> None:
    assert "\x1b[" in _printed(disorder(), force_terminal=True, color_system="standard", width=100)
    piped = _printed(disorder(), width=100)
    assert piped == str(ladder(disorder())) + "\n"


def test_a_console_that_has_ascii_alone_gets_it(disorder: Disorder) -> None:
    assert "F. 1:1(0) ack 1" in _printed(disorder(), encoding="ascii", width=100)


segments = st.builds(
    Segment,
    flags=st.integers(0, 0x1FF),
    seq=st.integers(0, 2**32 - 1),
    ack=st.integers(0, 2**32 - 1),
    options=st.sampled_from(["", "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7", "sack 1:2 3:4"]).map(parse_options),
    raw_options=st.none() | st.binary(max_size=40),
)
words = st.text("abc _-=(),", max_size=60)
times = st.integers(ZERO, ZERO + 10**13)
connections = st.integers(0, 12)
arguments = st.tuples(words, st.integers())
events = st.lists(
    st.one_of(
        st.builds(Sent, times, segments, words, connections),
        st.builds(Received, times, segments, words, connections),
        st.builds(
            lambda at, took, *rest: Called(at, at + took, *rest), times, times, words, arguments, words, words, words
        ),
        st.builds(Probed, times, words, words, words, words, words, st.just({}), connections),
    ),
    max_size=8,
)


@given(events=events, width=st.integers(60, 130), kernel=st.text("kernel-1.", max_size=60))
def test_no_line_is_wider_than_asked_for(events: list[Event], width: int, kernel: str) -> None:
    assert max(map(len, str(ladder(events, width=width, kernel=kernel)).splitlines())) <= width


@given(text=st.text("ab, ", max_size=60), width=st.integers(1, 20))
def test_wrapping_loses_nothing_but_spaces(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(len(line) <= width for line in lines)
