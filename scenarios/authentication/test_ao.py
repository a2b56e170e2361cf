"""TCP-AO (RFC 5925) beside what it shares with TCP-MD5: its room, its numbers that go round, and its resets."""

from __future__ import annotations

import struct
from collections.abc import Callable

from harness import (
    ACK,
    FIN,
    RST,
    SYN,
    AoKey,
    Connection,
    Endpoint,
    Peer,
    Session,
    both_families,
    close,
    errno_of,
    requirement,
)

Sharing = Callable[..., None]

KEY = AoKey(b"secret", 7, 8)
JUST_BEFORE_THE_END = 2**32 - 5


@requirement("RFC5925-7.3", "RFC9293-MUST-10")
@both_families
def test_syns_that_cross_are_signed(calling: Connection) -> None:
    client, peer = calling
    peer.send(SYN, seq=0, options="mss 1460")
    peer.expect(SYN, seq=0, ack=1)
    peer.allow(ACK, seq=1, ack=1)  # by RFC 9293 3.10.7.4 the number of what follows is old
    peer.send(SYN, seq=0, ack=1, options="mss 1460")
    client.wait_connected()
    client.send(b"request")
    peer.expect(ACK, seq=1, ack=1, data=b"request")
    peer.send(ACK, seq=1, ack=8)


@requirement("RFC5925-3.1")
def test_code_that_leaves_the_options_out_is_not_taken_for_one_over_them(signing: Peer) -> None:
    signing.keys = (AoKey(b"secret", 7, 8, covers_options=False),)
    signing.send(SYN, seq=0, options="mss 1460")
    signing.expect_at_once(silence="dropped")
    signing.keys = (KEY,)
    signing.send(SYN, seq=0, options="mss 1460")
    signing.expect(SYN, seq=0, ack=1)


@requirement("RFC5925-7.6")
@both_families
def test_timestamps_and_a_block_of_sack_fit_beside_the_option(session: Session, share: Sharing) -> None:
    client = session.socket()
    peer = session.new_peer(client.port)
    share(client, peer, KEY)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0, options="mss,sackOK,TS,wscale")
    peer.send(SYN, seq=0, ack=1, options=session.syn_options)
    peer.timestamps = True
    peer.expect(ACK, seq=1, ack=1, options="TS")
    peer.send(ACK, seq=3, ack=1, data=b"cd")
    peer.expect(ACK, seq=1, ack=1, options="TS,sack 3:5")
    peer.send(ACK, seq=1, ack=1, data=b"ab")
    peer.expect(ACK, seq=1, ack=5, options="TS", without="sack")


@requirement("RFC5925-6.2")
@both_families
def test_numbers_that_go_round_are_signed_with_their_extension(
    session: Session, listener: Endpoint, share: Sharing
) -> None:
    peer = session.new_peer(listener.port, isn=JUST_BEFORE_THE_END)
    share(listener, peer, KEY)
    server, peer = session.establish(listener, peer)
    for number, data in enumerate((b"be", b"fore", b"behind"), 1):
        at = (1, 3, 7)[number - 1]
        peer.send(ACK, seq=at, ack=1, data=data)
        peer.expect(ACK, seq=1, ack=at + len(data))
    assert server.receive() == b"beforebehind"
    peer.send(ACK, seq=1, ack=1, data=b"be")  # from before the end of the circle
    peer.expect(ACK, seq=1, ack=13)


@requirement("RFC5925-7.5", "RFC5961-4.2-1")
@both_families
def test_signed_syn_is_challenged(established: Connection) -> None:
    _, peer = established
    peer.send(SYN, seq=1, options="mss 1460")
    peer.expect(ACK, seq=1, ack=1)


@requirement("RFC5925-7.4")
@both_families
def test_abort_is_signed(established: Connection) -> None:
    server, peer = established
    server.linger(0)
    close(server)
    peer.expect(RST, seq=1, ack=1)


@requirement("RFC5925-7.4")
@both_families
def test_reset_of_data_for_an_orphan_is_signed(established: Connection) -> None:
    server, peer = established
    close(server)
    peer.expect(FIN, seq=1, ack=1)
    peer.send(ACK, seq=1, ack=2)
    peer.send(ACK, seq=1, ack=2, data=b"late")
    peer.expect(RST, seq=2)


@requirement("RFC5925-7.4", "RFC9293-3.10.7.4")
@both_families
def test_reset_of_a_wrong_ack_in_a_handshake_is_signed(signing: Peer) -> None:
    signing.send(SYN, seq=0, options="mss 1460")
    signing.expect(SYN, seq=0, ack=1)
    signing.send(ACK, seq=1, ack=100)
    signing.expect(RST, seq=100)


@requirement("RFC5925-7.4", "RFC9293-3.10.7.3")
@both_families
def test_reset_of_a_wrong_syn_and_ack_is_signed(calling: Connection) -> None:
    _, peer = calling
    peer.send(SYN, seq=0, ack=100, options="mss 1460")
    peer.expect(RST, seq=100)


@requirement("RFC5925-7.7")
@both_families
def test_segment_of_no_connection_draws_no_reset(session: Session, listener: Endpoint, share: Sharing) -> None:
    """RFC 5925 7.7: without the initial numbers there is no traffic key to sign one with."""
    peer = session.new_peer(listener.port + 1)
    share(listener, peer, KEY)
    peer.send(ACK, seq=1, ack=1)
    peer.expect_at_once(silence="dropped")
    peer.keys = ()
    peer.send(ACK, seq=1, ack=1)
    peer.expect(RST, seq=1)


@requirement("RFC5925-6.2")
@both_families
def test_initial_numbers_can_be_told_and_set_while_a_connection_is_repaired(established: Connection) -> None:
    server, peer = established
    assert errno_of(lambda: server.option_bytes("TCP_AO_REPAIR", 16, given=bytes(16))) == "EPERM"
    server.set_option("TCP_REPAIR", 1)
    told = server.option_bytes("TCP_AO_REPAIR", 16, given=bytes(16))
    assert struct.unpack("!II", told[:8]) == (peer.kernel_isn, peer.isn)
    server.set_option("TCP_AO_REPAIR", bytes(16))
    server.set_option("TCP_AO_REPAIR", told)
    server.set_option("TCP_REPAIR", -1)  # without a probe
    peer.send(ACK, seq=1, ack=1, data=b"request")
    peer.expect(ACK, seq=1, ack=8)
