"""Requests that are encoded once and filled in for each lab, and what the kernel makes of them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from pyroute2 import IPBatch
from pyroute2.netlink.exceptions import NetlinkError

from netns import rtnetlink
from netns.enter import Namespace
from netns.errors import FinwaitError
from netns.link import End, connect
from netns.rtnetlink import Requests, Rtnetlink, _messages
from netns.sysctls import pin

PLACE = b"\xfa\xfb\xfc\xfd"
NOBODY = 4000
_IFA_F_NODAD = 0x02


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    made = Namespace.create()
    yield made
    made.close()


def _adds(address: bytes, index: int = 1) -> Requests:
    def encode(batch: IPBatch) -> None:
        batch.link("set", index=index, state="up")
        batch.addr("add", index=index, address=socket.inet_ntoa(address), prefixlen=32)

    return Requests(encode, PLACE)


def test_what_is_filled_in_stands_as_if_it_was_encoded() -> None:
    address = socket.inet_aton("198.18.0.1")
    filled, encoded = _adds(PLACE).filled({PLACE: address}), _adds(address).filled({})
    assert [*_messages(filled)] == [*_messages(encoded)]


def test_what_was_asked_is_carried_out_when_the_answer_is_there(namespace: Namespace) -> None:
    address = "198.18.0.1"
    with Rtnetlink(namespace) as route:
        route.ask(_adds(PLACE), {PLACE: socket.inet_aton(address)})
    with namespace.entered(), socket.socket() as bound:
        bound.bind((address, 0))


def test_a_request_that_the_kernel_refuses_is_an_error_with_its_number(namespace: Namespace) -> None:
    with Rtnetlink(namespace) as route, pytest.raises(NetlinkError, match="No such device"):
        route.ask(_adds(PLACE, NOBODY), {PLACE: bytes(4)})


def test_a_link_that_does_not_come_up_is_named(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtnetlink, "_READY_SECONDS", 0.01)
    with (
        Rtnetlink(namespace) as route,
        pytest.raises(FinwaitError, match=r"a lab was not ready within .*: lo is not up; .*; try: finwait doctor"),
    ):
        route.await_up("lo")


def test_an_address_that_the_kernel_does_not_take_is_named(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rtnetlink, "_READY_SECONDS", 0.01)
    with Rtnetlink(namespace) as route, pytest.raises(FinwaitError, match="2001:db8::1 is not routed"):
        route.await_own_ipv6("2001:db8::1")


def test_an_address_whose_network_alone_is_routed_is_not_taken(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, later = "2001:db8::1", "2001:db8::2"
    with namespace.entered(), Rtnetlink(namespace) as route:
        assert not pin(dict.fromkeys(("net/ipv6/conf/all/disable_ipv6", "net/ipv6/conf/default/disable_ipv6"), "0"))
        connect(End(namespace, "here"), End(namespace, "there"), route, mtu=1500)
        index = {name: socket.if_nametoindex(name) for name in ("here", "there")}

        def encode(batch: IPBatch) -> None:
            batch.link("set", index=index["there"], state="up")
            own = {"index": index["here"], "prefixlen": 64, "family": socket.AF_INET6}
            batch.addr("add", address=at_once, flags=_IFA_F_NODAD, **own)
            # another host may have it, and the kernel listens for a second whether one says so (RFC 4862 5.4)
            batch.addr("add", address=later, **own)

        route.ask(Requests(encode), {})
        route.await_up("here")
        route.await_own_ipv6(at_once)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asked:
            asked.connect((later, NOBODY))
        monkeypatch.setattr(rtnetlink, "_READY_SECONDS", 0.01)
        with pytest.raises(FinwaitError, match=f"{later} is not routed"):
            route.await_own_ipv6(later)
