"""The TCP and IP counters of a namespace, and what they grew by: which of the kernel's branches a segment took."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

from netns.enter import Namespace

_FILES = ("/proc/thread-self/net/snmp", "/proc/thread-self/net/netstat")
_GROUPS = (b"Tcp", b"TcpExt", b"Ip", b"IpExt", b"Icmp")
_ENOUGH = 65536  # both files together have about 5 KiB

# Not counts but settings and levels, which have no growth (RFC 4022; net/ipv4/proc.c prints MaxConn as -1).
_LEVELS = frozenset(
    ("TcpRtoAlgorithm", "TcpRtoMin", "TcpRtoMax", "TcpMaxConn", "TcpCurrEstab", "IpForwarding", "IpDefaultTTL")
)


def read(namespace: Namespace) -> dict[str, int]:
    """The namespace's counters, named as nstat names them (``TcpExtTCPChallengeACK``).

    TCP counts IPv4 and IPv6 together; the Ip and Icmp groups are those of IPv4.

    Raises:
        OSError: /proc is not mounted, or shows another pid namespace.
    """
    with namespace.entered():
        # what is opened here shows this namespace; nothing is kept open, since that would keep the namespace alive
        descriptors = [os.open(name, os.O_RDONLY | os.O_CLOEXEC) for name in _FILES]
    counters: dict[str, int] = {}
    try:
        for descriptor in descriptors:
            counters |= parse(_content(descriptor))
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    return counters


def _content(descriptor: int) -> bytes:
    parts = []
    while part := os.read(descriptor, _ENOUGH):
        parts.append(part)
    return b"".join(parts)


def parse(content: bytes) -> dict[str, int]:
    """The counters in the text of a file: lines in pairs, a group's names and then its values.

    A last line without its partner is left out.
    """
    lines = content.splitlines()
    counters: dict[str, int] = {}
    for titles, values in zip(lines[::2], lines[1::2], strict=False):
        if titles.partition(b":")[0] in _GROUPS:
            counters.update(zip(_names(titles), map(int, values.split()[1:]), strict=False))
    return counters


@cache
def _names(titles: bytes) -> tuple[str, ...]:
    # the same lines for as long as the machine runs
    group, *names = titles.decode("ascii").split()
    return tuple(group.removesuffix(":") + name for name in names)


def growth(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """What each counter grew by between two reads of the same namespace, zeros and levels left out."""
    return {
        name: grown for name, value in after.items() if (grown := value - before.get(name, 0)) and name not in _LEVELS
    }
