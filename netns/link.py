"""The veth pair of a lab: made, stripped of offloads, given addresses, routes and neighbours, and waited for."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from pyroute2 import IPBatch, IPRoute
from pyroute2.ethtool.ioctl import EthtoolFeaturesList, IoctlEthtool
from pyroute2.netlink.exceptions import NetlinkError

from netns.conditions import TABLE, Kind
from netns.enter import Namespace
from netns.errors import FinwaitError, Unsupported
from netns.plan import HostPlan
from netns.rtnetlink import Requests, Rtnetlink

KERNEL_END = "kernel0"
PEER_END = "peer0"

CLIENT_END = "client0"
SERVER_END = "server0"
PATH_ENDS = ("path0", "path1")
"""In a lab with a path: its ends towards the client and towards the server."""
ROUTER_ENDS = ("router0", "router1")
"""In a lab with a router between path and server: its ends towards the path and towards the server."""

# Both ends must not have the same index: linkwatch takes a device whose peer has its own index for a physical one
# and announces its carrier a second late (linkwatch_urgent_event, net/core/link_watch.c).
_FIRST_INDEX = 1000
_LOOPBACK = 1  # LOOPBACK_IFINDEX, include/net/flow.h

_OFFLOADS = tuple(row.name for row in TABLE if row.kind is Kind.OFFLOAD)
_NUD_PERMANENT = 0x80
_IFA_F_NODAD = 0x02
_IFA_F_NOPREFIXROUTE = 0x200
_SCOPE_LINK = 253
_LOCKS = {"rto_min": 1 << 13}  # RTAX_RTO_MIN: unlocked, the metric does nothing
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_ARP = 0x0806

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
# What stands in encoded requests where a lab's own numbers go: values that neither a lab nor rtnetlink uses.
_FAR_NAMESPACE = b"\x7a\x7b\x7c\x7d"
_INDEX = b"\x6a\x6b\x6c\x6d"  # of a link, which is signed
_MACS = b"\x02\xfa\xfb\xfc\xfd\x01", b"\x02\xfa\xfb\xfc\xfd\x02"
_HOSTS = {
    4: (b"\xfa\xfb\xfc\x01", b"\xfa\xfb\xfc\x02"),
    6: (b"\xfa\xfb\xfc\xfd" * 3 + b"\0\0\0\x01", b"\xfa\xfb\xfc\xfd" * 3 + b"\0\0\0\x02"),
}


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
    """Make a veth pair with both ends in a namespace that is about to be removed.

    Raises:
        FinwaitError: as ``connect``.
    """
    with netlink(namespace) as route:
        try:
            route.link("add", ifname=PEER_END, kind="veth", peer={"ifname": KERNEL_END})
        except NetlinkError as error:
            raise _no_veth(error) from error


def connect(
    near: End, far: End, route: Rtnetlink, mtu: int, *, number: int = 0, without: tuple[str, ...] = _OFFLOADS
) -> None:
    """Make a veth pair; its near end is up.

    Args:
        near: one end.
        far: the other, in another namespace.
        route: of the near end's namespace.
        mtu: of both ends, in bytes.
        number: tells the near ends of one namespace apart, from 0.
        without: the offloads that are switched off, by how their names begin; with those that cut segments to size on,
            what the kernel sends at once passes as one frame.

    Raises:
        Unsupported: the kernel has no veth.
        FinwaitError: a security module forbids it.
    """
    places = {_FAR_NAMESPACE: far.namespace.descriptor.to_bytes(4, sys.byteorder)}
    places |= {_MACS[side]: _mac(end.mac) for side, end in enumerate((near, far)) if end.mac}
    try:
        route.ask(_pair(near.name, bool(near.mac), far.name, mtu, number), places)
    except NetlinkError as error:
        raise _no_veth(error) from error
    for end in (near, far):
        with end.namespace.entered():
            _switch_offloads_off(end.name, without)


@cache
def _pair(near: str, near_has_mac: bool, far: str, mtu: int, number: int) -> Requests:
    """The request for a veth pair, with places for the far end's namespace and for link-layer addresses."""
    peer = {"ifname": far, "net_ns_fd": int.from_bytes(_FAR_NAMESPACE, sys.byteorder), "mtu": mtu}
    peer |= {"address": _MACS[1].hex(":")}

    def encode(batch: IPBatch) -> None:
        own = {"address": _MACS[0].hex(":")} if near_has_mac else {}
        index = _FIRST_INDEX + number
        batch.link("add", index=index, ifname=near, kind="veth", mtu=mtu, state="up", peer=peer, **own)

    return Requests(encode, _FAR_NAMESPACE, *_MACS)


def _no_veth(error: NetlinkError) -> FinwaitError:
    what = f"a veth pair could not be made ({os.strerror(error.code)})"
    if error.code in {errno.EPERM, errno.EACCES}:
        return FinwaitError(
            what,
            why="a security module denies the rights that a user namespace should have, as AppArmor does if "
            "sysctl kernel.apparmor_restrict_unprivileged_userns is 1",
            hint="sudo, with the same command",
        )
    return Unsupported(
        what, why="the kernel has no veth driver", hint="modprobe veth, or CONFIG_VETH in a kernel of your own"
    )


def _switch_offloads_off(name: str, without: tuple[str, ...]) -> None:
    device = IoctlEthtool(name)
    try:
        device.set_features(_features(name, without))
    finally:
        device.close()


@cache
def _features(name: str, without: tuple[str, ...]) -> EthtoolFeaturesList:
    """What is to be set of a device; learned from the first of its name, since all are veth devices of one kernel."""
    device = IoctlEthtool(name)
    try:
        features = device.get_features()
    finally:
        device.close()
    for feature, _, available, *_ in features:
        if available and feature.startswith(without):
            features[feature] = False
    return features


def address_end(
    route: Rtnetlink, name: str, own: HostPlan, other: HostPlan, *, ipv6: bool, metrics: Mapping[str, str]
) -> None:
    """Bring an end up; give it its addresses, a route to the other side, and for good that side's link-layer address.

    Args:
        route: of the end's namespace.
        name: of the end.
        own: its addresses.
        other: those of the other side.
        ipv6: whether to give it the IPv6 ones too.
        metrics: of the route, as ``netns.conditions`` has them.
    """
    with route.namespace.entered():
        index = socket.if_nametoindex(name)
    places = {_INDEX: index.to_bytes(4, sys.byteorder), _MACS[1]: _mac(other.mac)}
    for version in (4, 6):
        hosts = zip(_HOSTS[version], (own, other), strict=True)
        places |= {place: socket.inet_pton(_FAMILIES[version], host.address(version)) for place, host in hosts}
    route.ask(_addresses(ipv6, tuple(metrics.items())), places)


def reach(namespace: Namespace, name: str, host: HostPlan, mac: str, *, ipv6: bool) -> None:
    """Lead what an end sends to one more host to a link-layer address."""
    with netlink(namespace) as route:
        index = route.link_lookup(ifname=name)[0]
        for version, family in _FAMILIES.items() if ipv6 else [(4, socket.AF_INET)]:
            address = host.address(version)
            route.route("add", family=family, dst=f"{address}/{8 * len(_HOSTS[version][0])}", oif=index)
            route.neigh("add", family=family, dst=address, lladdr=mac, ifindex=index, state=_NUD_PERMANENT)


def pass_on_neighbour_requests(namespace: Namespace, ends: tuple[str, str]) -> None:
    """Let ARP that arrives at either of two ends leave by the other, in the order of what is forwarded.

    Raises:
        Unsupported: the kernel lacks what does it.
    """
    with netlink(namespace) as route:
        first, second = (route.link_lookup(ifname=name)[0] for name in ends)
        try:
            for index, other in ((first, second), (second, first)):
                route.tc("add", "ingress", index)
                redirect = {"kind": "mirred", "direction": "egress", "action": "redirect", "ifindex": other}
                keys = ["0x0/0x0+0"]
                route.tc(
                    "add-filter", "u32", index, parent=0xFFFF0000, protocol=_ARP, target=0, keys=keys, action=redirect
                )
        except NetlinkError as error:
            raise Unsupported(
                f"this kernel cannot pass ARP through a router ({os.strerror(error.code)})",
                why="it lacks one of CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_U32 and CONFIG_NET_ACT_MIRRED",
                hint="modprobe sch_ingress cls_u32 act_mirred, or a kernel that has them",
            ) from error


@cache
def _addresses(ipv6: bool, pinned: tuple[tuple[str, str], ...]) -> Requests:
    """The requests for an end, with places for its index, the other side's link-layer address and all IP addresses."""
    metrics = _metrics(dict(pinned))
    index = int.from_bytes(_INDEX, sys.byteorder)

    def encode(batch: IPBatch) -> None:
        batch.link("set", index=_LOOPBACK, state="up")
        batch.link("set", index=index, state="up")
        for version, family in _FAMILIES.items() if ipv6 else [(4, socket.AF_INET)]:
            own, other = (socket.inet_ntop(family, place) for place in _HOSTS[version])
            bits = 8 * len(_HOSTS[version][0])
            flags = {} if version == 4 else {"flags": _IFA_F_NODAD | _IFA_F_NOPREFIXROUTE}
            batch.addr("add", index=index, address=own, prefixlen=bits, **flags)
            extra: dict[str, object] = {"prefsrc": own, "scope": _SCOPE_LINK} if version == 4 else {}
            extra |= {"metrics": metrics} if metrics else {}
            batch.route("add", family=family, dst=f"{other}/{bits}", oif=index, **extra)
            lladdr = _MACS[1].hex(":")
            batch.neigh("add", family=family, dst=other, lladdr=lladdr, ifindex=index, state=_NUD_PERMANENT)

    return Requests(encode, _INDEX, _MACS[1], *_HOSTS[4], *_HOSTS[6])


def _metrics(pinned: Mapping[str, str]) -> dict[str, int | str]:
    """Metrics of a route as pyroute2 takes them; one that ``lock`` stands behind is locked (ip-route(8))."""
    metrics: dict[str, int | str] = {}
    for title, value in pinned.items():
        name, _, lock = title.partition(" ")
        metrics[name] = int(value) if value.isdecimal() else value
        metrics |= {"lock": _LOCKS[name]} if lock else {}
    return metrics


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


@cache
def has_ipv6() -> bool:
    """Whether the running kernel has IPv6."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True
