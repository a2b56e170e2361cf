"""A captured connection's program without what the difference does not need: octets, steps, options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.capture.conversion import Inferred
from harness.capture.minimizing import Candidate, minimized
from harness.capture.octets import shortened, stretches
from harness.capture.trying import hypotheses
from harness.program.python import python
from harness.program.steps import Program
from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, FIN, PSH, SYN
from tests.capture.captures import Told, segment
from tests.capture.test_conversion import taken

SYN_OPTIONS = parse_options("mss 1460,sackOK,nop,wscale 7")

ENDED: list[Told] = [
    (0, 0, segment(SYN, options=SYN_OPTIONS)),
    (1, 1, segment(SYN, ack=1, options=SYN_OPTIONS)),
    (2, 0, segment(ACK, 1, 1, window=502)),
    (3, 0, segment(PSH | ACK, 1, 1, bytes(300))),
    (4, 1, segment(PSH | ACK, 1, 301, bytes(700))),
    (5, 0, segment(ACK, 301, 701)),
    (6, 1, segment(FIN, 701, 301)),
    (7, 0, segment(FIN, 301, 702)),
    (8, 1, segment(ACK, 702, 302)),
]


def made(tmp_path: Path) -> tuple[Inferred, Inferred]:
    """The program with shutdown(SHUT_WR), and with close()."""
    found = {one.ending: one.made for one in hypotheses(*taken(tmp_path, ENDED), near=1)}
    return found["shutdown(SHUT_WR)"], found["close()"]


def lines(program: Program, comments: dict[int, str] | None = None) -> list[str]:
    text = python(program, "test_it", comments=comments)
    return [line.strip() for line in text.partition("def ")[2].splitlines()[1:] if line]


def shows(candidates: Sequence[Candidate]) -> list[bool]:
    """A kernel that differs by the ending where it was sent a FIN, and was to send one before."""

    def does(candidate: Candidate) -> bool:
        ours, theirs = (lines(program) for program in candidate)
        sent = sum(line.startswith("server.send(") for line in ours)
        fin = next((line for line in ours if line.startswith("peer.expect(FIN")), "")
        right = fin.startswith("peer.expect(FIN, seq=1,") or bool(sent)
        answers = any(line.startswith("peer.send(FIN") for line in ours)
        return right and answers and "server.close()" in theirs and "server.shutdown(socket.SHUT_WR)" in ours

    return [does(one) for one in candidates]


def test_only_what_the_difference_needs_is_left_with_its_frames(tmp_path: Path) -> None:
    whole, other = made(tmp_path)
    short = minimized(whole, [other], shows, 2)
    assert lines(short.program, short.comments) == [
        "listener = session.listen()",
        "peer = session.new_peer()",
        "server = listener.accept()",
        "# inferred, for the FIN: shutdown(SHUT_WR)",
        "server.shutdown(socket.SHUT_WR)",
        "# frame 7",
        "peer.expect(FIN, seq=1, ack=1)",
        "# frame 8",
        "peer.send(FIN, seq=1, ack=2)",
    ]


def test_numbers_fit_the_octets_that_are_left(tmp_path: Path) -> None:
    whole, _ = made(tmp_path)
    asked, answer = stretches(whole.program)[::-1]
    found = lines(shortened(whole, {asked: 1, answer: 0}).program)
    assert 'peer.send(PSH, seq=1, ack=1, window=65535, options="", data=b".")' in found
    assert "peer.expect(FIN, seq=1, ack=2)" in found
    assert "peer.expect(ACK, seq=2, ack=3)" in found
    assert not [line for line in found if "server.send" in line]


def test_what_does_not_differ_again_is_whole(tmp_path: Path) -> None:
    whole, other = made(tmp_path)
    assert minimized(whole, [other], lambda ones: [len(ones) != 3] * len(ones), 3) == whole
