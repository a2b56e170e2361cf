"""The kernel that forwards between path and server: its rules, its sysctls, and what it tracks of connections."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from pyroute2 import NFCTSocket
from pyroute2.netlink.exceptions import NetlinkError

from harness.errors import FinwaitError, Unsupported
from harness.live.command import Ran, run_to_end
from harness.live.sysctl_changes import SysctlChanges
from harness.probes.sockets import Address
from harness.program.recording import step
from harness.program.steps import Call, Look
from harness.tcp.timing import PROGRAM_LIMIT
from harness.trace.events import Called, Timeline, call_text
from netns.enter import Namespace
from netns.plan import Plan

# enum tcp_conntrack, include/uapi/linux/netfilter/nf_conntrack_tcp.h, in the words of RFC 9293
_STATES = (
    "NONE",
    "SYN-SENT",
    "SYN-RECEIVED",
    "ESTABLISHED",
    "FIN-WAIT",
    "CLOSE-WAIT",
    "LAST-ACK",
    "TIME-WAIT",
    "CLOSED",
)
_FORWARD, _NAT = "type filter hook forward priority 0", "type nat hook postrouting priority 100"
_NEEDS = {  # a word of rules, a chain with it, and the option that gives it
    "": (_FORWARD, "CONFIG_NF_TABLES_INET"),
    "ct": (f"{_FORWARD}; ct state new accept", "CONFIG_NFT_CT"),
    "reject": (f"{_FORWARD}; reject", "CONFIG_NFT_REJECT"),
    "masquerade": (f"{_NAT}; masquerade", "CONFIG_NFT_MASQ"),
    "snat": (f"{_NAT}; snat ip to 192.0.2.1", "CONFIG_NFT_NAT"),
    "dnat": ("type nat hook prerouting priority -100; dnat ip to 192.0.2.1", "CONFIG_NFT_NAT"),
}
# what a kernel says without nfnetlink (netlink_create), and without the part of it that is asked (nfnetlink_rcv_msg)
_UNKNOWN = (errno.EPROTONOSUPPORT, errno.EINVAL)
_TCP = ("CTA_PROTOINFO", "CTA_PROTOINFO_TCP", "CTA_PROTOINFO_TCP_STATE")


class TrackedConnection(NamedTuple):
    """A TCP connection that the router tracks.

    Args:
        state: that it takes the connection to be in, by RFC 9293's names; the timeouts are its own.
        opened: source and destination of the SYN, as it came.
        answered: source and destination that answers will have; another source than the SYN's destination,
            or another destination than its source, is network address translation.
        seconds: until it forgets the connection, if no more segments come.
    """

    state: str
    opened: tuple[Address, Address]
    answered: tuple[Address, Address]
    seconds: int


class Router:
    """A kernel that forwards between the path and the server, with no rules to begin with.

    Args:
        namespace: its own.
        plan: of the lab.
        version: of IP.
        timeline: where it goes.
        after_step: called after each step, so that probes can look.
    """

    def __init__(
        self, namespace: Namespace, plan: Plan, version: int, timeline: Timeline, after_step: Callable[[], None]
    ) -> None:
        self.recording = timeline.recording
        self._namespace = namespace
        self._plan = plan
        self._version = version
        self._timeline = timeline
        self._after_step = after_step
        self.recording.knows(self.address, self, "address")
        self._sysctls = SysctlChanges(namespace, timeline, after_step, "router")

    @property
    def address(self) -> str:
        """Its own address, the same towards both sides: what masquerade gives, and where it can offer a service."""
        return self._plan.router.address(self._version)

    @step(Call)
    def load(self, rules: str) -> None:
        """Add rules of nftables (nft(8)) to those that are there.

        Args:
            rules: as ``nft --file`` takes them; ``$client``, ``$server`` and ``$router`` stand for the addresses, and
                ``router0`` and ``router1`` are the devices towards the client and towards the server.

        Raises:
            Unsupported: nft is not installed, or the kernel lacks what the rules need.
            FinwaitError: nft or the kernel refuses the rules.
        """
        plan = self._plan
        names = {"client": plan.peer, "server": plan.kernel, "router": plan.router}
        defined = "".join(f"define {name} = {host.address(self._version)}\n" for name, host in names.items())
        at, arguments = time.time_ns(), ("--file", " ".join(rules.split()))
        ran = self._nft(defined + rules)
        step = self._timeline.step(call_text("nft", arguments))
        self._timeline.add(Called(at, time.time_ns(), "nft", arguments, ran.status, step=step, connection=0))
        if ran.status:
            raise self._refused(rules, ran.stderr)
        self._after_step()

    def _nft(self, rules: str, *options: str) -> Ran:
        return run_to_end(("nft", *options, "--file", "-"), self._namespace, rules, PROGRAM_LIMIT)

    def _refused(self, rules: str, said: str) -> FinwaitError:
        """What is wrong where nft did not load rules: the kernel, or the rules."""
        why = said.partition("Error: ")[2].partition("\n")[0] or said.partition("\n")[0]
        for word, (chain, option) in _NEEDS.items():
            if word in rules and self._nft(f"table inet probe {{ chain probe {{ {chain}; }}; }}", "--check").status:
                return Unsupported(f"this kernel lacks {option}, which the rules need", why=why)
        return FinwaitError("nft does not take the rules", why=why, hint="man 8 nft")

    @step(Call)
    def sysctl(self, name: str, value: int | str | None = None) -> str:
        """Read or set a sysctl of the router; see ``Session.sysctl``. Those of netfilter are below net/netfilter."""
        return self._sysctls.value(name, value)

    @step(Look, "tracked")  # with ports and seconds that differ from lab to lab
    def tracked(self) -> list[TrackedConnection]:
        """The TCP connections that it tracks; none as long as no rule asks for it.

        Raises:
            Unsupported: the kernel does not tell.
        """
        family = socket.AF_INET if self._version == 4 else socket.AF_INET6
        try:
            with self._namespace.entered(), NFCTSocket(nfgen_family=family) as asked:  # it opens its socket late
                return [_told(entry) for entry in asked.dump() if entry.get_nested(*_TCP) is not None]
        except (OSError, NetlinkError) as error:
            if error.args[0] not in _UNKNOWN:
                raise
            why = os.strerror(error.args[0])
            raise Unsupported("this kernel lacks CONFIG_NF_CT_NETLINK, which tells what it tracks", why=why) from error


def _told(entry: Any) -> TrackedConnection:  # noqa: ANN401  (pyroute2's message)
    opened, answered = (_ends(entry.get_attr(name)) for name in ("CTA_TUPLE_ORIG", "CTA_TUPLE_REPLY"))
    return TrackedConnection(_STATES[entry.get_nested(*_TCP)], opened, answered, entry.get_attr("CTA_TIMEOUT"))


def _ends(found: Any) -> tuple[Address, Address]:  # noqa: ANN401  (pyroute2's message)
    addresses = [value for _, value in found.get_attr("CTA_TUPLE_IP")["attrs"]]
    ports = found.get_attr("CTA_TUPLE_PROTO")
    source, target = (ports.get_attr(f"CTA_PROTO_{end}_PORT") for end in ("SRC", "DST"))
    return (addresses[0], source), (addresses[1], target)
