"""Addresses that no connection can have: broadcast, multicast, invalid sources (RFC 9293 3.9.1.1, 3.9.2.3)."""

from __future__ import annotations

import pytest

from harness import BROADCAST_MAC, SYN, Envelope, Session, both_families, in_shared_lab, requirement

pytestmark = in_shared_lab

MULTICAST_MAC = {4: "01:00:5e:00:00:01", 6: "33:33:00:00:00:01"}
ALL_HOSTS = {4: "224.0.0.1", 6: "ff02::1"}  # every host has joined it (RFC 1112 4, RFC 4291 2.7.1)

many = pytest.mark.parametrize(
    ("ip_version", "target"),
    [(4, "255.255.255.255"), (4, "224.0.0.1"), (6, "ff02::1")],
    ids=["broadcast-IPv4", "multicast-IPv4", "multicast-IPv6"],
)


def half_open(session: Session) -> list[int]:
    """The peers' ports of connections in SYN-RECEIVED: an answer to an address that is not the peer's is not seen."""
    session.settle()
    return [found.remote[1] for found in session.sockets() if found.state == "SYN-RECEIVED"]


@requirement("RFC9293-MUST-57", "RFC1122-4.2.3.10-1")
@many
@pytest.mark.parametrize("link", ["unicast", "as-addressed"])
def test_syn_to_many_is_dropped(session: Session, ip_version: int, target: str, link: str) -> None:
    listener = session.listen(address="")
    peer = session.new_peer(listener.port)
    mac = BROADCAST_MAC if target == "255.255.255.255" else MULTICAST_MAC[ip_version]
    to_many = Envelope(target=target, target_mac=mac if link == "as-addressed" else None)
    peer.send_as(to_many, peer.make(SYN, options="mss 1460"))
    assert half_open(session) == []
    peer.send(SYN, seq=0, options="mss 1460")
    peer.expect(SYN, seq=0, ack=1)


@requirement("RFC9293-MUST-57")
@both_families
def test_syn_in_a_broadcast_frame_is_dropped(session: Session) -> None:
    """The address is the kernel's own, but the frame went to everybody (RFC 1122 3.3.6)."""
    listener = session.listen(address="")
    peer = session.new_peer(listener.port)
    peer.send_as(Envelope(target_mac=BROADCAST_MAC), peer.make(SYN, options="mss 1460"))
    assert half_open(session) == []
    peer.send(SYN, seq=0, options="mss 1460")
    peer.expect(SYN, seq=0, ack=1)


@requirement("RFC9293-MUST-63")
@pytest.mark.parametrize(
    ("ip_version", "source"),
    [
        (4, "127.0.0.1"),
        (4, "224.0.0.1"),
        (4, "255.255.255.255"),
        (4, "0.0.0.0"),  # noqa: S104  (no address, not every address)
        (6, "::1"),
        (6, "ff02::1"),
        (6, "::"),
        (6, "::ffff:198.18.0.1"),
    ],
)
def test_syn_from_an_invalid_address_is_ignored(session: Session, source: str) -> None:
    listener = session.listen(address="")
    peer = session.new_peer(listener.port)
    peer.send_as(Envelope(source=source), peer.make(SYN, options="mss 1460"))
    assert half_open(session) == []
    peer.send(SYN, seq=0, options="mss 1460")
    peer.expect(SYN, seq=0, ack=1)


@requirement("RFC9293-MUST-46")
@many
def test_connecting_to_many_is_refused(session: Session, target: str) -> None:
    client = session.socket()
    peer = session.new_peer(client.port)
    with pytest.raises(OSError):
        client.connect((target, peer.port), wait=False)
    client.connect(peer, wait=False)
    peer.expect(SYN, seq=0)
