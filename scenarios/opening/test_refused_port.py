"""A port that nobody listens on: everything but a reset is reset, with numbers that the sender must believe.

RFC 9293 3.10.7.1: SEQ 0 and an acknowledgment of the whole segment where it had none, else SEQ of its acknowledgment.
"""

from __future__ import annotations

import pytest

from harness import ACK, ECE, FIN, NONE, PSH, RST, SYN, URG, Flags, Session, both_families, requirement

CLOSED_PORT = 9

# by the flags of the segment: how many numbers it takes beside its data
without_ack = pytest.mark.parametrize(
    ("flags", "taken"),
    [
        pytest.param(SYN, 1, id="SYN"),
        pytest.param(FIN, 1, id="FIN"),
        pytest.param(SYN | FIN, 2, id="SYN+FIN"),
        pytest.param(NONE, 0, id="none"),
        pytest.param(PSH | URG, 0, id="PSH+URG"),
        pytest.param(SYN | ECE, 1, id="SYN+ECE"),
    ],
)
with_ack = pytest.mark.parametrize("flags", [ACK, ACK | SYN, ACK | FIN, ACK | PSH | URG])


@requirement("RFC9293-E-1", "FSM-069")
@both_families
@without_ack
def test_segment_without_ack_is_reset_from_zero(session: Session, flags: Flags, taken: int) -> None:
    peer = session.new_peer(CLOSED_PORT)
    peer.send(flags, seq=0)
    peer.expect(RST, seq=0, ack=taken, window=0)


@requirement("RFC9293-E-1", "FSM-069")
@both_families
@without_ack
def test_data_count_in_the_acknowledgment_of_the_reset(session: Session, flags: Flags, taken: int) -> None:
    peer = session.new_peer(CLOSED_PORT)
    peer.send(flags, seq=-1, data=b"1234")
    peer.expect(RST, seq=0, ack=3 + taken)


@requirement("RFC9293-E-2", "FSM-068")
@both_families
@with_ack
def test_segment_with_ack_is_reset_by_its_own_ack(session: Session, flags: Flags) -> None:
    peer = session.new_peer(CLOSED_PORT)
    peer.send(flags, seq=7, ack=300, data=b"data")
    reset = peer.expect(RST, seq=300)
    assert not reset.flags & ACK


@requirement("RFC9293-E-3", "RFC9293-E-20", "FSM-070")
@both_families
@pytest.mark.parametrize("flags", [RST, RST | SYN, RST | FIN, RST | ACK])
def test_reset_is_never_answered(session: Session, flags: Flags) -> None:
    peer = session.new_peer(CLOSED_PORT)
    peer.send(flags, seq=0, ack=300 if flags & ACK else None)
    session.settle()
    peer.send(SYN, seq=0)
    peer.expect(RST, seq=0, ack=1)


@requirement("RFC7323-5.2-2")
@both_families
def test_reset_of_a_segment_with_timestamps_needs_none(session: Session) -> None:
    peer = session.new_peer(CLOSED_PORT)
    peer.send(SYN, seq=0, options=session.syn_options)
    peer.expect(RST, seq=0, ack=1, window=0)
