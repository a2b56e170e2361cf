"""A scenario's lab from end to end: handshakes, the drain, and what a failure says."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.live.endings import shutdown_wr
from harness.live.session import Connection, Session
from harness.tcp.mutation import Mutation
from harness.tcp.pattern import ANY, Pattern
from harness.tcp.segment import ACK, FIN, SYN
from harness.tcp.timing import PROMPT, TimingProfile
from harness.tcp.verdict import Due, Evidence, Mismatch
from harness.trace.events import Called, Probed, Received, Sent

DATA = Path(__file__).parents[1] / "data"


@pytest.mark.parametrize("timestamps", [True, False], ids=["TS", "noTS"])
def test_both_ways_to_connect_leave_two_ends_that_can_talk(
    profile: TimingProfile, version: int, timestamps: bool
) -> None:
    with Session(profile, version=version, timestamps=timestamps) as session:
        for kernel, peer in (session.establish(session.listen()), session.connect()):
            kernel.send(b"from the kernel")
            seen = peer.expect(ACK, seq=1, ack=1, data=b"from the kernel")
            assert (seen.option("TS") is not None) is timestamps
            sent = peer.send(ACK, seq=1, ack=16, data=b"from the peer")
            assert (sent.option("TS") is not None) is timestamps
            peer.expect(ACK, seq=16, ack=14)
            assert kernel.receive() == b"from the peer"
        session.finish()


def test_nothing_left_is_nothing_to_say(conversation: Connection, opened: Session) -> None:
    assert conversation
    opened.finish()


def test_segment_that_nobody_mentioned_fails_the_scenario(conversation: Connection, opened: Session) -> None:
    conversation.endpoint.send(b"unasked")
    with pytest.raises(Mismatch) as raised:
        opened.finish()
    (due,) = raised.value.evidence.expected
    assert (due.what, due.name) == ("> nothing more", "")
    assert raised.value.evidence.observed.startswith("> P. 1:8(7) ack 1 ")


def test_drain_takes_what_the_kernel_has_sent_up_to_now_without_a_fixed_wait(
    conversation: Connection, opened: Session
) -> None:
    server, peer = conversation
    peer.send_together(*[peer.make(ACK, seq=1 + place, ack=1, data=b"x") for place in range(50)])
    with pytest.raises(Mismatch) as raised:
        opened.finish()
    assert "ack 51 " in raised.value.evidence.observed
    assert server.receive() == b"x" * 50


def test_drain_is_quick(conversation: Connection, opened: Session) -> None:
    assert conversation
    took = []
    for _ in range(11):
        began = time.monotonic_ns()
        opened.finish()
        took.append(time.monotonic_ns() - began)
    assert sorted(took)[5] < 20_000_000


def test_segment_that_is_allowed_may_be_left(conversation: Connection, opened: Session) -> None:
    server, peer = conversation
    peer.allow(ACK, length=ANY)
    server.send(b"unasked")
    opened.finish()


def test_segment_of_no_connection_fails_the_scenario(conversation: Connection, opened: Session) -> None:
    assert conversation
    client = opened.socket()
    client.connect((opened.lab.plan.peer.ipv4, 5), wait=False)
    with pytest.raises(Mismatch, match=r"> S 0*\d+:"):
        opened.finish()


def test_events_of_two_connections_are_told_apart(opened: Session) -> None:
    listener = opened.listen()
    opened.establish(listener)
    second = opened.establish(listener)
    second.endpoint.send(b"x")
    second.peer.expect(ACK, data=b"x")
    segments = [event for event in opened.timeline if isinstance(event, Sent | Received)]
    assert {event.connection for event in segments if event.segment.data} == {2}
    assert {event.connection for event in segments} == {1, 2}


def test_connections_of_one_lab_have_ports_of_their_own(opened: Session) -> None:
    first, second = opened.new_peer(), opened.new_peer()
    assert first.flow != second.flow


def test_peers_port_in_use_is_told(opened: Session) -> None:
    opened.new_peer(port=1234)
    with pytest.raises(FinwaitError) as raised:
        opened.new_peer(port=1234)
    assert str(raised.value) == (
        "port 1234 of the peer is in use; a connection to port 8080 was made from it; "
        "try: another port, or none for the next free one"
    )


def test_next_free_port_is_free(opened: Session) -> None:
    taken = opened.new_peer(port=opened.lab.plan.first_port + 1)
    assert opened.new_peer().flow.peer_port != taken.flow.peer_port


@pytest.mark.parametrize("port", [-1, 65536])
def test_peers_port_that_does_not_fit_is_told(opened: Session, port: int) -> None:
    with pytest.raises(FinwaitError, match=f"port={port} does not fit"):
        opened.new_peer(port=port)


def test_failure_says_what_was_expected_seen_known_and_done(opened: Session) -> None:
    server, peer = opened.establish(opened.listen())
    shutdown_wr(server)
    peer.expect(FIN, seq=1, ack=1)
    peer.send(ACK, seq=1, ack=2)
    opened.dispatcher.mutation = Mutation("ack", opened.dispatcher.answers + 1)
    peer.send(FIN, seq=1, ack=2)
    with pytest.raises(Mismatch) as raised:
        peer.expect(ACK, seq=2, ack=2)
    opened.explain(raised.value)

    text = str(raised.value)
    for pattern, stands_for in (
        (r"\+\d+(\.\d)? ms", "+T"),
        (r"   back at \+T", ""),  # a call that had to wait for the processor
        (r"win \d+", "win W"),
        (r"val \d+ ecr \d+", "val V ecr E"),
        (r"port \d+", "port P"),
        (r"198\.(18|19)\.\d+\.\d+", "ADDRESS"),
        (r"^(so far   | {9}) +\+T", r"\1 +T"),
        # which counters there are is the kernel's affair
        (r"\n +[A-Z]\w+ \+1(; \w+ \+\d+)*\n", "\n          COUNTERS\n"),
    ):
        text = re.sub(pattern, stands_for, text, flags=re.MULTILINE)
    assert text == (DATA / "failure.txt").read_text().rstrip("\n")


def test_missing_segment_says_which_and_how_long_it_was_waited_for(profile: TimingProfile) -> None:
    with Session(TimingProfile(slack_ns=20_000_000, patience_ns=0)) as session:
        _, peer = session.establish(session.listen())
        with pytest.raises(Mismatch) as raised:
            peer.expect_one_of(fin=Pattern(FIN, seq=1), reset=Pattern(SYN))
        assert profile
    assert raised.value.evidence.expected == (Due("> F 1:1(0)", "fin"), Due("> S *(0)", "reset"))
    assert raised.value.evidence.within == PROMPT
    assert raised.value.evidence.observed == "nothing in 60 ms"


def test_time_is_split_by_part(conversation: Connection, opened: Session) -> None:
    assert conversation
    assert set(opened.stopwatch.spent) >= {"lab", "craft", "kernel", "match"}
    assert all(spent > 0 for spent in opened.stopwatch.spent.values())


def test_state_of_the_socket_stands_on_the_timeline(conversation: Connection, opened: Session) -> None:
    if "sock_diag" in opened.observer.missing:
        pytest.skip(opened.observer.missing["sock_diag"])
    server, peer = conversation
    shutdown_wr(server)
    peer.expect(FIN, ack=1)
    peer.send(ACK, seq=1, ack=2)
    states = [event.state for event in opened.timeline if isinstance(event, Probed) and event.source == "sock_diag"]
    assert states[-3:] == ["ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2"]


def test_nothing_outlives_the_session(profile: TimingProfile) -> None:
    with Session(profile) as session:
        server, peer = session.establish(session.listen())
        server.close()
        peer.expect(FIN, ack=1)
        kernel = session.lab.kernel.descriptor
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(kernel)


def test_a_peer_and_the_kernel_have_addresses_and_ports(opened: Session) -> None:
    client = opened.socket()
    peer = opened.new_peer(client.port, port=7777)
    assert peer.kernel_isn is None
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0)
    assert client.socket.getsockname() == (opened.kernel_address, client.port)
    assert (peer.port, peer.address) == (7777, (opened.peer_address, 7777))
    assert peer.kernel_isn is not None
    assert [(one.state, one.remote) for one in opened.sockets()] == [("SYN-SENT", peer.address)]
    assert [event.segment.flags for event in opened.events(Received)] == [SYN]


def test_accept_stands_at_the_connection_that_it_takes(opened: Session) -> None:
    listener = opened.listen()
    for _ in range(2):
        peer = opened.new_peer()
        peer.send(SYN, seq=0)
        peer.expect(SYN, seq=0, ack=1)
        peer.send(ACK, seq=1, ack=1)
    accepted = [listener.accept(), listener.accept()]
    assert [endpoint.connection for endpoint in accepted] == [1, 2]
    assert [event.connection for event in opened.events(Called) if event.name == "accept"] == [1, 2]


def test_calls_of_a_socket_stand_at_the_connection_that_it_has(opened: Session) -> None:
    opened.establish(opened.listen())
    first, second, third = opened.socket(), opened.socket(), opened.unbound_socket()
    third.set_option("TCP_NODELAY", 3)
    second.set_option("TCP_NODELAY", 2)
    peers = [opened.new_peer(client.port) for client in (first, second)]
    for client, peer in zip((first, second, third), (*peers, opened.new_peer()), strict=True):
        client.connect(peer, wait=False)
        client.error()
    called = [(event.name, event.connection) for event in opened.timeline if isinstance(event, Called)][2:]
    assert called == [
        ("socket", 2),
        ("setsockopt", 2),
        ("setsockopt", 3),
        *[(name, number) for number in (2, 3, 4) for name in ("connect", "getsockopt")],
    ]


def test_failure_says_what_a_time_counts_from(opened: Session) -> None:
    _, peer = opened.establish(opened.listen())
    peer.send(ACK, seq=1, ack=1, data=b"x")
    with pytest.raises(Mismatch) as raised:
        peer.expect_silence()
    opened.explain(raised.value)
    assert re.search(r"\nsince     \+[\d.]+ ms  < \. 1:2\(1\) ack 1 ", str(raised.value))


def test_failure_tells_what_passed_the_capture_though_nobody_waited_for_it(
    conversation: Connection, opened: Session
) -> None:
    server, peer = conversation
    peer.send(ACK, seq=1, ack=1, data=b"abc")
    assert server.receive() == b"abc"
    failure = Mismatch(Evidence(expected=(), observed="an assert"))
    opened.explain(failure)
    assert any("  < . 1:4(3) ack 1 " in line for line in failure.evidence.so_far)
