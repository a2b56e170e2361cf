"""ICMP errors about a connection's segments: soft ones, hard ones, forged ones (RFC 9293 3.9.2.2, RFC 5927)."""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    RST,
    SYN,
    Connection,
    Pattern,
    Segment,
    Session,
    both_families,
    errno_of,
    in_shared_lab,
    requirement,
)

pytestmark = in_shared_lab

NOT_IN_FLIGHT = 1000  # no segment of the connection has this number
FLIGHT = 10  # segments of a first flight (RFC 6928 2)
hard_errors = pytest.mark.parametrize("kind", ["protocol unreachable", "port unreachable"])

soft_errors = pytest.mark.parametrize(
    ("ip_version", "kind"),
    [
        pytest.param(version, kind, id=f"{kind.replace(' ', '-')}-IPv{version}")
        for version in (4, 6)
        for kind in (
            "net unreachable",
            "host unreachable",
            "source route failed",
            "time exceeded",
            "reassembly time exceeded",
            "parameter problem",
        )
        if version == 4 or kind != "source route failed"
    ],
)
"""Codes 0, 1 and 5 of Destination Unreachable, Time Exceeded and Parameter Problem; ICMPv6 has no source route."""


def sent_data(connection: Connection) -> Segment:
    """A segment of the server's that is on its way."""
    server, peer = connection
    server.send(b"on its way")
    return peer.expect(ACK, seq=1, ack=1, data=b"on its way")


def assert_alive(connection: Connection) -> None:
    """The peer gets the data, and its own arrive."""
    server, peer = connection
    peer.send(ACK, seq=1, ack=11, data=b"got it")
    reply = peer.expect_one_of(alive=Pattern(ACK, seq=11, ack=7), gone=Pattern(RST, seq=11))
    reply.require("alive")
    assert server.receive() == b"got it"


# -- soft errors


@requirement("RFC9293-MUST-56", "RFC9293-MUST-47", "RFC9293-MUST-54", "RFC9293-SHLD-25", "RFC9293-U-1")
@soft_errors
def test_soft_error_is_reported_and_ends_nothing(session: Session, established: Connection, kind: str) -> None:
    server, peer = established
    peer.send_icmp(kind, quoting=sent_data(established))
    session.settle()
    assert server.error() != 0
    assert_alive(established)


@requirement("RFC9293-MUST-56")
@soft_errors
def test_soft_error_does_not_end_an_attempt_to_connect(session: Session, syn_sent: Connection, kind: str) -> None:
    _, peer = syn_sent
    peer.send_icmp(kind, quoting=Segment(flags=SYN))
    peer.send(SYN, seq=0, ack=1, options=session.syn_options)
    reply = peer.expect_one_of(connected=Pattern(ACK, seq=1, ack=1), aborted=Pattern(RST, seq=1))
    reply.require("connected")


@requirement("RFC9293-MUST-56")
@soft_errors
def test_soft_error_does_not_end_a_half_open_connection(syn_received: Connection, kind: str) -> None:
    _, peer = syn_received
    peer.send_icmp(kind, quoting=Segment(flags=SYN | ACK, ack=1))
    peer.send(ACK, seq=1, ack=1, data=b"data")
    reply = peer.expect_one_of(opened=Pattern(ACK, seq=1, ack=5), aborted=Pattern(RST, seq=1))
    reply.require("opened")


@requirement("RFC9293-SHLD-20")
@both_families
@pytest.mark.parametrize("wanted", [True, False], ids=["wanted", "unwanted"])
def test_reports_of_soft_errors_are_what_the_application_wants(
    session: Session, established: Connection, ip_version: int, wanted: bool
) -> None:
    server, peer = established
    server.set_option("IP_RECVERR" if ip_version == 4 else "IPV6_RECVERR", 1)
    server.set_option("IP_RECVERR" if ip_version == 4 else "IPV6_RECVERR", int(wanted))
    peer.send_icmp("host unreachable", quoting=sent_data(established))
    session.settle()
    with server.without_waiting():
        assert errno_of(server.receive) == ("EHOSTUNREACH" if wanted else "EAGAIN")
    assert_alive(established)


# -- hard errors


@requirement("RFC9293-SHLD-26", "RFC1122-4.2.3.9-1", "RFC9293-MUST-54")
@both_families
@hard_errors
def test_hard_error_ends_a_connection(established: Connection, kind: str) -> None:
    _, peer = established
    peer.send_icmp(kind, quoting=sent_data(established))
    peer.send(ACK, seq=1, ack=1, data=b"hello?")
    reply = peer.expect_one_of(aborted=Pattern(RST, seq=1), alive=Pattern(ACK, seq=11, ack=7))
    reply.require("aborted")


@requirement("RFC9293-SHLD-26", "RFC1122-4.2.3.9-1", "RFC9293-MUST-54")
@both_families
@hard_errors
def test_hard_error_ends_an_attempt_to_connect(syn_sent: Connection, session: Session, kind: str) -> None:
    client, peer = syn_sent
    peer.send_icmp(kind, quoting=Segment(flags=SYN))
    peer.send(SYN, seq=0, ack=1, options=session.syn_options)
    peer.expect(RST, seq=1)
    with pytest.raises(OSError):
        client.wait_connected()


@requirement("RFC9293-MUST-54")
@both_families
def test_error_is_for_the_connection_that_it_is_about(session: Session) -> None:
    """Two attempts to connect, of which one is refused."""
    about, other = session.socket(), session.socket()
    refused, accepted = session.new_peer(about.port), session.new_peer(other.port)
    for client, peer in ((about, refused), (other, accepted)):
        client.connect(peer, wait=False)
        peer.expect(SYN, seq=0)
    refused.send_icmp("port unreachable", quoting=Segment(flags=SYN))
    accepted.send(SYN, seq=0, ack=1, options=session.syn_options)
    accepted.timestamps = True
    accepted.expect(ACK, seq=1, ack=1)
    other.wait_connected()
    with pytest.raises(ConnectionRefusedError):
        about.wait_connected()


# -- forged errors


@requirement("RFC9293-3.9.2.2")
@both_families
def test_error_about_a_syn_that_was_not_sent_is_ignored(session: Session, syn_sent: Connection) -> None:
    """The quoted number is not among those in flight (RFC 5927 4.1)."""
    client, peer = syn_sent
    peer.send_icmp("port unreachable", quoting=Segment(flags=SYN, seq=NOT_IN_FLIGHT))
    peer.send(SYN, seq=0, ack=1, options=session.syn_options)
    peer.timestamps = session.timestamps
    peer.expect(ACK, seq=1, ack=1)
    client.wait_connected()


@requirement("RFC9293-3.9.2.2")
@both_families
@pytest.mark.parametrize("seq", [-NOT_IN_FLIGHT, 0, 12, NOT_IN_FLIGHT], ids=["old", "acked", "next", "ahead"])
def test_error_about_data_not_in_flight_is_ignored(session: Session, established: Connection, seq: int) -> None:
    """In flight are 1 to 10 (RFC 5927 4.1)."""
    server, peer = established
    sent_data(established)
    peer.send_icmp("host unreachable", quoting=Segment(flags=ACK, seq=seq % 2**32, ack=1))
    session.settle()
    assert server.error() == 0
    assert_alive(established)


@requirement("RFC9293-MUST-54")
@both_families
def test_error_that_quotes_eight_bytes_is_understood(syn_sent: Connection) -> None:
    """RFC 792 promises no more than the ports and the sequence number."""
    client, peer = syn_sent
    peer.send_icmp("port unreachable", quoting=Segment(flags=SYN), quoted=8)
    with pytest.raises(ConnectionRefusedError):
        client.wait_connected()
    peer.send(SYN, seq=0, ack=1)
    peer.expect(RST, seq=1)


@requirement("RFC9293-MUST-54")
@both_families
def test_error_that_is_cut_short_is_ignored(session: Session, syn_sent: Connection) -> None:
    client, peer = syn_sent
    peer.send_icmp("port unreachable", quoting=Segment(flags=SYN), quoted=7)
    peer.send(SYN, seq=0, ack=1, options=session.syn_options)
    peer.timestamps = session.timestamps
    peer.expect(ACK, seq=1, ack=1)
    client.wait_connected()


@requirement("RFC9293-MUST-55")
def test_source_quench_is_dropped(established: Connection) -> None:
    """After a whole flight is acknowledged slow start allows two, quench or not (RFC 5681 3.1, RFC 6633 3)."""
    server, peer = established
    segment = 1448  # 1460 less the timestamps
    server.send(bytes(4 * FLIGHT * segment))
    for number in range(FLIGHT):
        sent = peer.expect(ACK, seq=1 + number * segment, ack=1, length=segment)
    peer.send_icmp("source quench", quoting=sent)
    peer.send(ACK, seq=1, ack=1 + FLIGHT * segment)
    for number in range(FLIGHT, 3 * FLIGHT):
        peer.expect(ACK, seq=1 + number * segment, ack=1, length=segment)
    assert server.error() == 0
