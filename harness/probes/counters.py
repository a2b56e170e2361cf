"""The TCP and IP counters of a namespace, and what they grew by: which of the kernel's branches a segment took."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Self

from netns.enter import Namespace

_FILES = ("/proc/thread-self/net/snmp", "/proc/thread-self/net/netstat")
_GROUPS = (b"Tcp", b"TcpExt", b"Ip", b"IpExt", b"Icmp")
_ENOUGH = 65536  # each has about 4 KiB

# Not counts but settings and levels, which have no growth (RFC 4022; net/ipv4/proc.c prints MaxConn as -1).
_LEVELS = frozenset(
    ("TcpRtoAlgorithm", "TcpRtoMin", "TcpRtoMax", "TcpMaxConn", "TcpCurrEstab", "IpForwarding", "IpDefaultTTL")
)

Snapshot = Sequence[bytes]
"""The kernel's text at one moment, taken apart only where somebody asks what grew: it is 5 KiB, at every scenario."""


class Counters:
    """The counters of one namespace; a context manager. It keeps the namespace alive until it is closed.

    TCP counts IPv4 and IPv6 together; the Ip and Icmp groups are those of IPv4.

    Raises:
        OSError: /proc is not mounted, or shows another pid namespace.
    """

    def __init__(self, namespace: Namespace) -> None:
        with namespace.entered():
            # what is opened here shows this namespace, wherever it is read
            self._descriptors = [os.open(name, os.O_RDONLY | os.O_CLOEXEC) for name in _FILES]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)

    def read(self) -> Snapshot:
        """The counters as they are now."""
        # each file is a single record, which one read gives whole (seq_read_iter, fs/seq_file.c)
        return [os.pread(descriptor, _ENOUGH, 0) for descriptor in self._descriptors]


def growth(before: Snapshot, after: Snapshot) -> dict[str, int]:
    """What each counter grew by between two reads of the same namespace, zeros and levels left out.

    They are named as nstat names them (``TcpExtTCPChallengeACK``).
    """
    return {
        name: int(now) - int(then)
        for titles, was, now_is in _changed(before, after)
        for name, then, now in zip(_names(titles), was.split()[1:], now_is.split()[1:], strict=False)
        if then != now and name not in _LEVELS
    }


def _changed(before: Snapshot, after: Snapshot) -> Iterator[tuple[bytes, bytes, bytes]]:
    """A group's line of names and its two lines of values, where these differ."""
    for old, new in zip(before, after, strict=True):
        # not by their place: IcmpMsg stands among them from the first ICMP message on (icmpmsg_put, net/ipv4/proc.c)
        earlier = _values(old)
        for titles, now_is in _values(new).items():
            was = earlier.get(titles)
            if was is not None and was != now_is and titles.partition(b":")[0] in _GROUPS:
                yield titles, was, now_is


def _values(text: bytes) -> dict[bytes, bytes]:
    """Each line of names with the line of values that follows it."""
    lines = text.splitlines()
    return dict(zip(lines[::2], lines[1::2], strict=False))


@cache
def _names(titles: bytes) -> tuple[str, ...]:
    # the same lines for as long as the machine runs
    group, *names = titles.decode("ascii").split()
    return tuple(group.removesuffix(":") + name for name in names)
