"""The address plan: which addresses, ports and link-layer addresses a lab has, so that parallel runs never meet."""

from __future__ import annotations

import os
from dataclasses import dataclass

from netaddr import EUI, IPNetwork, mac_unix_expanded

# RFC 2544's benchmark range and RFC 3849's documentation range: no route of a machine leads there.
IPV4 = IPNetwork("198.18.0.0/15")
IPV6 = IPNetwork("2001:db8::/32")
_LOWEST_PORT = 1024
_PORTS = 30_000  # below ip_local_port_range, where the kernel picks its own


@dataclass(frozen=True, slots=True)
class Side:
    """The addresses of one end of the veth pair."""

    ipv4: str
    ipv6: str
    mac: str

    def address(self, version: int) -> str:
        """The address of IP version 4 or 6."""
        return self.ipv4 if version == 4 else self.ipv6


@dataclass(frozen=True, slots=True)
class Plan:
    """The addresses of one lab and the first port its peer may use."""

    kernel: Side
    peer: Side
    first_port: int


def plan(number: int, process: int | None = None) -> Plan:
    """The plan of a process's lab.

    The namespaces keep labs apart by themselves; the plan makes them distinct in what counts for the whole machine,
    which is the trace of the kernel's tracepoints.

    Args:
        number: counts the labs of the process, from 0.
        process: its id; this process by default.
    """
    index = ((os.getpid() if process is None else process) << 12) + number
    pair = index % (IPV4.size // 4)
    ipv4 = IPV4.first + 4 * pair
    ipv6 = IPV6.first + (index << 16)
    prefix = IPNetwork((ipv4, 32)), IPNetwork((ipv6, 128), version=6)
    sides = []
    for host in (1, 2):
        four = str(IPNetwork((prefix[0].first + host, 32)).ip)
        six = str(IPNetwork((prefix[1].first + host, 128), version=6).ip)
        # 02: locally administered
        mac = str(EUI((0x02 << 40) + (pair << 8) + host, dialect=mac_unix_expanded))
        sides.append(Side(four, six, mac))
    return Plan(kernel=sides[0], peer=sides[1], first_port=_LOWEST_PORT + index % _PORTS)
