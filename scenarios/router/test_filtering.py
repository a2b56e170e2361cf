"""Firewalls on the way that go by the state of a connection: what they let through, and how segments get small enough.

What the router is to do is what nft(8) and Documentation/networking/nf_conntrack-sysctl.rst say of rules and sysctls.
"""

from __future__ import annotations

import pytest

from harness import (
    ACK,
    RST,
    RTO_MIN,
    KernelPair,
    Router,
    TwoKernelSession,
    both_families,
    report,
    requirement,
    waits,
)

DROP_INVALID = "table inet filter { chain through { type filter hook forward priority 0; ct state invalid drop; }; }"
CLAMP = (
    "table inet mangle { chain through { type filter hook forward priority mangle; "
    "tcp flags syn tcp option maxseg size set rt mtu; }; }"
)
WIDE, NARROW = 1500, 1400  # MTU of all links, and of the one between path and router
HEADERS = {4: 40, 6: 60}  # of IP and TCP, without options
TIMESTAMPS = 12


# -- connections that began before anybody tracked them
# A flushed table, too, ends no connection unless nf_conntrack_tcp_loose is off: "If it is set to zero, we disable
# picking up already established connections."


@report("https://github.com/metalbear-co/mirrord/issues/1870")
@requirement("RFC9293-3.8.1")
@waits(RTO_MIN)
@pytest.mark.parametrize("loose", [1, 0])
def test_connection_that_began_before_the_firewall(router: Router, two_kernels: KernelPair, loose: int) -> None:
    client, server, path = two_kernels
    router.sysctl("net/netfilter/nf_conntrack_tcp_loose", loose)
    router.load(DROP_INVALID)
    client.send(b"more")
    path.expect(ACK, from_="client", seq=1, ack=1, data=b"more")
    if loose:
        path.expect(ACK, from_="server", seq=1, ack=5)
        assert server.receive() == b"more"
        assert router.tracked()[0].state == "ESTABLISHED"
    else:
        # a tail loss probe (RFC 8985 7.2), which leaves a second one as early as 2 * RTO_MIN
        path.expect(ACK, from_="client", seq=1, ack=1, data=b"more", at_least=RTO_MIN.unrounded(), within=1.5 * RTO_MIN)
        path.expect_silence()
        path.allow_rest()  # that one
        assert router.tracked() == []


@requirement("RFC9293-3.10.7.4", "RFC5382-7.1")
@both_families
def test_reset_goes_through_and_ends_what_is_tracked(
    path_session: TwoKernelSession, router: Router, two_kernels: KernelPair
) -> None:
    client, server, path = two_kernels
    router.load(DROP_INVALID)
    server.send(b"data")
    path.expect(ACK, from_="server", seq=1, ack=1, data=b"data")
    path.expect(ACK, from_="client", seq=1, ack=5)
    client.linger(0)
    client.close()
    path.expect(RST, from_="client", seq=1, ack=5)
    assert path_session.states() == ("CLOSED", "CLOSED")
    assert router.tracked()[0].state == "CLOSED"


# -- a link on the way that takes less than both ends believe
# Connections open and then hang, until the router writes what its links take into the handshake.


@report(
    "https://github.com/tailscale/tailscale/pull/20077",
    "https://github.com/Start9Labs/start-technologies/issues/3308",
)
@requirement("RFC9293-MUST-14", "RFC9293-MUST-16")
@both_families
def test_handshake_tells_both_ends_what_the_narrow_link_takes(path_session: TwoKernelSession, router: Router) -> None:
    path_session.run(f"ip link set dev router0 mtu {NARROW}", where="router")
    router.load(CLAMP)
    largest = NARROW - HEADERS[path_session.version] - TIMESTAMPS
    client, server, path = path_session.connect(path_session.listen())
    assert client.option("TCP_MAXSEG") == server.option("TCP_MAXSEG") == largest
    server.send(b"x" * (largest + 1))
    path.expect(ACK, from_="server", seq=1, ack=1, length=largest)
    path.expect(ACK, from_="server", seq=1 + largest, ack=1, length=1)
    path.expect(ACK, from_="client", seq=1, ack=1 + largest)
    path.expect(ACK, from_="client", seq=1, ack=2 + largest)


@requirement("RFC9293-MUST-16", "RFC1191-3")
@pytest.mark.usefixtures("router")
@both_families
def test_router_tells_a_server_what_the_narrow_link_takes(
    path_session: TwoKernelSession, two_kernels: KernelPair
) -> None:
    """Without that rule its ICMP message does, at the cost of what did not fit."""
    path_session.run(f"ip link set dev router0 mtu {NARROW}", where="router")
    _, server, path = two_kernels
    others = HEADERS[path_session.version] + TIMESTAMPS
    server.send(b"x" * (WIDE - others))
    path.expect(ACK, from_="server", seq=1, ack=1, length=NARROW - others)
    path.expect(ACK, from_="server", seq=1 + NARROW - others, ack=1, length=WIDE - NARROW)
    path.expect(ACK, from_="client", seq=1, ack=1 + NARROW - others)
    path.expect(ACK, from_="client", seq=1, ack=1 + WIDE - others)
