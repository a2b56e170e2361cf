"""What holds of the model's answers whatever arrives, in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.model.connection import ControlBlock
from harness.model.requirements import STATES
from harness.model.rfc9293 import answers
from harness.tcp.segment import FIN, NONE, RST, Flags, Segment, distance
from tests.model.told import seg

SYNCHRONIZED = ("ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT")


pieces = st.lists(st.sampled_from([(300, 2, NONE), (302, 2, NONE), (304, 0, FIN), (301, 2, NONE)]), max_size=8)


@given(pieces)
def test_nothing_is_lost_or_taken_twice_in_whatever_order(arrivals: list[tuple[int, int, Flags]]) -> None:
    at = ControlBlock("ESTABLISHED", snd_una=100, snd_nxt=100, rcv_nxt=300, rcv_wnd=1000, quickack=True)
    for seq, length, flags in arrivals:
        after = {answer.after for answer in answers(at, seg(flags, seq, ack=100, length=length))}
        (following,) = after
        assert at.rcv_nxt <= following.rcv_nxt <= 305
        at = following
    came = {(seq, bool(flags & FIN)) for seq, _, flags in arrivals}
    if {(300, False), (302, False), (304, True)} <= came:
        assert (at.state, at.rcv_nxt) == ("CLOSE-WAIT", 305)


words = st.integers(0, 2**32 - 1)


@given(
    state=st.sampled_from(STATES),
    origins=st.tuples(words, words),
    window=st.integers(0, 2**16),
    flags=st.integers(0, 255),
    seq=st.integers(-(2**17), 2**17),
    ack=st.integers(-(2**17), 2**17),
    length=st.integers(0, 3),
    actively=st.booleans(),
)
def test_in_every_case_there_is_an_answer_and_never_a_rst_to_a_rst(
    state: str, origins: tuple[int, int], window: int, flags: int, seq: int, ack: int, length: int, actively: bool
) -> None:
    ours, theirs = origins
    space = 2**32
    at = ControlBlock(state, ours, (ours + 1) % space, theirs, window, iss=ours, actively=actively)
    moved = ControlBlock(state, 0, 1, 0, window, iss=0, actively=actively)
    segment = Segment(flags=flags, seq=(theirs + seq) % space, ack=(ours + ack) % space, data=b"x" * length)
    same = Segment(flags=flags, seq=seq % space, ack=ack % space, data=b"x" * length)
    found = answers(at, segment)
    assert found
    assert len({answer.name for answer in found}) == len(found)
    assert [answer.name for answer in found] == [answer.name for answer in answers(moved, same)]  # 3.4: modulo 2**32
    for answer in found:
        assert answer.clause.startswith("RFC")
        assert not (flags & RST and answer.flags and answer.flags & RST)  # 3.5.2: a reset is never answered by one


near = st.integers(-4, 6)
arriving = st.tuples(st.integers(0, 255), near, near, st.integers(0, 3))


@given(
    state=st.sampled_from(STATES),
    unacknowledged=st.integers(0, 3),
    window=st.integers(0, 5),
    max_snd_wnd=st.integers(0, 3),
    reads=st.booleans(),
    quickack=st.booleans(),
    actively=st.booleans(),
    arrivals=st.lists(arriving, min_size=1, max_size=4),
    choice=st.integers(0, 5),
)
def test_whatever_arrives_one_after_the_other_names_differ_and_numbers_stay_in_order(
    state: str,
    unacknowledged: int,
    window: int,
    max_snd_wnd: int,
    reads: bool,
    quickack: bool,
    actively: bool,
    arrivals: list[tuple[int, int, int, int]],
    choice: int,
) -> None:
    opening = state.startswith("SYN")  # what was sent there is the SYN
    at = ControlBlock(
        state,
        snd_una=100,
        snd_nxt=101 if opening else 100 + unacknowledged,
        rcv_nxt=300,
        rcv_wnd=window,
        iss=100 if opening else 99,
        actively=actively,
        max_snd_wnd=max_snd_wnd,
        reads=reads,
        quickack=quickack,
        rmss=2,
    )
    for flags, seq, ack, length in arrivals:
        found = answers(at, Segment(flags=flags, seq=300 + seq, ack=100 + ack, data=b"x" * length))
        assert len({one.name for one in found}) == len(found)
        assert len({(one.flags, one.seq, one.ack, one.after) for one in found}) == len(found)
        for one in found:
            assert distance(one.after.snd_una, one.after.snd_nxt) >= 0
            assert one.after.owed < 2 * one.after.rmss
            assert not (quickack and one.after.owed)
            if one.after.state not in ("SYN-RECEIVED", "ESTABLISHED") or one.after.state == at.state:
                assert one.after.rcv_nxt >= at.rcv_nxt
        at = found[choice % len(found)].after
