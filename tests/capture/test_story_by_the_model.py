"""What a capture tells of answers that the model of RFC 9293 has otherwise, or asks for and misses."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.tcp.segment import ACK, FIN, PSH, RST, SYN, Segment
from tests.capture.captures import (
    HANDSHAKE,
    ROUND,
    Told,
    segment,
    text,
)

GOT: list[Told] = [*HANDSHAKE, (3, 0, segment(PSH | ACK, 1, 1, b"GET")), (4, 1, segment(ACK, 1, 4))]


@pytest.mark.parametrize(
    ("sent", "answer", "words"),
    [
        (
            segment(ACK, 4, 1, b"more"),
            segment(ACK, 1, 4),
            "acknowledges 4 again: it misses what begins there{}an ACK of 8",
        ),
        (segment(RST, 4), segment(ACK, 1, 4), "challenges R of frame 6 (RFC 5961 3.2, 4.2){}nothing (RFC9293-3.10.7.4"),
        (
            segment(SYN, 9),
            segment(RST, 0),
            "resets the open connection for the SYN of frame 6{}an ACK of 4 (RFC9293-3.10",
        ),
    ],
)
def test_what_the_model_answers_otherwise_is_told_with_its_clause(
    tmp_path: Path, sent: Segment, answer: Segment, words: str
) -> None:
    found = text(tmp_path, [*GOT, (5, 0, sent), (6, 1, answer)])
    assert f"frame 7: the server {words.format('; RFC 9293 answers it by ')}" in found


def test_what_the_model_answers_in_the_same_way_is_no_deviation(tmp_path: Path) -> None:
    ahead = text(tmp_path, [*GOT, (5, 0, segment(ACK, 9, 1, b"more")), (6, 1, segment(ACK, 1, 4))])
    challenged = text(tmp_path, [*GOT, (5, 0, segment(RST, 9)), (6, 1, segment(ACK, 1, 4))])
    assert "acknowledges 4 again" in ahead
    assert "challenges R of frame 6" in challenged
    again: list[Told] = [(5, 0, segment(ACK, 4, 1, b"lost")), (6, 0, segment(ACK, 8, 1, b"more"))]
    late = text(tmp_path, [*GOT, *again, (7, 0, again[0][2]), (8, 1, segment(ACK, 1, 4))])
    assert "acknowledges 4 again" in late  # which answers frame 7, and frame 8 was on its way
    assert "RFC 9293 answers" not in ahead + challenged + late


def test_what_was_not_answered_is_told_with_the_answer_that_the_model_asks_for(tmp_path: Path) -> None:
    fin = segment(FIN, 1, 1)
    found = text(tmp_path, [*HANDSHAKE, (10, 0, fin), (210, 0, fin), (610, 0, fin)])
    assert found.count("if it came, RFC 9293 answers it by an ACK of 2 (RFC9293-3.10.7.4 eighth RFC9293-E-17)") == 1
    assert "frame 5: the client sends the FIN of frame 4 again, 200 ms later: nothing had answered it" in found


@pytest.mark.parametrize(("waited", "due"), [(400, False), (600, True)])
def test_an_ack_of_data_may_wait_for_half_a_second(tmp_path: Path, waited: int, due: bool) -> None:
    data = segment(PSH | ACK, 1, 1, b"data")
    found = text(tmp_path, [*HANDSHAKE, (10, 0, data), (10 + waited, 0, data)])
    assert ("if it came, RFC 9293 answers it by an ACK of 5" in found) == due


def test_a_syn_without_an_answer_is_due_one_whether_someone_listens_or_not(tmp_path: Path) -> None:
    found = text(tmp_path, [HANDSHAKE[0], (1000, 0, HANDSHAKE[0][2])])
    assert "if it came, RFC 9293 answers it by S. 0 or R. 0 (RFC9293-3.10.7.2 third, RFC9293-3.10.7.1" in found


def test_an_ack_that_nothing_asks_for_is_told(tmp_path: Path) -> None:
    ack = segment(ACK, 51, 101)
    done: list[Told] = [*HANDSHAKE, *ROUND, (5, 0, segment(ACK, 101, 51))]
    found = text(tmp_path, [*done, (6, 1, ack)])
    assert "frame 7: the server acknowledges 101 again, and nothing in the capture asks for it: a segment is" in found
    again = text(tmp_path, [*done, (5.5, 0, segment(ACK, 1, 51, b"x" * 100)), (6, 1, ack), (7, 1, ack)])
    assert "frame 8: the server acknowledges 101 again" not in again  # the data came once more
    assert "frame 9: the server acknowledges 101 again, and nothing in the capture asks for it" in again


def test_a_reset_as_of_no_connection_names_what_it_answers(tmp_path: Path) -> None:
    ended: list[Told] = [(5, 1, segment(FIN, 51, 101)), (6, 0, segment(ACK, 101, 52)), (7, 1, segment(RST, 51))]
    found = text(tmp_path, [*HANDSHAKE, *ROUND, (4.5, 0, segment(PSH | ACK, 101, 51, b"z")), *ended])
    assert "frame 9: the RST has the number 51 and not 52, the next that the client expects" in found
    assert "frame 6 acknowledges that number, and who has no connection answers it so (RFC9293-3.10.7.1 RFC" in found
