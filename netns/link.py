"""The veth pair of a lab: made, stripped of offloads, given addresses, routes and neighbours, and waited for."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from pyroute2 import IPRoute
from pyroute2.ethtool.ioctl import IoctlEthtool
from pyroute2.netlink.exceptions import NetlinkError

from netns.enter import Namespace
from netns.errors import FinwaitError, Unsupported
from netns.plan import HostPlan

KERNEL_END = "kernel0"
PEER_END = "peer0"

CLIENT_END = "client0"
SERVER_END = "server0"
PATH_ENDS = ("path0", "path1")
"""In a lab with a path: its ends towards the client and towards the server."""

# Both ends must not have the same index: linkwatch takes a device whose peer has its own index for a physical one
# and announces its carrier a second late (linkwatch_urgent_event, net/core/link_watch.c).
_FIRST_INDEX = 1000

# What turns segments into other segments, or leaves the checksum for a device to fill in that does not exist.
_OFFLOADS = (
    "tx-checksumming",
    "scatter-gather",
    "tcp-segmentation-offload",
    "generic-segmentation-offload",
    "generic-receive-offload",
)
_RTMGRP_LINK = 0x1
_RTMGRP_IPV6_ROUTE = 0x400
_NUD_PERMANENT = 0x80
_IFA_F_NODAD = 0x02
_IFA_F_NOPREFIXROUTE = 0x200
_SCOPE_LINK = 253
_LOCK_RTO_MIN = 1 << 13  # RTAX_RTO_MIN: unlocked, the metric does nothing
_READY_SECONDS = 5.0
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1

RTO_MIN_MS = 10_000
"""What the route holds the retransmission timer off for, so that it stays out of scenarios about other things.

Not more: the kernel waits in FIN-WAIT-2 for at least 3.5 times the timer (tcp_fin_time, include/net/tcp.h), and above
60 s it keeps the full socket there instead of a mini-socket. With 30 s, close() on 5.10 drops the FIN as shutdown()
does.
"""


@dataclass(frozen=True, slots=True)
class End:
    """One end of a veth pair: where it is, what it is called, and its link-layer address (any where empty)."""

    namespace: Namespace
    name: str
    mac: str = ""


@contextmanager
def netlink(namespace: Namespace) -> Iterator[IPRoute]:
    """A netlink socket of the namespace."""
    with namespace.entered():
        route = IPRoute()
    with route:
        yield route


def raise_loopback() -> None:
    """Bring the loopback device of the calling thread's namespace up; a new namespace has it down.

    Raises:
        OSError: the process may not.
    """
    # SIOCSIFFLAGS and not netlink, whose refusal by AppArmor is to be told apart from this one
    request = struct.pack("16sH14x", b"lo", _IFF_UP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        fcntl.ioctl(device, _SIOCSIFFLAGS, request)


def try_veth(namespace: Namespace) -> None:
    """Make a veth pair with both ends in a namespace that is about to be let go.

    Raises:
        FinwaitError: as ``connect``.
    """
    with netlink(namespace) as route:
        try:
            route.link("add", ifname=PEER_END, kind="veth", peer={"ifname": KERNEL_END})
        except NetlinkError as error:
            raise _no_veth(error) from error


def connect(near: End, far: End, route: IPRoute, mtu: int, *, number: int = 0) -> None:
    """Make a veth pair without offloads; its near end is up.

    Args:
        near: one end.
        far: the other, in another namespace.
        route: a netlink socket of the near end's namespace.
        mtu: of both ends, in bytes.
        number: tells the near ends of one namespace apart, from 0.

    Raises:
        Unsupported: the kernel has no veth.
        FinwaitError: a security module forbids it.
    """
    try:
        route.link(
            "add",
            index=_FIRST_INDEX + number,
            ifname=near.name,
            kind="veth",
            mtu=mtu,
            state="up",
            peer={"ifname": far.name, "net_ns_fd": far.namespace.descriptor, "mtu": mtu, **_address_of(far)},
            **_address_of(near),
        )
    except NetlinkError as error:
        raise _no_veth(error) from error
    for end in (near, far):
        with end.namespace.entered():
            _switch_offloads_off(end.name)


def _address_of(end: End) -> dict[str, str]:
    return {"address": end.mac} if end.mac else {}


def _no_veth(error: NetlinkError) -> FinwaitError:
    what = f"a veth pair could not be made ({os.strerror(error.code)})"
    if error.code in {errno.EPERM, errno.EACCES}:
        return FinwaitError(
            what,
            why="a security module takes the rights away that a user namespace has, as AppArmor does where "
            "sysctl kernel.apparmor_restrict_unprivileged_userns is 1",
            hint="sudo, with the same command",
        )
    return Unsupported(
        what, why="the kernel has no veth driver", hint="modprobe veth, or CONFIG_VETH in a kernel of your own"
    )


def _switch_offloads_off(name: str) -> None:
    device = IoctlEthtool(name)
    try:
        for offload in _OFFLOADS:
            device.set_offload_flag(offload, 0)
    finally:
        device.close()


def address_end(route: IPRoute, name: str, own: HostPlan, other: HostPlan, *, ipv6: bool, hold_timers: bool) -> None:
    """Bring an end up; give it its addresses, a route to the other side, and for good that side's link-layer address.

    Args:
        route: a netlink socket of the end's namespace.
        name: of the end.
        own: its addresses.
        other: those of the other side.
        ipv6: whether to give it the IPv6 ones too.
        hold_timers: lock ``rto_min`` on the route and acknowledge at once, so that neither the retransmission timer
            nor the delayed ACK shows up in scenarios that are not about them.
    """
    metrics: dict[str, int | str] = {"cc_algo": "reno"}
    if hold_timers:
        metrics |= {"lock": _LOCK_RTO_MIN, "rto_min": RTO_MIN_MS, "quickack": 1}
    index = route.link("get", ifname=name)[0]["index"]
    route.link("set", index=index, state="up")
    for version in (4, 6) if ipv6 else (4,):
        _address(route, index, own, other, version, metrics)


def _address(
    route: IPRoute, index: int, own: HostPlan, other: HostPlan, version: int, metrics: dict[str, int | str]
) -> None:
    family, bits = (socket.AF_INET, 32) if version == 4 else (socket.AF_INET6, 128)
    mine, theirs = own.address(version), other.address(version)
    flags = {} if version == 4 else {"flags": _IFA_F_NODAD | _IFA_F_NOPREFIXROUTE}
    route.addr("add", index=index, address=mine, prefixlen=bits, **flags)
    extra: dict[str, object] = {"prefsrc": mine, "scope": _SCOPE_LINK} if version == 4 else {}
    route.route("add", family=family, dst=f"{theirs}/{bits}", oif=index, metrics=metrics, **extra)
    route.neigh("add", family=family, dst=theirs, lladdr=other.mac, ifindex=index, state=_NUD_PERMANENT)


@cache
def has_ipv6() -> bool:
    """Whether the running kernel has IPv6."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True


class Readiness:
    """Waits until netlink says that an end is up and that its kernel takes packets for the addresses given to it.

    Made before the end is: it has to hear of every change. Before an end is up, traffic is dropped without a trace;
    and IPv6 is until the route to an own address is in place, which comes from a work queue (addrconf_dad_work,
    net/ipv6/addrconf.c), also without DAD.

    Args:
        namespace: of the end.
        route: a netlink socket of that namespace.
    """

    def __init__(self, namespace: Namespace, route: IPRoute) -> None:
        with namespace.entered():
            self._events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._events.bind((0, _RTMGRP_LINK | _RTMGRP_IPV6_ROUTE))
        self._namespace = namespace
        self._route = route

    def wait(self, name: str, own_ipv6: str | None) -> None:
        """Wait for the end ``name``, and for its address ``own_ipv6`` where it has one.

        Raises:
            FinwaitError: it is not ready within 5 s.
        """
        # not IFF_RUNNING, which is set while the state is still unknown
        self._until(f"{name} is up", lambda: self._route.link("get", ifname=name)[0].get_attr("IFLA_OPERSTATE") == "UP")
        if own_ipv6:
            self._until(f"{own_ipv6} is routed", lambda: self._is_routed(own_ipv6))

    def _is_routed(self, address: str) -> bool:
        with self._namespace.entered():
            probe = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        with probe:
            try:
                probe.connect((address, 9))  # sends nothing, but looks for a route
            except OSError:
                return False
        return True

    def _until(self, what: str, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + _READY_SECONDS
        while not holds():
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._events], [], [], left)[0]:
                raise FinwaitError(
                    f"a lab was not ready within {_READY_SECONDS:.0f} s: it never came that {what}",
                    why="the machine is very busy, or something else manages new network devices",
                    hint="finwait doctor",
                )
            self._events.recv(65536)

    def close(self) -> None:
        """Stop listening for changes."""
        self._events.close()
