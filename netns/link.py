"""The veth pair of a lab: made, stripped of offloads, given addresses, routes and neighbours, and waited for."""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyroute2 import IPRoute
from pyroute2.ethtool.ioctl import IoctlEthtool
from pyroute2.netlink.exceptions import NetlinkError

from netns.enter import Namespace
from netns.errors import FinwaitError, Unsupported
from netns.plan import Plan, Side

KERNEL_END = "kernel0"
PEER_END = "peer0"

# Both ends must not have the same index: linkwatch takes a device whose peer has its own index for a physical one
# and announces its carrier a second late (linkwatch_urgent_event, net/core/link_watch.c).
_PEER_INDEX = 1000

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
_TABLE_LOCAL = 255
_NUD_PERMANENT = 0x80
_IFA_F_NODAD = 0x02
_IFA_F_NOPREFIXROUTE = 0x200
_SCOPE_LINK = 253
_LOCK_RTO_MIN = 1 << 13  # RTAX_RTO_MIN: unlocked, the metric does nothing
_READY_SECONDS = 5.0

RTO_MIN_MS = 10_000
"""What the route holds the retransmission timer off for, so that it stays out of scenarios about other things.

Not more: the kernel waits in FIN-WAIT-2 for at least 3.5 times the timer (tcp_fin_time, include/net/tcp.h), and above
60 s it keeps the full socket there instead of a mini-socket. With 30 s, close() on 5.10 drops the FIN as shutdown()
does.
"""


@contextmanager
def netlink(namespace: Namespace) -> Iterator[IPRoute]:
    """A netlink socket of the namespace."""
    with namespace.entered():
        route = IPRoute()
    with route:
        yield route


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


def connect(peer: Namespace, kernel: Namespace, plan: Plan, mtu: int) -> None:
    """Join the two namespaces by a veth pair that is up, without offloads.

    Raises:
        Unsupported: the kernel has no veth.
        FinwaitError: a security module forbids it.
    """
    with netlink(peer) as route:
        try:
            route.link(
                "add",
                index=_PEER_INDEX,
                ifname=PEER_END,
                kind="veth",
                address=plan.peer.mac,
                mtu=mtu,
                state="up",
                peer={
                    "ifname": KERNEL_END,
                    "net_ns_fd": kernel.descriptor,
                    "address": plan.kernel.mac,
                    "mtu": mtu,
                },
            )
        except NetlinkError as error:
            raise _no_veth(error) from error
    for namespace, name in ((peer, PEER_END), (kernel, KERNEL_END)):
        with namespace.entered():
            _switch_offloads_off(name)


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


def address_kernel_end(kernel: Namespace, plan: Plan, *, hold_timers: bool) -> None:
    """Give the kernel under test its addresses, a route to the peer, and the peer's link-layer address for good.

    Args:
        kernel: the namespace of the kernel under test.
        plan: the addresses.
        hold_timers: lock ``rto_min`` on the route and acknowledge at once, so that neither the retransmission timer
            nor the delayed ACK shows up in scenarios that are not about them.
    """
    metrics: dict[str, int | str] = {"cc_algo": "reno"}
    if hold_timers:
        metrics |= {"lock": _LOCK_RTO_MIN, "rto_min": RTO_MIN_MS, "quickack": 1}
    with netlink(kernel) as route:
        index = route.link_lookup(ifname=KERNEL_END)[0]
        route.link("set", index=index, state="up")
        _address(route, index, plan.kernel, plan.peer, 4, metrics)
        if _has_ipv6():
            _address(route, index, plan.kernel, plan.peer, 6, metrics)


def _address(route: IPRoute, index: int, own: Side, other: Side, version: int, metrics: dict[str, int | str]) -> None:
    family, bits = (socket.AF_INET, 32) if version == 4 else (socket.AF_INET6, 128)
    mine, theirs = own.address(version), other.address(version)
    flags = {} if version == 4 else {"flags": _IFA_F_NODAD | _IFA_F_NOPREFIXROUTE}
    route.addr("add", index=index, address=mine, prefixlen=bits, **flags)
    extra: dict[str, object] = {"prefsrc": mine, "scope": _SCOPE_LINK} if version == 4 else {}
    route.route("add", family=family, dst=f"{theirs}/{bits}", oif=index, metrics=metrics, **extra)
    route.neigh("add", family=family, dst=theirs, lladdr=other.mac, ifindex=index, state=_NUD_PERMANENT)


def _has_ipv6() -> bool:
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True


def wait_until_up(peer: Namespace, kernel: Namespace, plan: Plan) -> None:
    """Wait until netlink says that both ends are up and that the kernel takes packets for its addresses.

    Before the first, traffic is dropped without a trace. Before the second, IPv6 is: the kernel puts the route to an
    own address in place from a work queue (addrconf_dad_work, net/ipv6/addrconf.c), also without DAD.

    Raises:
        FinwaitError: they are not within 5 s.
    """

    def is_up(name: str) -> Callable[[IPRoute], bool]:
        # not IFF_RUNNING, which is set while the state is still unknown
        return lambda route: route.link("get", ifname=name)[0].get_attr("IFLA_OPERSTATE") == "UP"

    def takes_packets(route: IPRoute) -> bool:
        local = route.get_routes(family=socket.AF_INET6, table=_TABLE_LOCAL)
        return any(entry.get_attr("RTA_DST") == plan.kernel.ipv6 for entry in local)

    _wait(peer, f"{PEER_END} is up", is_up(PEER_END))
    _wait(kernel, f"{KERNEL_END} is up", is_up(KERNEL_END))
    if _has_ipv6():
        _wait(kernel, f"the route to {plan.kernel.ipv6} is in place", takes_packets)


def _wait(namespace: Namespace, what: str, holds: Callable[[IPRoute], bool]) -> None:
    """Wait until something holds that netlink tells changes of."""
    end = time.monotonic() + _READY_SECONDS
    with namespace.entered():
        events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    with events, netlink(namespace) as route:
        # subscribed before the first look, so no change can fall between
        events.bind((0, _RTMGRP_LINK | _RTMGRP_IPV6_ROUTE))
        while not holds(route):
            left = end - time.monotonic()
            if left <= 0 or not select.select([events], [], [], left)[0]:
                raise FinwaitError(
                    f"a lab was not ready within {_READY_SECONDS:.0f} s: it never came that {what}",
                    why="the machine is very busy, or something else manages new network devices",
                    hint="finwait doctor",
                )
            events.recv(65536)
