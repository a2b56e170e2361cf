"""Which ports and addresses an application gets, and who may share one: bind(2), socket(7), ip(7)."""

from __future__ import annotations

import struct

import pytest

from harness import SERVICE_PORT, Endpoint, Session, Unsupported, both_families, errno_of, requirement

IN_USE = "EADDRINUSE"
LOCAL_PORT_RANGE = (0, 51)  # IP_LOCAL_PORT_RANGE of IPPROTO_IP, for both families
RANGE = (40_000, 40_003)  # what IP_LOCAL_PORT_RANGE allows
ANYWHERE = {4: "0.0.0.0", 6: "::"}  # noqa: S104  (the lab's namespace has one address)

pytestmark = requirement("RFC9293-3.9.1")


def opened(session: Session, *options: str) -> Endpoint:
    """An unbound socket with these options on."""
    made = session.unbound_socket()
    for name in options:
        made.set_option(name, 1)
    return made


@both_families
@pytest.mark.parametrize("first", [(), ("SO_REUSEPORT",), ("SO_REUSEADDR",)], ids=["none", "port", "address"])
@pytest.mark.parametrize("second", [(), ("SO_REUSEPORT",), ("SO_REUSEADDR",)], ids=["none", "port", "address"])
@pytest.mark.parametrize("where", ["same", "anywhere"])
def test_listeners_share_a_port_where_both_say_so(
    session: Session, ip_version: int, first: tuple[str, ...], second: tuple[str, ...], where: str
) -> None:
    """socket(7): SO_REUSEPORT on each; SO_REUSEADDR does not help while one listens."""
    one = opened(session, *first)
    one.bind(session.kernel_address, SERVICE_PORT)
    one.listen()
    other = opened(session, *second)
    address = session.kernel_address if where == "same" else ANYWHERE[ip_version]
    shared = first == second == ("SO_REUSEPORT",)
    assert errno_of(lambda: other.bind(address, SERVICE_PORT)) == ("" if shared else IN_USE)


@both_families
def test_sockets_share_a_port_as_long_as_none_listens(session: Session) -> None:
    one, other = opened(session, "SO_REUSEADDR"), opened(session, "SO_REUSEADDR")
    for made in (one, other):
        made.bind(session.kernel_address, SERVICE_PORT)
    one.listen()
    assert errno_of(other.listen) == IN_USE


@both_families
def test_port_is_free_for_another_address(session: Session, ip_version: int) -> None:
    loopback = {4: "127.0.0.1", 6: "::1"}[ip_version]
    session.run(["ip", "link", "set", "lo", "up"])
    opened(session).bind(session.kernel_address, SERVICE_PORT)
    assert errno_of(lambda: opened(session).bind(loopback, SERVICE_PORT)) == ""


@both_families
def test_free_port_comes_from_the_range_of_the_socket(session: Session) -> None:
    """ip(7): IP_LOCAL_PORT_RANGE narrows what bind(2) to port 0 and connect(2) choose from."""
    lowest, highest = RANGE
    allowed = struct.pack("=I", highest << 16 | lowest)
    if errno_of(lambda: session.unbound_socket().set_option(LOCAL_PORT_RANGE, allowed)):
        raise Unsupported("this kernel has no IP_LOCAL_PORT_RANGE", why="it came with 6.3")
    made = [session.unbound_socket() for _ in range(highest - lowest + 2)]
    for one in made:
        one.set_option(LOCAL_PORT_RANGE, allowed)
    for one in made[:-1]:
        one.bind(session.kernel_address, 0)
    assert sorted(one.port for one in made[:-1]) == [*range(lowest, highest + 1)]
    assert errno_of(lambda: made[-1].bind(session.kernel_address, 0)) == IN_USE
