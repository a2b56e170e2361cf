"""What TCP puts into the IP header: hop limit, Diffserv, addresses, options (RFC 9293 3.9.1.9, 3.9.2)."""

from __future__ import annotations

import socket
import struct

import pytest

from harness import ACK, FIN, SYN, Connection, Endpoint, Envelope, Session, both_families, in_shared_lab, requirement

pytestmark = in_shared_lab

EXPEDITED = 0xB8  # DSCP 46 (RFC 3246), and no ECN
ASSURED = 0x28  # DSCP 10 (RFC 2597)
HOPS = 37  # no system's default

RECEIVE = {4: "IP_RECVTOS", 6: "IPV6_RECVTCLASS"}
PASSED_UP = {
    4: (socket.IPPROTO_IP, 9, socket.IP_TOS),  # IP_PKTOPTIONS (include/uapi/linux/in.h)
    6: (socket.IPPROTO_IPV6, 6, socket.IPV6_TCLASS),  # IPV6_2292PKTOPTIONS (include/uapi/linux/in6.h)
}
"""Level, option of getsockopt(2), and the message's kind."""
CONTROL_MESSAGE = struct.Struct("@Niii4x")  # length, level, kind (cmsg(3)), a number, and what fills up

NOP = b"\x01"
EXPERIMENT = b"\x5e\x04\xbe\xef"  # option 30 of class 2, for experiments (RFC 4727 3.3)
ROUTER_ALERT = b"\x94\x04\x00\x00"  # RFC 2113 2.1
RECORD_ROUTE = b"\x07\x07\x04" + bytes(4) + NOP  # RFC 791 3.1: room for one address
TIMESTAMP = b"\x44\x08\x05\x00" + bytes(4)  # RFC 791 3.1: room for one stamp
LOOSE_ROUTE = 131
FAR, FARTHER, OTHER = "192.0.2.1", "192.0.2.2", "192.0.2.3"  # routers behind the peer (RFC 5737)


def loose_route(*routers: str, visited: bool = False) -> bytes:
    """The option (RFC 791 3.1) of a route over these routers, which are yet to be visited, or were visited already."""
    length = 3 + 4 * len(routers)
    pointer = length + 1 if visited else 4
    return NOP + bytes((LOOSE_ROUTE, length, pointer)) + b"".join(map(socket.inet_aton, routers))


def traffic_class(version: int) -> str:
    return "IP_TOS" if version == 4 else "IPV6_TCLASS"


def hop_limit(version: int) -> str:
    return "IP_TTL" if version == 4 else "IPV6_UNICAST_HOPS"


# -- Diffserv and hops


@requirement("RFC9293-MUST-48", "RFC9293-SHLD-21", "RFC9293-SHLD-22")
@both_families
def test_diffserv_is_set_and_changed_by_the_application(established: Connection, ip_version: int) -> None:
    server, peer = established
    sent = 1
    for wanted in (EXPEDITED, ASSURED):
        server.set_option(traffic_class(ip_version), wanted)
        server.send(b"data")
        peer.expect(ACK, seq=sent, ack=1, data=b"data")
        assert peer.judged_header.traffic_class == wanted
        sent += len(b"data")
        peer.send(ACK, seq=1, ack=sent)


@requirement("RFC9293-MUST-48", "RFC9293-SHLD-22")
@both_families
def test_diffserv_stands_in_the_syn_too(session: Session, ip_version: int) -> None:
    client = session.socket()
    peer = session.new_peer(client.port)
    client.set_option(traffic_class(ip_version), EXPEDITED)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0)
    assert peer.judged_header.traffic_class == EXPEDITED


@requirement("RFC9293-MUST-49")
@both_families
def test_hop_limit_is_set_by_the_application(established: Connection, ip_version: int) -> None:
    server, peer = established
    server.set_option(hop_limit(ip_version), HOPS)
    server.send(b"data")
    peer.expect(ACK, seq=1, ack=1, data=b"data")
    assert peer.judged_header.ttl == HOPS
    server.close()
    peer.expect(FIN, seq=5, ack=1)
    assert peer.judged_header.ttl == HOPS


def passed_up(server: Endpoint, version: int) -> int:
    """The traffic class that the kernel has for an application which asked for it, of the SYN or of what came last."""
    level, option, kind = PASSED_UP[version]
    told = server.option_bytes((level, option), CONTROL_MESSAGE.size)
    _, *said, value = CONTROL_MESSAGE.unpack(told)
    assert said == [level, kind]
    return int(value)


@requirement("RFC9293-MAY-9")
@both_families
def test_received_diffserv_is_passed_up(session: Session, listener: Endpoint, ip_version: int) -> None:
    listener.set_option(RECEIVE[ip_version], 1)
    peer = session.new_peer(listener.port)
    expedited = Envelope(traffic_class=EXPEDITED)
    peer.send_as(expedited, peer.make(SYN, options="mss 1460"))
    peer.expect(SYN, seq=0, ack=1)
    peer.send_as(expedited, peer.make(ACK, seq=1, ack=1))
    assert passed_up(listener.accept(), ip_version) == EXPEDITED


# -- addresses


@requirement("RFC9293-MUST-43", "RFC9293-MUST-45")
@both_families
def test_segments_come_from_the_address_that_was_bound(session: Session) -> None:
    client, peer = session.connect()
    bound = session.kernel_address
    assert peer.judged_header.source == bound
    client.send(b"data")
    peer.expect(ACK, seq=1, ack=1, data=b"data")
    assert peer.judged_header.source == bound
    client.close()
    peer.expect(FIN, seq=5, ack=1)
    assert peer.judged_header.source == bound


@requirement("RFC9293-MUST-44", "RFC9293-MUST-45")
@both_families
def test_address_is_selected_where_none_was_bound(session: Session) -> None:
    client = session.socket(address="")
    peer = session.new_peer(client.port)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0)
    assert peer.judged_header.source == session.kernel_address
    peer.send(SYN, seq=0, ack=1, options="mss 1460")
    peer.expect(ACK, seq=1, ack=1)
    assert peer.judged_header.source == session.kernel_address


@requirement("RFC9293-MUST-45")
@both_families
def test_server_answers_from_the_address_that_was_asked(session: Session) -> None:
    listener = session.listen(address="")
    server, peer = session.establish(listener)
    asked = session.kernel_address
    server.send(b"data")
    peer.expect(ACK, seq=1, ack=1, data=b"data")
    assert peer.judged_header.source == asked


# -- options of IPv4


@requirement("RFC9293-MUST-50")
@pytest.mark.parametrize("options", [EXPERIMENT, ROUTER_ALERT, 4 * NOP], ids=["experiment", "router-alert", "nop"])
def test_ip_options_that_tcp_does_not_know_are_ignored(session: Session, listener: Endpoint, options: bytes) -> None:
    peer = session.new_peer(listener.port)
    optional = Envelope(options=options)
    peer.send_as(optional, peer.make(SYN, options="mss 1460"))
    peer.expect(SYN, seq=0, ack=1)
    assert peer.judged_header.options == b""
    peer.send_as(optional, peer.make(ACK, seq=1, ack=1))
    server = listener.accept()
    peer.send_as(optional, peer.make(ACK, seq=1, ack=1, data=b"data"))
    peer.expect(ACK, seq=1, ack=5)
    assert server.receive() == b"data"


@requirement("RFC9293-MAY-10", "RFC9293-MAY-11")
@pytest.mark.parametrize("options", [RECORD_ROUTE, TIMESTAMP], ids=["record-route", "timestamp"])
def test_ip_option_that_tcp_may_know_is_echoed_or_ignored(session: Session, listener: Endpoint, options: bytes) -> None:
    peer = session.new_peer(listener.port)
    peer.send_as(Envelope(options=options), peer.make(SYN, options="mss 1460"))
    peer.expect(SYN, seq=0, ack=1)
    assert peer.judged_header.options[:1] in (options[:1], b"")
    peer.send(ACK, seq=1, ack=1, data=b"data")
    peer.expect(ACK, seq=1, ack=5)


# -- source routes


@requirement("RFC9293-MUST-51")
def test_application_specifies_a_source_route(session: Session) -> None:
    client = session.socket()
    peer = session.new_peer(client.port)
    router = session.peer_address
    client.set_option("IP_OPTIONS", loose_route(router))
    client.connect((router, peer.port), wait=False)
    peer.expect(SYN, seq=0)
    assert LOOSE_ROUTE in peer.judged_header.options
    peer.send(SYN, seq=0, ack=1, options="mss 1460")
    peer.expect(ACK, seq=1, ack=1)
    assert LOOSE_ROUTE in peer.judged_header.options


def source_routed(session: Session) -> Connection:
    """A connection whose SYN came over two routers, the nearer of them the peer itself, and then the answer to it."""
    listener = session.listen()
    for scope in ("all", "kernel0"):
        session.sysctl(f"net/ipv4/conf/{scope}/accept_source_route", 1)
    peer = session.new_peer(listener.port)
    over = Envelope(options=loose_route(FAR, session.peer_address, visited=True))
    peer.send_as(over, peer.make(SYN, options="mss 1460"))
    peer.expect(SYN, seq=0, ack=1)
    assert routed_over(FAR, peer.judged_header.options)
    peer.send_as(over, peer.make(ACK, seq=1, ack=1))
    return Connection(listener.accept(), peer)


def routed_over(router: str, options: bytes) -> bool:
    """Whether there is a source route whose next router is this one."""
    start = options.find(LOOSE_ROUTE)
    return start >= 0 and options[start + 3 : start + 7] == socket.inet_aton(router)


@requirement("RFC9293-MUST-53")
def test_server_returns_over_the_route_by_which_the_syn_came(session: Session) -> None:
    server, peer = source_routed(session)
    server.send(b"data")
    peer.expect(ACK, seq=1, ack=1, data=b"data")
    assert routed_over(FAR, peer.judged_header.options)
    peer.send(ACK, seq=1, ack=5)
    server.close()
    peer.expect(FIN, seq=5, ack=1)
    assert routed_over(FAR, peer.judged_header.options)


@requirement("RFC9293-MUST-52")
def test_route_of_the_application_takes_precedence(session: Session) -> None:
    server, peer = source_routed(session)
    server.set_option("IP_OPTIONS", loose_route(session.peer_address, OTHER))
    server.send(b"data")
    peer.expect(ACK, seq=1, ack=1, data=b"data")
    assert routed_over(OTHER, peer.judged_header.options)


@requirement("RFC9293-SHLD-24")
def test_route_that_arrives_later_replaces_the_stored_one(session: Session) -> None:
    server, peer = source_routed(session)
    other = Envelope(options=loose_route(FARTHER, session.peer_address, visited=True))
    peer.send_as(other, peer.make(ACK, seq=1, ack=1, data=b"over another route"))
    peer.expect(ACK, seq=1, ack=19)
    server.send(b"data")
    peer.expect(ACK, seq=1, ack=19, data=b"data")
    assert routed_over(FARTHER, peer.judged_header.options)
