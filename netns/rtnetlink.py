"""rtnetlink(7) for what every lab asks: requests that pyroute2 has encoded once, filled in and sent all at once.

pyroute2's own sockets take 0.5 ms and more for a request and its answer; the kernel takes some 30 us.
"""

from __future__ import annotations

import errno
import os
import re
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Self

from pyroute2 import IPBatch
from pyroute2.netlink.exceptions import NetlinkError

from netns.enter import Namespace
from netns.errors import FinwaitError

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")
_NLMSG_ERROR = 2
_RTM_NEWLINK = 16
_LINK_HEADER = 16  # bytes of a struct ifinfomsg
_IFLA_IFNAME, _IFLA_OPERSTATE = 3, 16
_RTM_NEWROUTE = 24
_ROUTE_HEADER = 12  # bytes of a struct rtmsg
_ROUTE_TYPE = 7  # where rtm_type stands in it
_RTN_LOCAL = 2
_RTA_DST = 1
_UP = b"\x06"  # IF_OPER_UP (RFC 2863)
_RTMGRP_LINK = 0x1
_RTMGRP_IPV6_ROUTE = 0x400
_READY_SECONDS = 5.0


class Requests:
    """Requests as bytes, with places for what differs from one lab to the next.

    Args:
        encode: makes them, by the methods of pyroute2's ``IPRoute``.
        places: what stands in these places, as bytes that occur nowhere else in the requests.
    """

    def __init__(self, encode: Callable[[IPBatch], None], *places: bytes) -> None:
        with IPBatch() as batch:
            encode(batch)
            content = bytes(batch.batch)
        self.count = sum(1 for _ in _messages(content))
        self._parts = re.split(b"(" + b"|".join(map(re.escape, places)) + b")", content) if places else [content]

    def filled(self, values: Mapping[bytes, bytes]) -> bytes:
        """The requests with values in their places, each as long as what stood there."""
        return b"".join(values.get(part, part) for part in self._parts)


class Rtnetlink:
    """An rtnetlink socket of one namespace; a context manager.

    It hears of every change to links and IPv6 routes, so it has to be made before what is to be waited for.
    """

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        with namespace.entered():
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, _RTMGRP_LINK | _RTMGRP_IPV6_ROUTE))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, requests: Requests, values: Mapping[bytes, bytes]) -> list[tuple[int, bytes]]:
        """Send requests; kind and body of what came up to the last acknowledgment, changes among it.

        Raises:
            NetlinkError: the kernel refuses one of them.
        """
        self._socket.send(requests.filled(values))
        came: list[tuple[int, bytes]] = []
        left = requests.count
        while left:
            for kind, body in _messages(self._socket.recv(1 << 16)):
                if kind != _NLMSG_ERROR:
                    came.append((kind, body))
                    continue
                left -= 1
                if number := -_ERROR.unpack_from(body)[0]:
                    raise NetlinkError(number, os.strerror(number))
        return came

    def await_up(self, name: str) -> None:
        """Wait until a link is up: before that, traffic is dropped without a trace.

        Raises:
            FinwaitError: it is not within 5 s.
        """
        self._await(f"{name} is not up", lambda: self._is_up(name))

    def await_own_ipv6(self, address: str) -> None:
        """Wait until the kernel takes packets for an IPv6 address that it was given.

        Packets are dropped until the route to the address is in place, which comes from a work queue
        (addrconf_dad_work, net/ipv6/addrconf.c), also without DAD.

        Raises:
            FinwaitError: it does not within 5 s.
        """
        self._await(f"{address} is not routed", lambda: self._is_routed(address))

    def _is_up(self, name: str) -> bool:
        # not IFF_RUNNING, which is set while the state is still unknown
        for kind, body in reversed(self.ask(_link(name), {})):  # the answer is the last; changes came before
            attributes = dict(_attributes(body, _LINK_HEADER)) if kind == _RTM_NEWLINK else {}
            if attributes.get(_IFLA_IFNAME) == name.encode() + b"\0":
                return attributes.get(_IFLA_OPERSTATE) == _UP
        return False

    def _is_routed(self, address: str) -> bool:
        # not connect(2), which is content with the route to the address's network, in place before
        try:
            came = self.ask(_route(address), {})
        except NetlinkError as error:
            if error.code not in {errno.ENETUNREACH, errno.EHOSTUNREACH}:
                raise
            return False
        # a change may have overtaken the answer, and does not come a second time
        return any(
            kind == _RTM_NEWROUTE
            and body[_ROUTE_TYPE] == _RTN_LOCAL
            and dict(_attributes(body, _ROUTE_HEADER)).get(_RTA_DST) == socket.inet_pton(socket.AF_INET6, address)
            for kind, body in came
        )

    def _await(self, otherwise: str, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + _READY_SECONDS
        while not holds():
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._socket], [], [], left)[0]:
                raise FinwaitError(
                    f"a lab was not ready within {_READY_SECONDS:.0f} s: {otherwise}",
                    why="the machine is very busy, or something else manages new network devices",
                    hint="finwait doctor",
                )
            self._socket.recv(1 << 16)


@cache
def _link(name: str) -> Requests:
    return Requests(lambda batch: batch.link("get", ifname=name))


@cache
def _route(address: str) -> Requests:
    return Requests(lambda batch: batch.route("get", dst=address, family=socket.AF_INET6))


def _messages(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and body of each netlink message."""
    offset = 0
    while offset < len(content):
        length, kind, *_ = _HEADER.unpack_from(content, offset)
        yield kind, content[offset + _HEADER.size : offset + length]
        offset += length + -length % 4


def _attributes(body: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    """Kind and content of each attribute behind a message's own header."""
    while offset + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        yield kind, body[offset + _ATTRIBUTE.size : offset + length]
        offset += length + -length % 4
