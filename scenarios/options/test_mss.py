"""The maximum segment size (RFC 9293 3.7.1): what is announced, what is assumed without, and what is kept to."""

from __future__ import annotations

import pytest

from harness import ACK, FIN, SYN, Between, Connection, Endpoint, Session, both_families, requirement, shutdown_wr

ANNOUNCED = {4: 1460, 6: 1440}  # an MTU of 1500 less the fixed headers (RFC 6691 2)
ASSUMED = {4: 536, 6: 1220}  # RFC 9293 3.7.1, MUST-15
MUCH = bytes(5000)


def open_with(session: Session, listener: Endpoint, options: str) -> Connection:
    """A connection of a peer that offers exactly these options."""
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=options)
    peer.expect(SYN, seq=0, ack=1)
    peer.timestamps = "TS" in options
    peer.send(ACK, seq=1, ack=1)
    return Connection(listener.accept(), peer)


def expect_full(connection: Connection, size: int) -> None:
    """Much data goes out in segments of that size."""
    server, peer = connection
    server.send(MUCH)
    peer.expect(ACK, seq=1, ack=1, length=size)
    peer.expect(ACK, seq=1 + size, ack=1, length=size)
    peer.allow(ACK, seq=Between(1 + 2 * size, len(MUCH)), ack=1, length=Between(1, size))


@requirement("RFC9293-MUST-14", "RFC9293-MUST-67", "RFC9293-SHLD-5", "RFC6691-2-1", "RFC6691-2-2")
@both_families
def test_size_in_the_answer_to_a_syn_is_the_mtu_less_fixed_headers(
    session: Session, listener: Endpoint, ip_version: int
) -> None:
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=session.syn_options)
    peer.expect(SYN, seq=0, ack=1, options=f"mss {ANNOUNCED[ip_version]}")


@requirement("RFC9293-MUST-14", "RFC9293-MUST-67", "RFC9293-SHLD-5", "RFC9293-MAY-3", "RFC6691-2-1")
@both_families
def test_size_in_a_syn_is_the_mtu_less_fixed_headers(session: Session, ip_version: int) -> None:
    client = session.socket()
    peer = session.new_peer(client.port)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0, options=f"mss {ANNOUNCED[ip_version]}")


@requirement("RFC9293-MUST-15", "RFC6691-A-1", "RFC9293-SHLD-28")
@both_families
def test_without_the_option_the_default_size_is_assumed(session: Session, listener: Endpoint, ip_version: int) -> None:
    expect_full(open_with(session, listener, "nop"), ASSUMED[ip_version])


@requirement("RFC9293-MUST-16", "RFC9293-MUST-14", "RFC9293-SHLD-28")
@both_families
@pytest.mark.parametrize("mss", [88, 600, 1000])
def test_size_of_the_peer_is_kept_to(session: Session, listener: Endpoint, mss: int) -> None:
    expect_full(open_with(session, listener, f"mss {mss}"), mss)


@requirement("RFC9293-MUST-16", "RFC6691-2-3")
@both_families
def test_options_take_their_room_from_the_data(session: Session, listener: Endpoint) -> None:
    mss, with_timestamps = 600, 588
    expect_full(open_with(session, listener, f"mss {mss},TS val 1 ecr 0"), with_timestamps)


@requirement("RFC9293-MUST-16")
@both_families
@pytest.mark.parametrize("mss", [9000, 65535])
def test_size_above_the_mtu_is_cut_to_it(session: Session, listener: Endpoint, ip_version: int, mss: int) -> None:
    expect_full(open_with(session, listener, f"mss {mss}"), ANNOUNCED[ip_version])


@requirement("RFC9293-MUST-65", "RFC2018-2-1")
@both_families
def test_options_of_a_syn_stand_in_no_other_segment(established: Connection) -> None:
    server, peer = established
    peer.send(ACK, seq=1, ack=1, data=b"question")
    peer.expect(ACK, seq=1, ack=9, without="mss,wscale,sackOK")
    server.send(b"answer")
    peer.expect(ACK, seq=1, ack=9, data=b"answer", without="mss,wscale,sackOK")
    peer.send(ACK, seq=9, ack=7)
    shutdown_wr(server)
    peer.expect(FIN, seq=7, ack=9, without="mss,wscale,sackOK")


def connect_with(session: Session, own: int, peers: int) -> Connection:
    """The kernel connects after TCP_MAXSEG (tcp(7)), and announces that; the peer announces another size."""
    client = session.socket()
    client.set_option("TCP_MAXSEG", own)
    peer = session.new_peer(client.port)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0, options=f"mss {own}")
    peer.send(SYN, seq=0, ack=1, options=f"mss {peers}")
    peer.expect(ACK, seq=1, ack=1)
    return Connection(client, peer)


@requirement("RFC9293-MUST-14", "RFC9293-MUST-16")
@both_families
def test_size_that_the_application_sets_is_announced_and_kept_to(session: Session) -> None:
    """Though the peer would take more."""
    expect_full(connect_with(session, 600, 1460), 600)


@requirement("RFC9293-MUST-14", "RFC9293-MUST-16")
@both_families
def test_size_that_the_application_sets_does_not_raise_the_peers(session: Session) -> None:
    expect_full(connect_with(session, 1000, 600), 600)
