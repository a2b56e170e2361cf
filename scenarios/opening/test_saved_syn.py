"""The SYN of a connection, kept for an application that asks its listener for it (TCP_SAVE_SYN, since Linux 4.3).

What was asked for in the SYN alone, such as its options and the traffic class, cannot be learnt in another way.
"""

from __future__ import annotations

import struct

import pytest

from harness import INITIAL_SEQUENCE_NUMBER, Endpoint, Session, both_families, requirement

FROM_IP_HEADER, FROM_LINK_HEADER = 1, 2  # TCP_SAVE_SYN (do_tcp_setsockopt, net/ipv4/tcp.c)
IP_HEADER = {4: 20, 6: 40}
LINK_HEADER = 14
MSS_1000 = b"\x02\x04\x03\xe8"  # kind, length and value (RFC 9293 3.2)
BEYOND = 512  # bytes, more than any SYN has


@requirement("RFC9293-3.10.7.2")
@both_families
@pytest.mark.parametrize("headers", [FROM_IP_HEADER, FROM_LINK_HEADER], ids=["from-ip-header", "from-link-header"])
def test_syn_is_handed_to_the_application_as_it_came(
    session: Session, listener: Endpoint, ip_version: int, headers: int
) -> None:
    listener.set_option("TCP_SAVE_SYN", headers)
    server, peer = session.establish(listener, options="mss 1000")
    saved = server.option_bytes("TCP_SAVED_SYN", BEYOND)
    if headers == FROM_LINK_HEADER:
        saved = saved[LINK_HEADER:]
    assert saved[0] >> 4 == ip_version
    header = saved[IP_HEADER[ip_version] :]
    assert struct.unpack_from("!HHII", header) == (peer.port, listener.port, INITIAL_SEQUENCE_NUMBER, 0)
    assert header[20:] == MSS_1000


@requirement("RFC9293-3.10.7.2")
@both_families
def test_saved_syn_is_handed_out_once(session: Session, listener: Endpoint) -> None:
    listener.set_option("TCP_SAVE_SYN", FROM_IP_HEADER)
    server, _ = session.establish(listener)
    assert server.option_bytes("TCP_SAVED_SYN", BEYOND)
    assert server.option_bytes("TCP_SAVED_SYN", BEYOND) == b""


@requirement("RFC9293-3.10.7.2")
@both_families
def test_syn_is_not_kept_unless_asked_for(session: Session, listener: Endpoint) -> None:
    server, _ = session.establish(listener)
    assert server.option_bytes("TCP_SAVED_SYN", BEYOND) == b""
