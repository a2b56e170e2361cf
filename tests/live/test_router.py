"""A kernel between path and server: what it forwards, its rules and sysctls, and what is said where it cannot."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest
from pyroute2 import NFCTSocket
from pyroute2.netlink.exceptions import NetlinkError

from harness.errors import FinwaitError, Unsupported
from harness.live import command
from harness.live.router import Router
from harness.live.two_kernels import TwoKernelSession
from harness.tcp.segment import ACK, FIN
from harness.tcp.timing import DELACK_LIMIT, TimingProfile
from harness.trace.events import Called

MASQUERADE = "table inet nat { chain out { type nat hook postrouting priority 100; masquerade; }; }"
DROP_ALL = "table inet filter { chain through { type filter hook forward priority 0; drop; }; }"

pytestmark = pytest.mark.usefixtures("rules")


@pytest.fixture(scope="module")
def rules(profile: TimingProfile) -> None:
    """Whether this machine can have a router with rules at all."""
    try:
        with TwoKernelSession(profile, routed=True) as session:
            session.router.load(MASQUERADE)
    except Unsupported as error:
        pytest.skip(str(error))


@pytest.fixture
def routed(profile: TimingProfile) -> Iterator[TwoKernelSession]:
    with TwoKernelSession(profile, routed=True) as opened:
        yield opened


@pytest.fixture
def router(routed: TwoKernelSession) -> Router:
    return routed.router


def test_everything_goes_through_the_router(routed: TwoKernelSession, router: Router) -> None:
    router.load(DROP_ALL)
    client, listener = routed.socket("client"), routed.listen()
    routed.path.allow_rest()
    client.connect((routed.address("server"), listener.port), wait=False)
    routed.path.settle()
    routed.watch(client.port, listener.port)
    assert routed.states() == ("SYN-SENT", "CLOSED")


def test_path_settles_once_the_server_behind_the_router_has_what_was_sent(routed: TwoKernelSession) -> None:
    """The answer by which the path knows it goes through the router too, behind what it forwards."""
    client, server, path = routed.connect(routed.listen())
    for _ in range(20):
        client.send(b"x" * 1000)
        path.settle()
        assert len(server.socket.recv(1000, socket.MSG_DONTWAIT)) == 1000


def test_server_of_a_translated_connection_is_watched(routed: TwoKernelSession, router: Router) -> None:
    router.load(MASQUERADE)
    _, server, path = routed.connect(routed.listen())
    assert server.socket.getpeername()[0] == router.address
    server.close()
    path.expect(FIN, from_="server", seq=1, ack=1)
    path.expect(ACK, from_="client", seq=1, ack=2, within=DELACK_LIMIT)
    assert routed.states() == ("CLOSE-WAIT", "FIN-WAIT-2")


def test_router_tells_what_it_tracks(routed: TwoKernelSession, router: Router) -> None:
    router.load(MASQUERADE)
    client, server, _ = routed.connect(routed.listen())
    (tracked,) = router.tracked()
    from_client, to_server = (routed.address("client"), client.port), (routed.address("server"), server.port)
    assert (tracked.state, tracked.opened) == ("ESTABLISHED", (from_client, to_server))
    assert tracked.answered == (to_server, (router.address, client.port))
    router.sysctl("net/netfilter/nf_conntrack_tcp_timeout_established", 100)
    client.send(b"more")
    routed.path.settle()
    assert router.tracked()[0].seconds <= 100  # of the five days before


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.EINVAL, Unsupported), (errno.EPROTONOSUPPORT, Unsupported), (errno.ENOBUFS, NetlinkError)],
)
def test_kernel_that_cannot_tell_what_it_tracks_is_another_than_one_that_fails(
    router: Router, monkeypatch: pytest.MonkeyPatch, number: int, told: type[Exception]
) -> None:
    def dump(_: NFCTSocket) -> list[object]:
        raise NetlinkError(number)

    monkeypatch.setattr(NFCTSocket, "dump", dump)
    with pytest.raises(told):
        router.tracked()


def test_rules_know_the_addresses_of_the_lab(routed: TwoKernelSession, router: Router) -> None:
    router.load(
        "table inet nat { chain in { type nat hook prerouting priority -100; "
        "ip daddr $router tcp dport 80 dnat ip to $server:8080; }; }"
    )
    client, server, _ = routed.connect(routed.listen(), host=router.address, port=80)
    assert client.socket.getpeername() == (router.address, 80)
    assert server.port == 8080
    called = next(event for event in routed.events(Called) if event.name == "nft")
    assert "$server" in called.call


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("table inet f { chain c { bogus; }; }", "syntax error"),
        ("add rule inet nowhere forward accept", "No such file or directory"),
    ],
)
def test_rules_that_are_wrong_are_no_lack_of_the_kernel(router: Router, wrong: str, why: str) -> None:
    with pytest.raises(FinwaitError, match=f"nft does not take the rules; .*{why}") as raised:
        router.load(wrong)
    assert not isinstance(raised.value, Unsupported)


def test_package_of_nft_is_named(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_which", lambda _: None)
    with pytest.raises(Unsupported, match="nft is not installed; try: apt-get install nftables"):
        router.load(DROP_ALL)


def test_session_without_a_router_says_so(profile: TimingProfile) -> None:
    with TwoKernelSession(profile) as session, pytest.raises(FinwaitError, match="ask for the fixture router"):
        _ = session.router


def test_program_opens_the_router_again(routed: TwoKernelSession, router: Router) -> None:
    router.load(MASQUERADE)
    routed.connect(routed.listen(), host=routed.address("server"))
    program = routed.program(None, "conforms")
    assert program.settings["routed"] is True
    assert program.steps[0].on == "path_session.router"
    assert not program.gaps
