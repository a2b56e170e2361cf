"""Reports of connections that network address translation on the way broke, and what was to help.

What is demanded is what RFC 9293 says of the connection and RFC 5382 of the translation; a remedy is held to what
Documentation/networking/nf_conntrack-sysctl.rst says of it.
"""

from __future__ import annotations

import socket

import pytest

from harness import (
    ACK,
    DELACK_LIMIT,
    FIN,
    MINUTE,
    RST,
    RTO_INIT,
    SECOND,
    SYN,
    Endpoint,
    Pattern,
    Router,
    Span,
    TwoKernelSession,
    both_families,
    report,
    requirement,
    waits,
    with_and_without_timestamps,
)

MASQUERADE = "table inet nat { chain out { type nat hook postrouting priority srcnat; oifname router1 masquerade; }; }"
DROP_INVALID = "table inet filter { chain through { type filter hook forward priority 0; ct state invalid drop; }; }"
TRACKING = "net/netfilter/nf_conntrack_tcp_"

IDLE = Span(2 * SECOND.ns, "IDLE", "longer than the second that the router remembers for")
TRANSITORY = Span(4 * MINUTE.ns, "TRANSITORY", "RFC 5382 5 REQ-5: what a translator remembers a half-closed one for")
WINDOW = 4096  # SO_RCVBUF of a server whose window is soon left behind
UPLOAD = 6  # segments that do it


# -- segments that connection tracking calls invalid
# An upload ends with a RST after a segment that others have overtaken by far: connection tracking called it invalid,
# and what is invalid is forwarded as it came, not translated. Since commit 6e250dcbff1d what comes late is not invalid.


@report(
    "https://github.com/distribution/distribution/issues/785",
    "https://github.com/kubernetes/kubernetes/issues/74839",
    "https://github.com/kubernetes/kubernetes/pull/120412",
    "6e250dcbff1d",
)
@requirement("RFC9293-3.10.7.4", "RFC5382-5", fixed_by="6e250dcbff1d")
@pytest.mark.parametrize("remedy", ["none", "be-liberal", "drop-invalid"])
def test_overtaken_ack_ends_no_upload(path_session: TwoKernelSession, router: Router, remedy: str) -> None:
    router.load(MASQUERADE)
    if remedy == "be-liberal":
        router.sysctl(f"{TRACKING}be_liberal", 1)
    if remedy == "drop-invalid":
        router.load(DROP_INVALID)
    listener = path_session.listen()
    listener.set_option("SO_RCVBUF", WINDOW)
    client, server, path = path_session.connect(listener)
    overtaken = path.hold(ACK, from_="client", seq=1, ack=8, length=0)
    server.send(b"go on\r\n")
    path.expect(ACK, from_="server", seq=1, ack=1, data=b"go on\r\n")
    path.expect(ACK, from_="client", seq=1, ack=8)
    path.allow(ACK, from_="server", seq=8, length=0)
    for number in range(UPLOAD):
        client.send(b"x" * 1000)
        path.expect(ACK, from_="client", seq=1 + 1000 * number, ack=8, length=1000)
        path.settle()
        assert len(server.receive()) == 1000
    overtaken.release()
    path.settle()
    client.send(b"the end")
    path.expect(ACK, from_="client", seq=1 + 1000 * UPLOAD, ack=8, data=b"the end")
    path.settle()
    assert server.receive() == b"the end"


# -- connections that connection tracking forgets
# A client that has nothing more to send waits for an answer that takes its time, and gets none.


def half_close(session: TwoKernelSession, router: Router) -> Endpoint:
    """A server that has read a request and its end, behind a translator."""
    router.load(MASQUERADE)
    client, server, path = session.connect(session.listen())
    client.send(b"request")
    path.expect(ACK, from_="client", seq=1, ack=1, data=b"request")
    path.expect(ACK, from_="server", seq=1, ack=8)
    client.shutdown(socket.SHUT_WR)
    path.expect(FIN, from_="client", seq=8, ack=1)
    path.expect(ACK, from_="server", seq=1, ack=9, within=DELACK_LIMIT)  # it may wait for the application
    assert router.tracked()[0].state == "CLOSE-WAIT"
    return server


@report("https://github.com/kubernetes/kubernetes/issues/32551")
@requirement("RFC9293-3.6", "RFC5382-5")
@waits(TRANSITORY)
@pytest.mark.parametrize("close_wait", ["default", 3600])
def test_half_closed_connection_is_remembered_for_four_minutes(
    path_session: TwoKernelSession, router: Router, close_wait: int | str
) -> None:
    """3600 s is what kube-proxy sets since that report."""
    if close_wait != "default":
        router.sysctl(f"{TRACKING}timeout_close_wait", close_wait)
    server, path = half_close(path_session, router), path_session.path
    path.expect_silence(TRANSITORY)
    server.send(b"answer")
    path.expect(ACK, from_="server", seq=1, ack=9, data=b"answer")
    path.expect(ACK, from_="client", seq=9, ack=7)


@report("https://github.com/kubernetes/kubernetes/issues/32551")
@requirement("RFC9293-3.6")
@waits(IDLE)
def test_router_forgets_a_half_closed_connection_when_it_is_told_to(
    path_session: TwoKernelSession, router: Router
) -> None:
    """nf_conntrack-sysctl: in seconds. The answer then is for the router itself, which knows no such connection."""
    router.sysctl(f"{TRACKING}timeout_close_wait", 1)
    server, path = half_close(path_session, router), path_session.path
    path.expect_silence(IDLE)
    assert router.tracked() == []
    server.send(b"answer")
    assert server.await_error(SECOND) == "EPIPE"
    assert path_session.states() == ("FIN-WAIT-2", "CLOSED")


# -- ports that are used again
# The server closed first and is in TIME-WAIT when the port is used again: by the same client, or by another connection
# because the router has forgotten the first one too early.


def end_by_the_server(session: TwoKernelSession, client: Endpoint, server: Endpoint) -> None:
    path = session.path
    server.close()
    path.expect(FIN, from_="server", seq=1, ack=1)
    path.expect(ACK, from_="client", seq=1, ack=2, within=DELACK_LIMIT)
    client.close()
    path.expect(FIN, from_="client", seq=1, ack=2)
    path.expect(ACK, from_="server", seq=2, ack=2)
    assert session.states() == ("CLOSED", "TIME-WAIT")


@report("https://github.com/cloudfoundry/silk-release/issues/29")
@requirement("RFC9293-MAY-2", "RFC5382-4.3")
@both_families
@with_and_without_timestamps
def test_port_is_used_again_while_router_and_server_wait(path_session: TwoKernelSession, router: Router) -> None:
    router.load(MASQUERADE)
    listener = path_session.listen()
    client, server, _ = path_session.connect(listener)
    end_by_the_server(path_session, client, server)
    assert router.tracked()[0].state == "TIME-WAIT"
    path_session.connect(listener, client_port=client.port)
    assert path_session.states(connection=2) == ("ESTABLISHED", "ESTABLISHED")
    assert [one.state for one in router.tracked()] == ["ESTABLISHED"]


@report("https://github.com/cilium/cilium/issues/45863")
@requirement("RFC9293-MAY-2", "RFC9293-3.10.7.3", "RFC6191-2-1")
@waits(IDLE, RTO_INIT)
def test_port_that_the_router_forgot_too_early_is_given_to_another_connection(
    path_session: TwoKernelSession, router: Router
) -> None:
    router.load(MASQUERADE.replace("masquerade", "tcp dport 8080 snat ip to $router:5000"))  # one port for all
    router.sysctl(f"{TRACKING}timeout_time_wait", 1)
    listener = path_session.listen()
    client, server, path = path_session.connect(listener)
    end_by_the_server(path_session, client, server)
    path.expect_silence(IDLE)

    another = path_session.socket("client")
    another.connect((path_session.address("server"), listener.port), wait=False)
    path.expect(SYN, from_="client", connection=2, seq=0)
    reply = path.expect_one_of(
        from_="server", connection=2, accepted=Pattern(SYN, seq=0, ack=1), challenged=Pattern(ACK)
    )
    if reply.is_("challenged"):  # for what waits there it may be an old SYN; the RST ends the wait
        path.expect(RST, from_="client", connection=2)
        path.expect(SYN, from_="client", connection=2, seq=0, within=RTO_INIT)
        path.expect(SYN, from_="server", connection=2, seq=0, ack=1)
    path.expect(ACK, from_="client", connection=2, seq=1, ack=1)
    assert listener.accept(connection=2).socket.getpeername() == (router.address, 5000)


@report(
    "https://github.com/projectcalico/felix/pull/2983", "https://github.com/kubernetes-sigs/ip-masq-agent/issues/51"
)
@requirement("RFC5382-7.1")
@both_families
def test_two_connections_of_one_port_are_told_apart(path_session: TwoKernelSession, router: Router) -> None:
    """Two services of the router's lead to one server, where both connections would look the same."""
    family = "ip" if path_session.version == 4 else "ip6"
    router.load(MASQUERADE)
    router.load(
        "table inet services { chain in { type nat hook prerouting priority dstnat; "
        f"{family} daddr $router tcp dport {{ 80, 81 }} dnat {family} to $server:8080; }}; }}"
    )
    listener = path_session.listen()
    one, its, path = path_session.connect(listener, host=router.address, port=80)
    other, others, _ = path_session.connect(listener, one.port, host=router.address, port=81)
    assert its.socket.getpeername() != others.socket.getpeername()
    one.send(b"one")
    path.expect(ACK, from_="client", connection=1, seq=1, ack=1, data=b"one")
    path.expect(ACK, from_="server", connection=1, seq=1, ack=4)
    other.send(b"other")
    path.expect(ACK, from_="client", connection=2, seq=1, ack=1, data=b"other")
    path.expect(ACK, from_="server", connection=2, seq=1, ack=6)
    assert (its.receive(), others.receive()) == (b"one", b"other")
