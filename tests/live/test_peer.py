"""The peer against a real kernel: what it expects, what it lets pass, and what a failure says."""

from __future__ import annotations

import re
import socket
import time

import pytest

from harness.errors import FinwaitError
from harness.live.endings import shutdown_wr
from harness.live.session import Connection, Session
from harness.tcp.mutation import Mutation
from harness.tcp.pattern import ANY, Between, Pattern
from harness.tcp.segment import ACK, FIN, SYN
from harness.tcp.timing import MS, PROMPT, Span, TimingProfile, span_of
from harness.tcp.verdict import Mismatch
from harness.trace.events import Called, Received, Sent

SHORT = Span(5 * MS, "SHORT")
IMPATIENT = TimingProfile(slack_ns=20 * MS, patience_ns=0)


def fields(mismatch: Mismatch) -> list[str]:
    return [difference.field for difference in mismatch.evidence.differences]


def test_stamps_are_in_the_order_of_what_happened(conversation: Connection) -> None:
    server, peer = conversation
    peer.send(ACK, seq=1, ack=1, data=b"abc")
    peer.expect(ACK, ack=4)
    server.send(b"x")
    peer.expect(ACK, data=b"x")
    events = [event for event in peer._dispatcher.timeline if isinstance(event, Sent | Received)][-3:]
    assert [type(event) for event in events] == [Sent, Received, Received]
    stamps = [event.at for event in events]
    assert stamps == sorted(set(stamps))
    (call,) = [event for event in peer._dispatcher.timeline if isinstance(event, Called) and event.name == "send"]
    # the segment left while the call ran
    assert call.at < stamps[2] < call.end
    assert stamps[1] < call.at
    assert time.time_ns() - stamps[2] < 60_000 * MS


def test_window_by_range_and_options_by_name(conversation: Connection) -> None:
    server, peer = conversation
    server.send(b"x")
    peer.expect(ACK, length=ANY, window=Between(1, 65535), options="nop,TS", without="sack,mss")


@pytest.mark.parametrize(
    ("flags", "expected", "field"),
    [
        (FIN, {"ack": 1}, "flags"),
        (ACK, {"seq": 2}, "seq"),
        (ACK, {"ack": 2}, "ack"),
        (ACK, {"window": 1}, "window"),
        (ACK, {"length": 2}, "length"),
        (ACK, {"data": b"y"}, "data"),
        (ACK, {"length": 1, "options": "mss"}, "options"),
        (ACK, {"length": 1, "without": "TS"}, "options"),
    ],
)
def test_any_field_that_is_not_as_expected_is_named(
    conversation: Connection, flags: int, expected: dict[str, object], field: str
) -> None:
    server, peer = conversation
    server.send(b"x")
    given = {"length": 1, **expected} if "data" not in expected else expected
    with pytest.raises(Mismatch) as raised:
        peer.expect(flags, **given)  # type: ignore[arg-type]
    assert fields(raised.value) == [field]


def test_reply_says_which_alternative_it_was_and_when(conversation: Connection) -> None:
    server, peer = conversation
    shutdown_wr(server)
    peer.expect(FIN, seq=1, ack=1)
    peer.send(ACK, seq=2, ack=2)
    peer.send(FIN, seq=1, ack=2)
    reply = peer.expect_one_of(taken=Pattern(ACK, seq=2, ack=2), refused=Pattern(ACK, seq=2, ack=1))
    assert reply.is_("taken")
    assert not reply.is_("refused")
    reply.require("taken")
    assert 0 < reply.elapsed_ns < PROMPT.ns
    with pytest.raises(Mismatch) as raised:
        reply.require("refused")
    assert fields(raised.value) == ["ack"]
    assert re.fullmatch(
        r"expected  > \. 2:2\(0\) ack 1   within 40 ms \(PROMPT\)\n"
        r"observed  > \. 2:2\(0\) ack 2 win \d+ <nop,nop,TS val \d+ ecr \d+>   at \+[\d.]+ ms   \(taken\)"
        r"   \(ack: 2, not 1\)",
        str(raised.value),
    )


def test_answer_that_comes_before_its_bound_is_early(conversation: Connection) -> None:
    server, peer = conversation
    server.send(b"x")
    with pytest.raises(Mismatch) as raised:
        peer.expect(ACK, length=1, within=None, at_least=0.03)  # before any timer that the lab holds
    assert fields(raised.value) == ["time"]
    assert raised.value.evidence.at_least == span_of(0.03, "at_least")


# -- the numbers of the answers, by which a mutation is placed


def test_number_of_the_last_answer_judged_counts_over_all_connections(opened: Session) -> None:
    listener = opened.listen()
    first, second = opened.establish(listener), opened.establish(listener)
    first.endpoint.send(b"x")
    first.peer.expect(ACK, data=b"x")
    assert (first.peer.inbox.judged, second.peer.inbox.judged) == (3, 2)


@pytest.mark.parametrize("connection", [0, 1])
def test_lie_is_told_by_number_whatever_the_connection(opened: Session, connection: int) -> None:
    listener = opened.listen()
    both = opened.establish(listener), opened.establish(listener)
    opened.dispatcher.mutation = Mutation("drop", 3)
    both[connection].endpoint.send(b"x")
    began = time.monotonic_ns()
    with pytest.raises(Mismatch, match="nothing in"):
        both[connection].peer.expect(ACK, data=b"x")
    assert opened.dispatcher.mutated
    # nothing is gained by being patient with what was thrown away
    assert time.monotonic_ns() - began < opened.profile.patience_ns


# -- what an answer is counted from


def test_call_on_another_connection_is_no_cause(opened: Session) -> None:
    listener = opened.listen()
    first, second = opened.establish(listener), opened.establish(listener)
    first.endpoint.send(b"x")
    calls = [event for event in opened.timeline if isinstance(event, Called)]
    second.endpoint.send(b"y")  # after the answer that is judged first was sent, and before it is judged
    second.endpoint.close()
    first.peer.expect(ACK, data=b"x")
    came = next(event for event in opened.timeline if isinstance(event, Received) and event.segment.data == b"x")
    assert first.peer.last_elapsed == max(0, came.at - calls[-1].end)


def test_call_that_gives_a_socket_its_port_is_known_by_it(opened: Session) -> None:
    client = opened.unbound_socket()
    client.connect((opened.lab.plan.peer.ipv4, 9000), wait=False)
    *_, call = (event for event in opened.timeline if isinstance(event, Called))
    assert call.ports[0] == client.port


def test_capture_that_overflowed_is_no_missing_segment(opened: Session, conversation: Connection) -> None:
    server, peer = conversation
    opened.wire._capture.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    for _ in range(50):
        peer._dispatcher.wire.send([peer._dispatcher.marker.request])
    server.send(b"x")
    with pytest.raises(FinwaitError, match=r"the capture overflowed: \d+ frames were lost"):
        peer.expect(ACK, data=b"x")


def test_timestamps_go_on_from_what_the_syn_carried(opened: Session) -> None:
    high = 2_000_000_000
    server, peer = opened.establish(opened.listen(), options=f"mss 1460,sackOK,TS val {high} ecr 0,nop,wscale 7")
    sent = peer.send(ACK, seq=1, ack=1, data=b"x").option("TS")
    peer.expect(ACK, seq=1, ack=2)
    assert sent is not None
    assert high <= sent.values[0] < high + 10_000
    assert server.receive() == b"x"


def test_timestamps_never_go_back_by_a_later_syn(opened: Session) -> None:
    _, peer = opened.establish(opened.listen(), options="TS val 500000 ecr 0")
    peer.send(SYN, seq=400, options=opened.syn_options)
    peer.expect(ACK, seq=1, ack=1)
    assert peer.timestamp() >= 500_000


def test_peer_keeps_the_fast_open_cookie_that_it_was_given(opened: Session) -> None:
    opened.sysctl("net/ipv4/tcp_fastopen", 3)
    listener = opened.listen()
    listener.set_option("TCP_FASTOPEN", 5)
    peer = opened.new_peer(listener.port)
    assert peer.cookie == ""
    peer.send(SYN, seq=0, options="mss 1460,nop,nop,opt 34")
    answer = peer.expect(SYN, seq=0, ack=1)
    assert [option.raw.hex() for option in answer.options if option.name == "opt 34"] == [peer.cookie]
