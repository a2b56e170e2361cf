"""Segments of somebody who guesses numbers, and of a peer that has forgotten the connection (RFC 5961).

What a single segment does in each state is told in scenarios/states; here it is what follows from it, and where exactly
the edges of the window are. Without window scaling and timestamps the window stands in the segments as it is.
"""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    FIN,
    RST,
    SYN,
    Connection,
    Endpoint,
    Flags,
    Pattern,
    Session,
    both_families,
    errno_of,
    in_shared_lab,
    requirement,
)

pytestmark = in_shared_lab

PLAIN = "mss 1460"
INSIDE = 1000  # of the window, and not at its left edge
HUGE = 2**30  # more than the largest window there is (RFC 7323 2.3)


@pytest.fixture
def right_edge(established: Connection) -> int:
    """Where the window of the connection ``established`` ends: the first number that is beyond it."""
    _, peer = established
    peer.send(ACK, seq=0, ack=1)  # left of the window, so it draws an ACK that tells
    answer = peer.expect(ACK, seq=1, ack=1)
    return answer.ack + answer.window


@pytest.fixture
def established(session: Session, listener: Endpoint) -> Connection:
    """Opened by the peer, without window scaling, SACK and timestamps."""
    return session.establish(listener, options=PLAIN)


def assert_alive(connection: Connection) -> None:
    """Data go both ways still."""
    server, peer = connection
    peer.send(ACK, seq=1, ack=1, data=b"still")
    peer.expect(ACK, seq=1, ack=6)
    assert server.receive() == b"still"
    server.send(b"here")
    peer.expect(ACK, seq=1, ack=6, data=b"here")


# -- RST (RFC 5961 3)


@requirement("RFC5961-3.2-3", "RFC9293-U-5", "RFC9293-U-6")
@both_families
def test_rst_at_the_last_number_of_the_window_is_challenged(established: Connection, right_edge: int) -> None:
    _, peer = established
    peer.send(RST, seq=right_edge - 1)
    peer.expect(ACK, seq=1, ack=1)
    assert_alive(established)


@requirement("RFC5961-3.2-1", "RFC9293-E-20")
@both_families
@pytest.mark.parametrize("beyond", [0, 1, 1000], ids=["at-the-edge", "one-beyond", "far-beyond"])
def test_rst_right_of_the_window_is_dropped(established: Connection, right_edge: int, beyond: int) -> None:
    server, peer = established
    data = peer.make(ACK, seq=1, ack=1, data=b"still")
    peer.send(RST, seq=right_edge + beyond)
    peer.send_together(data)
    reply = peer.expect_one_of(dropped=Pattern(ACK, seq=1, ack=6), challenged=Pattern(ACK, seq=1, ack=1))
    reply.require("dropped")
    assert server.receive() == b"still"


@requirement("RFC5961-3.2-1", "RFC9293-E-20")
@both_families
def test_rst_one_left_of_the_window_is_dropped(established: Connection) -> None:
    _, peer = established
    peer.send(RST, seq=0)
    assert_alive(established)


@requirement("RFC5961-3.2-2", "RFC5961-3.2-3", "RFC9293-U-4", "RFC9293-U-5")
@both_families
def test_peer_that_is_challenged_resets_with_the_right_number(established: Connection) -> None:
    server, peer = established
    peer.send(RST, seq=INSIDE)
    challenge = peer.expect(ACK, seq=1, ack=1)
    peer.send(RST, seq=challenge.ack)  # RFC 5961 3.2: the peer has no connection, so it takes the number from the ACK
    with pytest.raises(ConnectionResetError):
        server.receive()
    peer.send(ACK, seq=1, ack=1)
    peer.expect(RST, seq=1)


@requirement("RFC9293-SHLD-2")
@both_families
def test_rst_that_carries_data_resets(established: Connection) -> None:
    server, peer = established
    peer.send(RST, seq=1, data=b"why it was reset")
    with pytest.raises(ConnectionResetError):
        server.receive()
    peer.send(ACK, seq=1, ack=1)
    peer.expect(RST, seq=1)


@requirement("RFC5961-3.2-3", "RFC9293-U-5", "RFC9293-U-6")
@both_families
def test_rst_behind_a_segment_out_of_order_is_challenged(session: Session, listener: Endpoint) -> None:
    """The number behind the out-of-order data is not the one expected next (RFC 5961 3.2, case 3)."""
    connection = session.establish(listener, options="mss 1460,nop,nop,sackOK")
    server, peer = connection
    peer.send(ACK, seq=11, ack=1, data=b"after the hole")
    peer.expect(ACK, seq=1, ack=1, options="sack 11:25")
    fills = peer.make(ACK, seq=1, ack=1, data=b"fills it. ")
    peer.send(RST, seq=25)
    peer.send_together(fills)
    reply = peer.expect_one_of(challenged=Pattern(ACK, seq=1, ack=1), reset=Pattern(RST, seq=1))
    reply.require("challenged")
    peer.expect(ACK, seq=1, ack=25)
    assert server.receive() == b"fills it. after the hole"


@requirement("RFC5961-3.2-1")
@both_families
def test_rst_with_the_number_of_the_fin_is_dropped_after_the_fin(established: Connection) -> None:
    """The FIN was taken, so its number is left of the window (RFC 5961 3.2, case 1)."""
    server, peer = established
    peer.send(FIN, seq=1, ack=1)
    peer.expect(ACK, seq=1, ack=2)
    peer.send(RST, seq=1)
    peer.send(FIN, seq=1, ack=1)
    reply = peer.expect_one_of(dropped=Pattern(ACK, seq=1, ack=2), reset=Pattern(RST, seq=1))
    reply.require("dropped")
    server.send(b"still here")
    peer.expect(ACK, seq=1, ack=2, data=b"still here")


# -- SYN (RFC 5961 4)


@requirement("RFC5961-4.2-1", "RFC5961-4.2-2", "RFC9293-U-7", "RFC9293-U-8")
@both_families
@pytest.mark.parametrize("seq", [-HUGE, 0, 1, INSIDE, HUGE], ids=["old", "first", "next", "inside", "beyond"])
@pytest.mark.parametrize("flags", [SYN, SYN | ACK, SYN | FIN], ids=["SYN", "SYN-ACK", "SYN-FIN"])
def test_syn_is_challenged_and_dropped(established: Connection, flags: Flags, seq: int) -> None:
    _, peer = established
    peer.send(flags, seq=seq, ack=1 if flags & ACK else None)
    peer.expect(ACK, seq=1, ack=1)
    assert_alive(established)


@requirement("RFC5961-4.2-1", "RFC5961-4.2-3", "RFC9293-U-7")
@both_families
def test_restarted_peer_resets_the_half_open_connection_and_opens_anew(session: Session, listener: Endpoint) -> None:
    server, peer = session.establish(listener)
    peer.send(SYN, seq=INSIDE, options=session.syn_options)
    challenge = peer.expect(ACK, seq=1, ack=1)
    peer.send(RST, seq=challenge.ack, options="")
    with pytest.raises(ConnectionResetError):
        server.receive()

    peer.send(SYN, seq=INSIDE, options=session.syn_options)
    peer.expect(SYN, seq=0, ack=INSIDE + 1)


# -- data (RFC 5961 5)


@requirement("RFC5961-5.2-1", "RFC5961-5.2-3", "RFC9293-U-9", "RFC9293-U-10", "RFC9293-MAY-12")
@both_families
@pytest.mark.parametrize("ack", [2, INSIDE, HUGE], ids=["next", "near", "far"])
def test_data_that_acknowledge_what_was_not_sent_are_not_delivered(established: Connection, ack: int) -> None:
    _, peer = established
    peer.send(ACK, seq=1, ack=ack, data=b"blind")
    peer.expect(ACK, seq=1, ack=1)
    assert_alive(established)


@requirement("RFC5961-5.2-1", "RFC5961-5.2-2", "RFC9293-U-9", "RFC9293-U-10", "RFC9293-MAY-12")
@both_families
def test_data_with_an_ack_just_older_than_the_largest_window_are_not_delivered(established: Connection) -> None:
    """The peer's largest window was 65535, and the oldest unacknowledged number is 1."""
    too_old = -65535
    _, peer = established
    peer.send(ACK, seq=1, ack=too_old, data=b"blind")
    peer.expect(ACK, seq=1, ack=1)
    assert_alive(established)


@requirement("RFC5961-5.2-1", "RFC5961-5.2-2", "RFC9293-U-9", "RFC9293-U-10", "RFC9293-MAY-12")
@both_families
@pytest.mark.parametrize("window", [65535, 65534], ids=["as-before", "another"])
def test_data_in_sequence_with_an_ack_too_old_are_not_delivered(established: Connection, window: int) -> None:
    """The kernel has sent data, and may predict the next header: it does where the window is that of the last ACK."""
    far_too_old = -100_000
    server, peer = established
    server.send(b"reply")
    peer.expect(ACK, seq=1, ack=1, data=b"reply")
    peer.send(ACK, seq=1, ack=6)
    peer.send(ACK, seq=1, ack=far_too_old, data=b"blind", window=window)
    reply = peer.expect_one_of(taken=Pattern(ACK, seq=6, ack=6), challenged=Pattern(ACK, seq=6, ack=1))
    reply.require("challenged")
    with server.without_waiting():
        assert errno_of(server.receive) == "EAGAIN"


@requirement("RFC5961-5.2-1", "RFC9293-U-9")
@both_families
def test_data_with_an_ack_as_old_as_the_largest_window_are_delivered(established: Connection) -> None:
    just_old_enough = -65534
    server, peer = established
    peer.send(ACK, seq=1, ack=just_old_enough, data=b"late")
    reply = peer.expect_one_of(delivered=Pattern(ACK, seq=1, ack=5), challenged=Pattern(ACK, seq=1, ack=1))
    reply.require("delivered")
    assert server.receive() == b"late"


@requirement("RFC5961-5.2-1", "RFC9293-U-9")
@both_families
def test_data_with_an_ack_of_what_was_acknowledged_before_are_delivered(established: Connection) -> None:
    server, peer = established
    server.send(b"acknowledged")
    peer.expect(ACK, seq=1, ack=1, data=b"acknowledged")
    peer.send(ACK, seq=1, ack=13)
    peer.send(ACK, seq=1, ack=1, data=b"late")
    peer.expect(ACK, seq=13, ack=5)
    assert server.receive() == b"late"


@requirement("RFC9293-U-10", "RFC5961-5.2-3")
@both_families
def test_ack_of_what_was_not_sent_is_answered_and_changes_nothing(established: Connection) -> None:
    server, peer = established
    server.set_option("TCP_NODELAY", 1)
    server.send(b"ten bytes.")
    peer.expect(ACK, seq=1, ack=1, data=b"ten bytes.")
    peer.send(ACK, seq=1, ack=12)
    peer.expect(ACK, seq=11, ack=1)
    server.send(b"more")
    peer.expect(ACK, seq=11, ack=1, data=b"more")


@requirement("RFC1337-2.3-1")
@both_families
def test_acks_do_not_go_to_and_fro_for_ever(established: Connection) -> None:
    """A challenge is an ACK: one that comes back with the right numbers must draw none (RFC 1337 2.3)."""
    _, peer = established
    peer.send(ACK, seq=1, ack=INSIDE)
    challenge = peer.expect_one_of(plain=Pattern(ACK, seq=1, ack=1))
    peer.send(ACK, seq=challenge.segment.ack, ack=challenge.segment.seq)
    peer.expect_silence()
    assert_alive(established)
