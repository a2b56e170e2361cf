"""Pauses of a captured connection pass in its program, and options of the near side's socket are told by its timers."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.capture.timers import GivenUp, deferred, given_up, kept_alive, let_go
from harness.capture.trying import Hypothesis, hypotheses
from harness.tcp.segment import ACK, FIN, PSH, RST, SYN
from harness.tcp.timing import DAY, HOUR
from tests.capture.captures import HANDSHAKE, Told, segment
from tests.capture.test_conversion import made, statements, taken

ENDED: list[Told] = [*HANDSHAKE, (3, 1, segment(FIN, 1, 1)), (4, 0, segment(ACK, 1, 2))]
PROBE, ANSWER = segment(ACK, 0, 1), segment(ACK, 1, 1)


def patient(tmp_path: Path, told: list[Told]) -> Hypothesis:
    return hypotheses(*taken(tmp_path, told), 1, DAY)[0]


def test_a_pause_passes_before_the_far_side_goes_on(tmp_path: Path) -> None:
    told = [*HANDSHAKE, (152, 0, segment(PSH | ACK, 1, 1, b"late"))]
    found = statements(made(tmp_path, told, 1))
    assert found[found.index("peer.wait(0.15)") + 1].startswith("peer.send(PSH, seq=1")


def test_a_pause_in_which_nothing_is_due_is_left_out_where_it_is_long(tmp_path: Path) -> None:
    found = made(tmp_path, [*HANDSHAKE, (9002, 0, segment(PSH | ACK, 1, 1, b"late"))], 1)
    assert "wait" not in "".join(statements(found))
    assert "pauses in which nothing is due are left out" in found.made.said


def test_a_long_pause_after_the_end_passes_where_time_costs_nothing(tmp_path: Path) -> None:
    told = [*ENDED, (70_004, 0, segment(FIN, 1, 2)), (70_005, 1, segment(RST, 2))]
    found = patient(tmp_path, told)
    assert "peer.wait(70.0)" in statements(found)
    assert "@waits(70)\ndef test" in found.text("x")
    assert "the last 2 frames, from 6 on, are left out: 1 min 10 s pass before it" in "".join(
        made(tmp_path, told, 1).made.said
    )


def test_timers_are_held_in_a_short_pause_after_the_end(tmp_path: Path) -> None:
    told = [*ENDED, (204, 0, segment(FIN, 1, 2)), (205, 1, segment(ACK, 2, 2))]
    assert made(tmp_path, told, 1).made.program.settings == {}  # a close() that lingers would be answered by a timer


def test_a_probe_of_an_idle_connection_has_its_options(tmp_path: Path) -> None:
    told = [*HANDSHAKE, (2002, 1, PROBE), (2003, 0, ANSWER), (4003, 1, PROBE), (5003, 1, PROBE)]
    assert kept_alive(taken(tmp_path, told)[1], 1) == (2, 1, 0)
    assert kept_alive(taken(tmp_path, [*told, (6003, 1, segment(RST | ACK, 1, 1))])[1], 1) == (2, 1, 2)
    found = statements(patient(tmp_path, told))
    assert 'server.set_option("TCP_KEEPIDLE", 2)' in found
    assert "peer.expect(ACK, seq=0, ack=1, within=6.0)" in found


def test_data_wait_for_a_closed_window_that_is_probed(tmp_path: Path) -> None:
    told = [*HANDSHAKE, (3, 0, segment(ACK, 1, 1, window=0)), (203, 1, PROBE), (204, 0, segment(ACK, 1, 1))]
    found = statements(patient(tmp_path, [*told, (205, 1, segment(PSH | ACK, 1, 1, b"seven"))]))
    assert found.count('server.send(b".....")') == 1
    assert found.index('server.send(b".....")') == found.index("peer.expect(ACK, seq=0, ack=1, within=2.4)") - 1


def test_a_user_timeout_lies_between_the_last_segment_and_the_one_that_was_reset(tmp_path: Path) -> None:
    data = segment(PSH | ACK, 1, 1, b"data")
    told: list[Told] = [
        *HANDSHAKE,
        (3, 1, data),
        (203, 1, data),
        (603, 1, data),
        (1403, 0, ANSWER),
        (1404, 1, segment(RST, 1)),
    ]
    assert given_up(taken(tmp_path, told)[1], 1) == GivenUp(user_timeout=600, retries=1)
    found = hypotheses(*taken(tmp_path, told), 1, DAY)[0]
    assert found.ending == "no call, with TCP_USER_TIMEOUT of 600 ms"
    assert 'server.set_option("TCP_USER_TIMEOUT", 600)' in statements(found)


def test_an_end_that_is_forgotten_early_has_its_option(tmp_path: Path) -> None:
    told = [*ENDED, (4004, 0, segment(FIN, 1, 2)), (4005, 1, segment(RST, 2))]
    assert let_go(taken(tmp_path, told)[1], 1) == 2
    assert "close() with TCP_LINGER2 of 2 s" in [one.ending for one in hypotheses(*taken(tmp_path, told), 1, HOUR)]


def test_a_syn_ack_after_its_ack_was_put_off(tmp_path: Path) -> None:
    told = [*HANDSHAKE, (1003, 1, segment(SYN, ack=1))]
    assert deferred(taken(tmp_path, told)[1], 1) == 1
    found = statements(patient(tmp_path, told))
    assert 'listener.set_option("TCP_DEFER_ACCEPT", 1)' in found
    assert "accept()" not in "".join(found)


@pytest.mark.parametrize("near", [0, 1])
def test_both_syns_of_a_simultaneous_open_are_sent_before_they_are_heard(tmp_path: Path, near: int) -> None:
    both: list[Told] = [(0, 0, segment(SYN)), (0.1, 1, segment(SYN)), (0.2, 1 - near, segment(SYN, ack=1))]
    found = statements(made(tmp_path, both, near))
    assert found[-4:-1] == [
        "client.connect(peer, wait=False)",
        "peer.expect(SYN, seq=0)",
        'peer.send(SYN, seq=0, window=65535, options="")',
    ]


def test_a_reset_out_of_syn_sent_was_called_for_before_what_it_answers(tmp_path: Path) -> None:
    told = [HANDSHAKE[0], (1, 1, segment(SYN, ack=1)), (2, 0, segment(RST, 1))]
    found = statements(hypotheses(*taken(tmp_path, told), 0)[1])
    assert found[-3:] == [
        "client.close()",
        'peer.send(SYN, seq=0, ack=1, window=65535, options="")',
        "peer.expect(RST, seq=1)",
    ]


def test_full_segments_in_a_row_that_push_are_a_call_each_or_one_call(tmp_path: Path) -> None:
    row: list[Told] = [(3, 1, segment(PSH | ACK, 1 + 1460 * n, 1, bytes(1460))) for n in range(3)]
    each, large = hypotheses(*taken(tmp_path, [*HANDSHAKE, *row]), 1)
    assert statements(each).count('server.send(b"." * 1460, MsgFlag(128))') == 3
    assert 'server.set_option("SO_SNDBUF", 17520)' in statements(each)
    assert 'server.send(b"." * 4380)' in statements(large)
    assert large.order == "in the order of the capture, written by large calls"
    row[1] = (3, 1, segment(ACK, 1461, 1, bytes(1460)))
    assert 'server.send(b"." * 4380)' in statements(made(tmp_path, [*HANDSHAKE, *row], 1))


def test_a_timer_that_does_not_back_off_is_linear(tmp_path: Path) -> None:
    data, option = segment(PSH | ACK, 1, 1, b"thin"), 'server.set_option("TCP_THIN_LINEAR_TIMEOUTS", 1)'
    linear: list[Told] = [(3 + 208 * n, 1, data) for n in range(5)]
    doubling: list[Told] = [(3, 1, data), (211, 1, data), (419, 1, data), (835, 1, data), (1667, 1, data)]
    assert option in statements(patient(tmp_path, [*HANDSHAKE, *linear]))
    assert option not in statements(patient(tmp_path, [*HANDSHAKE, *doubling]))


def test_a_timer_that_doubles_at_once_was_preceded_by_no_probe(tmp_path: Path) -> None:
    fin, off = segment(FIN, 1, 1), 'session.sysctl("net/ipv4/tcp_early_retrans", 0)'
    doubled: list[Told] = [(3, 1, fin), (211, 1, fin), (643, 1, fin)]
    probed: list[Told] = [(3, 1, fin), (211, 1, fin), (419, 1, fin), (835, 1, fin)]
    assert off in statements(patient(tmp_path, [*HANDSHAKE, *doubled]))
    assert off not in statements(patient(tmp_path, [*HANDSHAKE, *probed]))


def test_a_fin_that_is_given_up_has_the_limits_of_an_orphan_and_of_a_socket(tmp_path: Path) -> None:
    fin = segment(FIN, 1, 1)
    sent: list[Told] = [(3, 1, fin), (211, 1, fin), (419, 1, fin), (835, 1, fin)]
    gone: list[Told] = [(3000, 0, segment(ACK, 1, 2)), (3001, 1, segment(RST, 2))]
    assert given_up(taken(tmp_path, [*HANDSHAKE, *sent, *gone])[1], 1) == GivenUp(user_timeout=1602, retries=1)
    found = {one.ending: one for one in hypotheses(*taken(tmp_path, [*HANDSHAKE, *sent, *gone]), 1, DAY)}
    orphan = statements(found["close(), with tcp_orphan_retries of 1"])
    assert orphan.index('session.sysctl("net/ipv4/tcp_orphan_retries", 1)') < orphan.index("server.close()")
    assert "shutdown(SHUT_WR), with TCP_USER_TIMEOUT of 1602 ms" in found
    assert "shutdown(SHUT_WR), with tcp_retries2 of 1" in found


def test_a_connection_that_was_forgotten_before_it_was_open_is_not_accepted(tmp_path: Path) -> None:
    again: list[Told] = [(1024, *HANDSHAKE[1][1:]), (9000, *HANDSHAKE[2][1:]), (9001, 1, segment(RST, 1))]
    assert "listener.accept()" in statements(patient(tmp_path, HANDSHAKE))
    found = patient(tmp_path, [*HANDSHAKE[:2], *again])
    assert found.ending == "no call"
    assert not [one for one in statements(found) if "accept" in one]
