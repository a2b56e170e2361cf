"""Reports about the size, number and headers of segments: windows, SACK, MSS, routes' metrics, type of service."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    FIN,
    SYN,
    Between,
    Connection,
    Endpoint,
    Received,
    Session,
    both_families,
    report,
    requirement,
    write_segments,
)

EXPEDITED = 0xB8  # DSCP 46 (RFC 3246)
TIMESTAMPS = 12  # bytes that they take of a segment
SMALL_BUFFER = 8192


# -- the kernel's own window


@report(
    "https://blog.cloudflare.com/unbounded-memory-usage-by-tcp-for-receive-buffers-and-how-we-fixed-it/", "0e24d17bd966"
)
@requirement("RFC7323-2.4", fixed_by="0e24d17bd966")
def test_segment_that_an_earlier_window_allowed_is_taken_after_the_window_shrank(
    session: Session, established: Connection
) -> None:
    """RFC 7323 2.4: the receiver "MUST honor, as in window, any segment that would have been in window" once.

    ip-sysctl: tcp_shrink_window. The first report says why one wants that, the second what it broke.
    """
    session.sysctl("net/ipv4/tcp_shrink_window", 1)
    server, peer = established
    opening = session.events(Received)[0].segment
    edge = 1 + opening.window  # the window of a SYN,ACK is not scaled
    shift = next(option.values[0] for option in opening.options if option.name == "wscale")
    server.set_option("SO_RCVBUF", SMALL_BUFFER)
    peer.send(ACK, seq=1, ack=1, data=b"x")
    peer.expect(ACK, seq=1, ack=2, window=Between(0, edge // 2 >> shift))
    server.send(b"data")
    peer.expect(ACK, seq=1, ack=2, data=b"data")
    peer.send(ACK, seq=edge - 1, ack=5)
    peer.expect_at_once(silence="taken")


# -- SACK


@report("5d9f4262b7ea", "86de5921a3d5")
@pytest.mark.parametrize(("most", "together"), [(44, 3), (0, 10)], ids=["default", "uncompressed"])
def test_out_of_order_segments_are_acknowledged_one_by_one(
    session: Session, established: Connection, most: int, together: int
) -> None:
    """The first three, which fast retransmit counts, always; all with tcp_comp_sack_nr 0 (ip-sysctl).

    Between the first commit, which compresses SACKs, and the second, a burst with a hole drew a single one.
    """
    session.sysctl("net/ipv4/tcp_comp_sack_nr", most)
    _, peer = established
    begins = range(101, 101 + 10 * together, 10)
    peer.send_together(*(peer.make(ACK, seq=begin, ack=1, data=bytes(10)) for begin in begins))
    for begin in begins:
        peer.expect(ACK, seq=1, ack=1, options=f"sack 101:{begin + 10}")


# -- sizes


@report("CVE-2019-11479", "https://access.redhat.com/security/vulnerabilities/tcpsack")
@requirement("RFC9293-MUST-16")
@pytest.mark.parametrize("least", [48, 500])
def test_tiny_mss_of_the_peer_is_raised_to_the_configured_least(
    session: Session, listener: Endpoint, least: int
) -> None:
    """ip-sysctl, tcp_min_snd_mss: a smaller MSS "is silently capped", against segments of 8 bytes."""
    session.sysctl("net/ipv4/tcp_min_snd_mss", least)
    server, peer = session.establish(listener, options="mss 8,sackOK,TS val 1 ecr 0,nop,wscale 7")
    size = least - TIMESTAMPS
    server.send(bytes(3 * size))
    for begin in range(1, 3 * size, size):
        peer.expect(ACK, seq=begin, ack=1, length=size)


def test_metrics_of_the_route_hold_for_new_connections(session: Session) -> None:
    """ip-route(8): advmss, initcwnd and mtu lock, which tuning guides set per destination."""
    to = session.peer_address
    device = session.run(["ip", "route", "get", to]).stdout.split(" dev ")[1].split()[0]
    session.run(["ip", "route", "replace", to, "dev", device, "advmss", "900", "initcwnd", "2", "mtu", "lock", "1000"])
    listener = session.listen()
    peer = session.new_peer(listener.port)
    peer.send(SYN, seq=0, options=session.syn_options)
    peer.expect(SYN, seq=0, ack=1, options="mss 900")
    peer.timestamps = True
    peer.send(ACK, seq=1, ack=1)
    size = 1000 - 20 - 20 - TIMESTAMPS
    write_segments(listener.accept(), 3, size=size)
    peer.expect(ACK, seq=1, ack=1, length=size)
    peer.expect(ACK, seq=1 + size, ack=1, length=size)
    peer.expect_silence()


# -- headers


@report("66b13d99d96a")
@both_families
def test_acknowledgment_from_time_wait_bears_the_applications_traffic_class(
    established: Connection, ip_version: int
) -> None:
    """ip(7), ipv6(7): every packet of the socket does. Before the commit the ACK echoed the peer's instead."""
    server, peer = established
    server.set_option("IP_TOS" if ip_version == 4 else "IPV6_TCLASS", EXPEDITED)
    server.close()
    peer.expect(FIN, seq=1, ack=1)
    for _ in range(2):  # the second asks TIME-WAIT
        peer.send(FIN, seq=1, ack=2)
        peer.expect(ACK, seq=2, ack=2)
        assert peer.judged_header.traffic_class == EXPEDITED
