"""What a kernel answers, held against all that RFC 9293 lets it answer, for all the places where it may be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import ACK, Mismatch, Peer, Session, reach
from harness.live.check import judge
from harness.model.connection import ControlBlock
from harness.tcp.timing import TimingProfile
from netns import privilege

AT = ControlBlock("ESTABLISHED", snd_una=1, snd_nxt=1, rcv_nxt=1, rcv_wnd=1000, quickack=True)
ELSEWHERE = ControlBlock("ESTABLISHED", snd_una=1, snd_nxt=1, rcv_nxt=9, rcv_wnd=1000, quickack=True)
AHEAD = 5


@pytest.fixture
def peer() -> Iterator[Peer]:
    privilege.ensure()
    with Session(TimingProfile(slack_ns=1_000_000_000)) as session:  # time is not what is tested here
        yield reach(session, None, "ESTABLISHED").peer


def test_answer_that_follows_tells_where_the_connection_is(peer: Peer) -> None:
    (answer,) = judge(peer, [AT], peer.make(ACK, seq=1, ack=1, data=b"abc"))
    assert (answer.after.state, answer.after.rcv_nxt) == ("ESTABLISHED", 4)


def test_what_is_kept_counts_when_its_turn_comes(peer: Peer) -> None:
    kept = judge(peer, [AT], peer.make(ACK, seq=AHEAD, ack=1, data=b"more"))
    (answer,) = judge(peer, [one.after for one in kept], peer.make(ACK, seq=1, ack=1, data=b"some"))
    assert answer.after.rcv_nxt == 9


def test_silence_is_an_answer_where_none_is_due(peer: Peer) -> None:
    (answer,) = judge(peer, [AT], peer.make(ACK, seq=1, ack=1))
    assert (answer.flags, answer.after) == (None, AT)


def test_places_that_the_answer_rules_out_are_left_behind(peer: Peer) -> None:
    answers = judge(peer, [ELSEWHERE, AT], peer.make(ACK, seq=1, ack=1, data=b"abc"))
    assert [one.after.rcv_nxt for one in answers] == [4]


def test_answer_that_follows_from_nothing_is_told_with_the_clauses(peer: Peer) -> None:
    with pytest.raises(Mismatch, match=r"> \. 1:1\(0\) ack 9   on connection #1   \(RFC9293-3.10.7.4 first"):
        judge(peer, [ELSEWHERE], peer.make(ACK, seq=1, ack=1, data=b"abc"))


def test_missing_answer_is_told_without_waiting_for_it(peer: Peer) -> None:
    unacceptable = ControlBlock("ESTABLISHED", snd_una=1, snd_nxt=1, rcv_nxt=2**20, rcv_wnd=10)
    with pytest.raises(Mismatch, match="observed  nothing, and the kernel has taken in all it was sent"):
        judge(peer, [unacceptable], peer.make(ACK, seq=1, ack=1))
