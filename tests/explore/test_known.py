"""Known changes: each is one of docs/changes.md, and is told of differences like its own alone."""

from __future__ import annotations

import re
from itertools import permutations
from pathlib import Path

import pytest

from harness.explore.differences import Signature
from harness.explore.known import changes, known_changes

DOCUMENTED = dict(re.findall(r"^\| (\d+) \| ([^|]+?) \|", Path("docs/changes.md").read_text(), re.M))

MORE, OWN = ". acknowledging more, ESTABLISHED", ". with data, 5, ESTABLISHED"


@pytest.mark.parametrize("number", [one.number for one in changes()])
def test_it_is_named_as_in_the_document(number: int) -> None:
    (change,) = (one for one in changes() if one.number == number)
    assert change.what == DOCUMENTED[str(number)]


@pytest.mark.parametrize(
    ("number", "signature"),
    [
        (1, Signature("FIN-WAIT-2", "F., ack before SND.NXT", ("., FIN-WAIT-2", ". acknowledging more, TIME-WAIT"))),
        (1, Signature("FIN-WAIT-1", "F., ack before SND.UNA", ("., FIN-WAIT-1", ". acknowledging more, CLOSING"))),
        (1, Signature("CLOSING", "., ack at ISS", ("., CLOSING", "nothing, CLOSING"))),
        (7, Signature("ESTABLISHED", ". with data", (f"several {MORE}, other ack", f"several {MORE}, other ack"))),
        (9, Signature("ESTABLISHED", "send", (f"several {OWN}", f"several {OWN}, other number of segments"))),
        (10, Signature("ESTABLISHED", "., overlong option", ("., ESTABLISHED", "nothing, ESTABLISHED"))),
        (2, Signature("SYN-RECEIVED", "R, seq beyond RCV.NXT", ("nothing, LISTEN", "., SYN-RECEIVED"))),
        (4, Signature("ESTABLISHED", "F.", ("., ESTABLISHED", ". acknowledging more, CLOSE-WAIT"))),
        (5, Signature("SYN-SENT", "pause", ("S, SYN-SENT", "several S, SYN-SENT"))),
        (6, Signature("CLOSE-WAIT", "shutdown_wr", ("F., 0, LAST-ACK", "0, LAST-ACK"))),
        (11, Signature("ESTABLISHED", "., ack beyond SND.NXT", ("nothing, ESTABLISHED", "., ESTABLISHED"))),
        (12, Signature("CLOSE-WAIT", "., seq at the right edge", ("nothing, CLOSE-WAIT", "., CLOSE-WAIT"))),
        (12, Signature("CLOSING", "., seq at the right edge, ack before SND.NXT", ("nothing, CLOSING", "., CLOSING"))),
        (14, Signature("CLOSED", "tcp_ecn_3", ("EINVAL, CLOSED", "0, CLOSED"))),
        (22, Signature("ESTABLISHED", ". with data, ack before ISS", (MORE, "., ESTABLISHED"))),
        (17, Signature("ESTABLISHED", "., seq before RCV.NXT, old timestamp", ("., CLOSED", "nothing, CLOSED"))),
    ],
)
def test_a_difference_like_its_own_shows_it_in_either_order(number: int, signature: Signature) -> None:
    for answers in (signature.answers, signature.answers[::-1]):
        assert [one.number for one in known_changes(signature._replace(answers=answers))] == [number]


def test_change_is_told_of_the_kernels_alone_between_which_it_came() -> None:
    signature = Signature("ESTABLISHED", "., ack beyond SND.NXT", ("nothing, ESTABLISHED", "., ESTABLISHED"))
    kernels = ("uml-virtual:5.10", "uml-virtual:6.12", "uml-virtual:7.2,code-coverage", "host")
    told = {pair for pair in permutations(kernels, 2) if [one.number for one in known_changes(signature, pair)] == [11]}
    assert told == {
        *((one, kernels[2]) for one in kernels[:2]),
        *((one, "host") for one in kernels[:2]),
        ("host", kernels[2]),
    }


def test_segment_that_one_kernel_drops_for_its_option_shows_no_other_change() -> None:
    step = "., ack beyond SND.NXT, malformed option"
    signature = Signature("ESTABLISHED", step, ("nothing, ESTABLISHED", "., ESTABLISHED"))
    assert known_changes(signature, ("uml-virtual:6.12", "uml-virtual:7.2")) == []
    signature = signature._replace(answers=signature.answers[::-1])
    assert [one.number for one in known_changes(signature, ("uml-virtual:6.1", "uml-virtual:6.12"))] == [10]


def test_of_three_kernels_each_two_beside_each_other_may_show_one() -> None:
    answers = "nothing, ESTABLISHED", "nothing, ESTABLISHED", "., ESTABLISHED"
    assert [one.number for one in known_changes(Signature("ESTABLISHED", "., ack beyond SND.NXT", answers))] == [11]


@pytest.mark.parametrize(
    "signature",
    [
        Signature("ESTABLISHED", "F.", ("nothing, ESTABLISHED", ". acknowledging more, CLOSE-WAIT")),
        Signature("TIME-WAIT", "R", ("nothing, TIME-WAIT", "nothing, CLOSED")),
        Signature("", "", ("", "panic")),
        # one kernel against RFC 9293
        Signature(
            "SYN-RECEIVED", "S. with data", ("., SYN-RECEIVED", "allowed: nothing, CLOSED (RFC9293-3.10.7.4 fourth)")
        ),
    ],
)
def test_what_is_new_shows_none(signature: Signature) -> None:
    assert known_changes(signature) == []
