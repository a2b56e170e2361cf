"""The address plan: which addresses, ports and link-layer addresses a lab has, so that parallel runs never meet."""

from __future__ import annotations

import os
from dataclasses import dataclass

from netaddr import EUI, IPNetwork, mac_unix_expanded

# RFC 2544's benchmark range and RFC 3849's documentation range: no route of a machine leads there.
IPV4 = IPNetwork("198.18.0.0/15")
IPV6 = IPNetwork("2001:db8::/32")
_LOWEST_PORT = 1024
# Processes step through addresses and ports by different strides, so that two which share an address at a time
# (there are 32768 pairs only) do not share ports as well.
_ADDRESS_STRIDE = 4096
_PORT_STRIDE = 4469
_PORTS = 30_000  # below ip_local_port_range, where the kernel picks its own


@dataclass(frozen=True, slots=True)
class HostPlan:
    """The addresses of one end of the veth pair."""

    ipv4: str
    ipv6: str
    mac: str

    def address(self, version: int) -> str:
        """The address of IP version 4 or 6."""
        return self.ipv4 if version == 4 else self.ipv6


@dataclass(frozen=True, slots=True)
class Plan:
    """The addresses of one lab, of a router between its ends where it has one, and the first port its peer may use."""

    kernel: HostPlan
    peer: HostPlan
    router: HostPlan
    first_port: int


def plan(number: int, process: int | None = None) -> Plan:
    """The plan of a process's lab.

    The namespaces keep labs apart by themselves; the plan makes them distinct in what counts for the whole machine,
    which is the trace of the kernel's tracepoints. The labs of one process share neither an address nor a first port
    until 30000 later; those of processes that run side by side do not share both.

    Args:
        number: counts the labs of the process, from 0.
        process: its id; this process by default.
    """
    owner = os.getpid() if process is None else process
    pair = (owner * _ADDRESS_STRIDE + number) % (IPV4.size // 4)
    ipv4 = IPV4.first + 4 * pair
    # 22 bits of process id (PID_MAX_LIMIT, include/linux/threads.h), 48 bits to count its labs, 16 for its hosts
    ipv6 = IPV6.first + (owner << 64) + (number << 16)
    prefix = IPNetwork((ipv4, 32)), IPNetwork((ipv6, 128), version=6)
    sides = []
    for host in (1, 2, 3):
        four = str(IPNetwork((prefix[0].first + host, 32)).ip)
        six = str(IPNetwork((prefix[1].first + host, 128), version=6).ip)
        # 02: locally administered
        mac = str(EUI((0x02 << 40) + (pair << 8) + host, dialect=mac_unix_expanded))
        sides.append(HostPlan(four, six, mac))
    kernel, peer, router = sides
    first_port = _LOWEST_PORT + (owner * _PORT_STRIDE + number) % _PORTS
    return Plan(kernel=kernel, peer=peer, router=router, first_port=first_port)
