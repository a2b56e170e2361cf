"""The lab of a script: the kernel's one device, named as packetdrill's scripts do, and the other end of it."""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
from contextlib import ExitStack
from functools import cache
from typing import Self

from pyroute2 import IPBatch
from pyroute2.netlink.exceptions import NetlinkError

from harness.errors import FinwaitError, Unsupported
from harness.packetdrill.settings import RunOptions
from harness.tcp.ip import ETHERNET
from harness.wire.capture import Wire
from harness.wire.merged import MergedSender
from netns import link
from netns.enter import Namespace
from netns.plan import HostPlan, Plan
from netns.rtnetlink import Requests, Rtnetlink
from netns.sysctls import pin

DEVICE = "tun0"
"""What scripts call the device of the kernel under test."""

CONGESTION_CONTROL = "cubic"
"""What the scripts' own defaults ask for; a namespace may have it by the route alone."""

_IFF_UP, _IFF_NOARP = 0x1, 0x80
_IFA_F_NODAD = 0x02
_INDEX = b"\x6a\x6b\x6c\x6d"  # of the device, where encoded requests have a place for it
_MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")
# Packetdrill's tun device has all offloads but this one: what the kernel sends at once is cut where ACE counts.
_WITHOUT = ("tx-tcp-accecn-",)
_SYSCTLS = {
    "net/ipv6/conf/all/disable_ipv6": "0",
    "net/ipv6/conf/default/disable_ipv6": "0",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/default/dad_transmits": "0",
    "net/ipv6/conf/default/router_solicitations": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/default/addr_gen_mode": "1",
}
_CHOICE = "net/ipv4/tcp_congestion_control"


class ScriptLab:
    """Namespaces of the kernel under test and of a peer that nobody but the script speaks for; a context manager.

    The device has no neighbours and the offloads of packetdrill's tun device.

    Args:
        options: of the script.

    Raises:
        FinwaitError: the machine gives no namespaces.
        Unsupported: the kernel lacks what the script's addresses need.
    """

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        version = options.version
        local, remote = options.local[0], options.remote[0]
        none = {4: "192.0.2.254", 6: "2001:db8:ffff::1"}
        ends = [
            HostPlan(one if version == 4 else none[4], one if version == 6 else none[6], mac)
            for one, mac in zip((local, remote), _MACS, strict=True)
        ]
        self.plan = Plan(kernel=ends[0], peer=ends[1], router=ends[1], first_port=0)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self.peer = Namespace.create()
            opening.callback(self.peer.close)
            self.kernel = Namespace.create()
            opening.callback(self.kernel.close)
            with self.peer.entered():
                pin(dict.fromkeys(list(_SYSCTLS)[:2], "1"))
            with self.kernel.entered():
                pin(_SYSCTLS)
                routed_choice = not _chosen()
                link.raise_loopback()
            near, far = link.End(self.peer, link.PEER_END, _MACS[1]), link.End(self.kernel, DEVICE, _MACS[0])
            with Rtnetlink(self.peer) as here, Rtnetlink(self.kernel) as there:
                link.connect(near, far, here, self._options.mtu, without=_WITHOUT)
                self._address(there, routed_choice)
                here.await_up(link.PEER_END)
                there.await_up(DEVICE)
                if self._options.version == 6:
                    there.await_own_ipv6(self._options.local[0])
            self.wire = Wire(self.peer, far)
            opening.callback(self.wire.close)
            self._merged = MergedSender(self.peer)
            opening.callback(self._merged.close)
            self._stack = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _address(self, route: Rtnetlink, routed_choice: bool) -> None:
        options = self._options
        remote = str(ipaddress.ip_interface("/".join(map(str, options.remote))).network)
        address, length = options.local
        with self.kernel.entered():
            index = socket.if_nametoindex(DEVICE).to_bytes(4, sys.byteorder)
        try:
            route.ask(_requests(options.local, remote, options.gateway, routed_choice), {_INDEX: index})
        except NetlinkError as error:
            if error.code in {errno.EAFNOSUPPORT, errno.EOPNOTSUPP}:
                raise Unsupported(f"this kernel has no IPv{options.version}") from error
            raise FinwaitError(
                f"the script's addresses cannot be set: {error}",
                why=f"{address}/{length}, and {remote} by {options.gateway}",
                hint="--local_ip, --remote_ip and --gateway_ip as packetdrill has them",
            ) from error

    def send(self, frame: bytes, data: int = 0) -> None:
        """Put a frame on the wire; one with more data than --mss, or than the wire takes, as several that came at once.

        Args:
            frame: Ethernet.
            data: octets of a segment's data in it.
        """
        most = self._options.mss
        if (most and data > most) or len(frame) > self._options.mtu + ETHERNET:
            self._merged.send(frame, most or data - 1)
        else:
            self.wire.send([frame])

    def open(self, family: int, kind: int, protocol: int) -> socket.socket:
        """socket(2) in the namespace of the kernel under test."""
        with self.kernel.entered():
            return socket.socket(family, kind, protocol)

    def free_port(self) -> int:
        """A port that the kernel gives to whom asks for none; what a passive connection comes from."""
        family = socket.AF_INET if self._options.version == 4 else socket.AF_INET6
        with self.open(family, socket.SOCK_STREAM, 0) as probe:
            probe.bind(("", 0))
            port: int = probe.getsockname()[1]
        return port


def _chosen() -> bool:
    """Whether the namespace of the calling thread has the congestion control by its sysctl."""
    return _CHOICE not in pin({_CHOICE: CONGESTION_CONTROL})


@cache
def _requests(local: tuple[str, int], remote: str, gateway: str, routed_choice: bool) -> Requests:
    """The requests for the device's address and its route, with a place for its index."""
    address, length = local
    six = ":" in address
    index, family = int.from_bytes(_INDEX, sys.byteorder), socket.AF_INET6 if six else socket.AF_INET
    flags = {"flags": _IFA_F_NODAD} if six else {}
    metrics = {"metrics": {"cc_algo": CONGESTION_CONTROL}} if routed_choice else {}

    def encode(batch: IPBatch) -> None:
        batch.link("set", index=index, flags=_IFF_NOARP | _IFF_UP, change=_IFF_NOARP | _IFF_UP)
        batch.addr("add", index=index, address=address, prefixlen=length, family=family, **flags)
        batch.route("add", family=family, dst=remote, gateway=gateway, oif=index, **metrics)

    return Requests(encode, _INDEX)
