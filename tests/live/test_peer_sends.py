"""What the peer puts on the wire, and how a real kernel takes it."""

from __future__ import annotations

import itertools

import pytest

from harness.errors import FinwaitError
from harness.live.session import Connection, Session
from harness.live.syscalls import errno_of
from harness.tcp.authentication import Md5Key
from harness.tcp.options import parse_options
from harness.tcp.segment import ACK, SYN, WRONG_CHECKSUM
from harness.tcp.timing import MS, TimingProfile
from harness.trace.events import Sent


def test_numbers_are_relative_on_both_sides(conversation: Connection) -> None:
    server, peer = conversation
    peer.send(ACK, seq=1, ack=1, data=b"abc")
    peer.expect(ACK, seq=1, ack=4)
    assert server.receive() == b"abc"
    server.send(b"xy")
    assert peer.expect(ACK, seq=1, ack=4, data=b"xy").next_seq == 3


def test_numbers_go_past_the_end_of_the_circle(opened: Session) -> None:
    server, peer = opened.establish(opened.listen(), opened.new_peer(isn=2**32 - 3))
    peer.send(ACK, seq=1, ack=1, data=b"abcdef")
    peer.expect(ACK, seq=1, ack=7)
    assert server.receive() == b"abcdef"


def test_what_was_made_earlier_can_be_overtaken(conversation: Connection) -> None:
    server, peer = conversation
    first = peer.make(ACK, seq=1, ack=1, data=b"ab")
    peer.send(ACK, seq=3, ack=1, data=b"cd")
    peer.expect(ACK, seq=1, ack=1, options="sack 3:5")
    peer.send_together(first)
    peer.expect(ACK, seq=1, ack=5)
    assert server.receive() == b"abcd"


def test_segments_sent_together_pass_in_order_and_close_to_each_other(conversation: Connection) -> None:
    _, peer = conversation
    peer.allow(ACK)
    made = [peer.make(ACK, seq=1 + number, ack=1, data=b"x") for number in range(20)]
    peer.send_together(*made)
    peer.expect(ACK, ack=21)
    sent = [event for event in peer._dispatcher.timeline if isinstance(event, Sent)][-20:]
    assert [event.segment.seq for event in sent] == list(range(1, 21))
    gaps = sorted(after.at - before.at for before, after in itertools.pairwise(sent))
    assert gaps[len(gaps) // 2] < MS


def test_segment_with_a_wrong_checksum_is_not_answered(conversation: Connection) -> None:
    _, peer = conversation
    peer.send(ACK, seq=1, ack=1, data=b"lost", checksum=WRONG_CHECKSUM)
    peer.expect_silence()


def test_raw_options_reach_the_kernel(opened: Session) -> None:
    listener, peer = opened.listen(), opened.new_peer()
    peer.send(SYN, raw_options=bytes.fromhex("020402bc"))  # an MSS of 700
    peer.expect(SYN, seq=0, ack=1, without="TS,sackOK")
    peer.send(ACK, seq=1, ack=1)
    listener.accept().send(bytes(1000))
    peer.expect(ACK, seq=1, ack=1, length=700)


def test_timestamps_are_echoed_by_themselves(conversation: Connection) -> None:
    server, peer = conversation
    server.send(b"x")
    got = peer.expect(ACK, data=b"x").option("TS")
    sent = peer.send(ACK, seq=1, ack=2).option("TS")
    assert got is not None
    assert sent is not None
    assert sent.values[1] == got.values[0]
    assert sent.values[0] >= got.values[1]


def test_segment_carries_the_options_it_is_given_instead(conversation: Connection) -> None:
    _, peer = conversation
    assert peer.make(ACK, seq=1, ack=1, options="nop,wscale 3").options == parse_options("nop,wscale 3")
    assert peer.make(ACK, seq=1, ack=1, options="").options == ()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"seq": 2**32}, "seq=4294967296 does not fit"),
        ({"ack": -(2**31) - 1}, "ack=-2147483649 does not fit"),
        ({"window": 65536}, "window=65536 does not fit"),
        ({"seq": "1"}, "seq='1' does not fit"),
        ({"data": "hi"}, "data='hi' is no payload"),
        ({"options": "tsopt 3"}, "there is no TCP option named 'tsopt'"),
        ({"options": "TS"}, "the option TS has no value to send"),
    ],
)
def test_what_cannot_be_sent_is_told_where_it_is_made(
    conversation: Connection, given: dict[str, object], says: str
) -> None:
    with pytest.raises(FinwaitError) as raised:
        conversation.peer.make(ACK, **given)  # type: ignore[arg-type]
    assert str(raised.value).startswith(says)


def test_initial_sequence_number_outside_its_field_is_told(opened: Session) -> None:
    with pytest.raises(FinwaitError, match="isn=-2147483649 does not fit"):
        opened.new_peer(isn=-(2**31) - 1)


@pytest.mark.parametrize("version", [4, 6])
def test_signed_syn_is_answered_with_a_signed_one_and_a_wrongly_signed_syn_is_not(
    profile: TimingProfile, version: int
) -> None:
    with Session(profile, version=version) as opened:
        listener = opened.listen()
        peer = opened.new_peer(listener.port)
        key = Md5Key(b"key")
        if errno_of(lambda: listener.set_option("TCP_MD5SIG", peer.key_option(key))) == "ENOPROTOOPT":
            pytest.skip("this kernel has no TCP-MD5")
        peer.keys = (Md5Key(b"other"),)
        peer.send(SYN)
        peer.expect_at_once(silence="dropped")
        peer.keys = (key,)
        peer.send(SYN)
        peer.expect(SYN, seq=0, ack=1, options="opt 19")
