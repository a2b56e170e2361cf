"""A real lab for the probes to look into, with two kernel sockets that talk to each other over its loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pyroute2 import IPRoute

from netns import privilege
from netns.enter import Namespace


@dataclass
class Pair:
    """A connection inside one namespace."""

    namespace: Namespace
    version: int
    listener: socket.socket
    client: socket.socket
    server: socket.socket

    def __post_init__(self) -> None:
        # kept, since a closed socket has no name any more
        self.client_name: tuple[str, int] = self.client.getsockname()[:2]
        self.server_name: tuple[str, int] = self.listener.getsockname()[:2]

    def acknowledge(self) -> None:
        """Have the server's kernel send the ACK that it delays (tcp(7), TCP_QUICKACK); loopback delivers it at once."""
        self.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """A namespace with nothing in it but its loopback device."""
    if not privilege.has_capabilities():
        pytest.skip("network namespaces need root or a user namespace")
    created = Namespace.create()
    with created.entered(), IPRoute() as route:
        route.link("set", index=1, state="up")
    yield created
    created.close()


@pytest.fixture(params=[4, 6], ids=["IPv4", "IPv6"])
def version(request: pytest.FixtureRequest) -> int:
    chosen: int = request.param
    if chosen == 6:
        need_ipv6()
    return chosen


def need_ipv6() -> None:
    """Skip the test on a kernel that has no IPv6."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    except OSError as error:
        pytest.skip(f"this kernel has no IPv6 ({error.strerror})")


@pytest.fixture
def pair(namespace: Namespace, version: int) -> Iterator[Pair]:
    """A connection between two sockets of the namespace."""
    family, host = (socket.AF_INET, "127.0.0.1") if version == 4 else (socket.AF_INET6, "::1")
    with namespace.entered():
        listener = socket.create_server((host, 0), family=family)
        client = socket.create_connection(listener.getsockname()[:2], timeout=5)
        server = listener.accept()[0]
    yield Pair(namespace, version, listener, client, server)
    for opened in (client, server, listener):
        opened.close()
