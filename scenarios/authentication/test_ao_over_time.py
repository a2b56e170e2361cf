"""TCP-AO over the life of a connection: its last segments, its resets, numbers that go round, and ICMP errors."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from harness import (
    ACK,
    FIN,
    RST,
    RTO_INIT,
    SYN,
    AoKey,
    Connection,
    Endpoint,
    Peer,
    Session,
    both_families,
    close,
    errno_of,
    expect_flight,
    requirement,
    waits,
)

Sharing = Callable[..., None]

KEY = AoKey(b"secret", 7, 8)
WRONG = AoKey(b"secreT", 7, 8)
INFO = struct.Struct("=IHBB5Q")  # struct tcp_ao_info_opt of include/uapi/linux/tcp.h
SET_CURRENT, SET_RNEXT, REQUIRED, SET_COUNTERS, ACCEPT_ICMPS = (1 << bit for bit in range(5))
JUST_BEFORE_THE_END = 2**32 - 5

bad = pytest.mark.parametrize("keys", [(), (WRONG,)], ids=["unsigned", "wrong-key"])


@pytest.fixture
def key() -> AoKey:
    """What the fixtures share."""
    return KEY


def tell(socket: Endpoint, flags: int, current: int = 0, rnext: int = 0) -> None:
    """Set what TCP_AO_INFO sets."""
    socket.set_option("TCP_AO_INFO", INFO.pack(flags, 0, current, rnext, 0, 0, 0, 0, 0))


# -- sizes and numbers


@requirement("RFC5925-7.6")
@both_families
def test_option_takes_its_room_from_the_data(session: Session, listener: Endpoint, signing: Peer) -> None:
    """16 octets of a segment of 1000."""
    server, peer = session.establish(listener, signing, options="mss 1000")
    server.send(bytes(3 * 984))
    end = expect_flight(peer, 3, seq=1, ack=1, size=984)
    peer.send(ACK, seq=1, ack=end)


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


@requirement("RFC5925-7.4")
@waits(2 * RTO_INIT)
def test_what_is_sent_again_is_signed_again(session: Session, listener: Endpoint, signing: Peer) -> None:
    server, peer = session.establish(listener, signing, options="mss 1460,TS val 1 ecr 0")
    server.send(b"answer")
    sent = peer.expect(ACK, seq=1, ack=1, data=b"answer")
    again = peer.expect(ACK, seq=1, ack=1, data=b"answer", within=2 * RTO_INIT)
    assert again.option("opt 29") != sent.option("opt 29")  # the timestamps differ


@requirement("RFC5925-7.5", "RFC5961-4.2-1")
@both_families
def test_signed_syn_is_challenged(established: Connection) -> None:
    _, peer = established
    peer.send(SYN, seq=1, options="mss 1460")
    peer.expect(ACK, seq=1, ack=1)


# -- the end


@requirement("RFC5925-7.2", "RFC5925-7.4")
@both_families
def test_connection_is_signed_to_its_last_segment(established: Connection) -> None:
    server, peer = established
    close(server)
    peer.expect(FIN, seq=1, ack=1)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)


@requirement("RFC5925-7.2", "RFC5925-7.5")
@both_families
@bad
def test_time_wait_does_not_answer_another(established: Connection, keys: tuple[AoKey, ...]) -> None:
    server, peer = established
    close(server)
    peer.expect(FIN, seq=1, ack=1)
    peer.send(FIN, seq=1, ack=2)
    peer.expect(ACK, seq=2, ack=2)
    peer.keys = keys
    peer.send(FIN, seq=1, ack=2)
    peer.expect_at_once(silence="dropped")


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
def test_reset_of_a_wrong_syn_and_ack_is_signed(session: Session, share: Sharing) -> None:
    client = session.socket()
    peer = session.new_peer(client.port)
    share(client, peer, KEY)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0)
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


# -- ICMP


def refuse(server: Endpoint, peer: Peer) -> str:
    """Have an ICMP error say that nobody listens, which an established connection reports where it is asked to."""
    server.set_option("IP_RECVERR" if ":" not in peer.address[0] else "IPV6_RECVERR", 1)
    server.send(b"answer")
    peer.send_icmp("port unreachable", peer.expect(ACK, seq=1, ack=1, data=b"answer"))
    peer.send(ACK, seq=1, ack=7)
    return errno_of(server.raise_error)


@requirement("RFC5925-7.8")
@both_families
def test_hard_icmp_error_is_ignored(established: Connection) -> None:
    server, peer = established
    assert refuse(server, peer) == ""
    *_, ignored = INFO.unpack(server.option_bytes("TCP_AO_INFO", INFO.size, given=bytes(INFO.size)))
    assert ignored == 1


@requirement("RFC5925-7.8")
@both_families
def test_hard_icmp_error_is_taken_where_the_application_allows_it(established: Connection) -> None:
    server, peer = established
    tell(server, ACCEPT_ICMPS)
    assert refuse(server, peer) == "ECONNREFUSED"
