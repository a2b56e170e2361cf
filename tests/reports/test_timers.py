"""What the table of the timers reads from timelines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.tcp.segment import ACK, FIN, RST, SYN, Segment
from harness.trace.events import Called, Event, Probed, Received, Sent
from reports import timers

SECOND = 1_000_000_000


def at(seconds: float) -> int:
    return 1_700_000_000 * SECOND + round(seconds * SECOND)


def received(seconds: float, flags: int, *, seq: int = 0, data: bytes = b"") -> Received:
    return Received(at(seconds), Segment(flags=flags, seq=seq, data=data))


def told(began: float, over: float) -> Called:
    return Called(at(began), at(over), "poll", ("POLLERR",), "ETIMEDOUT")


def test_repetitions_are_spaced_and_the_end_counts_from_the_first() -> None:
    events: list[Event] = [received(seconds, SYN) for seconds in (0, 1.024, 3.04)]
    assert timers.repeated(SYN)([*events, told(0, 7.5)]) == "1.02, 2.02 s; ETIMEDOUT after 7.50 s"


def test_other_segments_are_no_repetitions() -> None:
    events: list[Event] = [
        received(0, SYN | ACK),
        received(1, ACK, seq=1, data=b"lost"),
        received(1.2, ACK, seq=1, data=b"lost"),
        received(9, RST, seq=1),
    ]
    assert timers.repeated(0)(events) == "0.200 s"
    assert timers.repeated(FIN)(events) == "none"


def test_many_steps_are_shortened_to_the_first_three_and_the_last() -> None:
    assert timers.shortened([n * SECOND for n in (1, 2, 4, 8, 16, 32)]) == "1.00, 2.00, 4.00 … 32.0 (6 times)"
    assert timers.shortened([SECOND // 5] * 5) == "0.200, 0.200, 0.200, 0.200, 0.200"


def test_probes_count_from_the_call_that_finds_the_window_closed() -> None:
    events: list[Event] = [
        received(0, ACK, seq=1, data=b"taken"),
        Sent(at(0.5), Segment(flags=ACK, seq=1, ack=6, window=0), "close"),
        Called(at(1), at(1.01), "send", (7,), 7),
        received(1.2, ACK, seq=5),
        received(1.6, ACK, seq=5),
        told(1, 4),
    ]
    assert timers.probed(events) == "0.200, 0.400 s; ETIMEDOUT after 3.00 s"


def test_socket_went_in_the_second_before_it_was_missed() -> None:
    events: list[Event] = [
        Sent(at(0), Segment(flags=ACK, seq=1, ack=2), "acknowledge"),
        Probed(at(0.1), "sock_diag", state="FIN-WAIT-2"),
        Probed(at(61), "sock_diag", state="CLOSED"),
        Sent(at(70), Segment(flags=FIN, seq=1, ack=2), "try"),
    ]
    assert timers.gone(events) == "60 to 61 s"
    assert timers.gone(events[:2]) == "none"


def test_keep_alive_tells_idle_time_interval_and_number_of_probes() -> None:
    probes: list[Event] = [received(7200 + 75 * number, ACK) for number in range(9)]
    events = [Sent(at(0), Segment(flags=ACK), "handshake"), *probes, received(7200 + 75 * 9, RST | ACK, seq=1)]
    assert timers.keep_alive(events) == "7200.0 s idle, then every 75.0 s; RST after 9 probes"


def test_answer_counts_from_the_peers_last_segment() -> None:
    sent = Sent(at(1), Segment(flags=ACK, seq=1, data=b"one"), "send")
    assert timers.answered([received(0, SYN | ACK), sent, received(1.044, ACK)]) == "0.044 s"
    assert timers.answered([sent]) == "none"


def test_folder_that_is_no_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert timers.main([str(tmp_path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_page_has_a_row_for_each_timer(make_run: Callable[[], Path], tmp_path: Path) -> None:
    page = tmp_path / "timers.md"
    assert timers.main([str(make_run()), "--write", str(page)]) == 0
    rows = [line for line in page.read_text().splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(timers.TIMERS)
    assert all("not run" in row for row in rows[2:])
