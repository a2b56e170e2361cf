"""What sock_diag(7) shows of a namespace's TCP sockets: those that no process holds any more among them.

The requests are packed here and go over a plain netlink socket: an exact request costs 6 us that way, where pyroute2's
DiagSocket dumps every socket in 430 us, and reads the kernel's "no such socket" as an address (its marshal takes
NLMSG_ERROR, 2, for AF_INET).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Self

import msgspec

from harness.errors import FinwaitError
from harness.probes import states, tcp_info
from harness.tcp.timing import MARKER_LIMIT, SECOND
from harness.wire.capture import limit_waits
from netns.enter import Namespace
from netns.errors import Unsupported

Address = tuple[str, int]
"""A host as ``ipaddress`` prints it, and a port."""

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_EXT_INFO = 1 << 1  # INET_DIAG_INFO - 1
_INFO, _SHUTDOWN = 2, 8  # attributes
_EVERY_STATE = 0xFFFFFFFF
_LISTEN = 10  # TCP_LISTEN, include/net/tcp_states.h
_NO_COOKIE = b"\xff" * 8

_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI")
_ID = struct.Struct("!HH16s16s")  # inet_diag_sockid up to the addresses
_ID_REST = struct.Struct("=I8s")
_MESSAGE = struct.Struct("=BBBB")
_MESSAGE_REST = struct.Struct("=IIIII")
_ATTRIBUTE = struct.Struct("=HH")
_ID_SIZE = _ID.size + _ID_REST.size
_MESSAGE_END = _MESSAGE.size + _ID_SIZE + _MESSAGE_REST.size
_INODE = _MESSAGE_END - 4

# idiag_timer, set in inet_sk_diag_fill (net/ipv4/inet_diag.c)
_TIMERS = ("none", "retransmission", "keepalive", "time-wait", "window probe")
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


Outline = tuple[str, str]
"""A socket's state and its holder, as ``Probed`` has them."""
GONE: Outline = ("CLOSED", "")


class SocketState(msgspec.Struct, frozen=True, kw_only=True):
    """One TCP socket as the kernel shows it.

    Args:
        state: as RFC 9293 calls it; FIN-WAIT-2 too when a mini-socket waits in that state.
        owned: a process holds it. Not so an orphan after close(), a mini-socket, and a connection not accepted yet.
        mini: a TIME-WAIT or request mini-socket, which has none of the full socket's fields; no tracepoint of
            set-state tells of what becomes of it.
        rqueue: bytes received and not read; of a listener, connections to accept.
        wqueue: bytes sent or to be sent and not acknowledged; of a listener, its backlog.
        timer: what the kernel waits for: none, retransmission, keepalive (FIN-WAIT-2's timeout and a listener's
            too), time-wait, window probe.
        expires_ms: until then.
        retransmits: of the segment that is due, since it was last acknowledged.
        packed_info: see ``info``; empty for mini-sockets, and where the caller may not see it.
    """

    state: str
    local: Address
    remote: Address
    owned: bool
    mini: bool
    rqueue: int
    wqueue: int
    timer: str
    expires_ms: int
    retransmits: int
    packed_info: bytes = b""

    @property
    def outline(self) -> Outline:
        """What is put on the timeline of it."""
        return self.state, "process" if self.owned else "mini" if self.mini else "nobody"

    @property
    def info(self) -> tcp_info.TcpInfo | None:
        """TCP_INFO, which is the only way to it once the socket is closed; None where there is none."""
        return tcp_info.parse(self.packed_info) if self.packed_info else None


class Diag:
    """A sock_diag socket of one namespace; a context manager. It keeps the namespace alive until it is closed.

    Several threads may ask: ``lock`` keeps a question and its answer together.
    """

    def __init__(self, namespace: Namespace) -> None:
        with namespace.entered():
            self.netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
        limit_waits(self.netlink, MARKER_LIMIT.ns)
        self.lock = threading.Lock()
        self.sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self.netlink.close()


def open_diag(namespace: Namespace) -> Diag:
    """Open sock_diag inside the namespace, and make sure that it shows TCP sockets.

    Raises:
        Unsupported: it does not.
    """
    try:
        diag = Diag(namespace)
    except OSError as error:
        raise _unsupported(error.errno or 0) from error
    # an exact request answers "no such socket" and "no such module" alike; a dump of the listeners is told apart
    _send(diag, socket.AF_INET, bytes(_ID_SIZE), flags=_NLM_F_DUMP, wanted=1 << _LISTEN)
    for kind, body in _messages(diag):
        if kind == _NLMSG_ERROR:
            diag.close()
            raise _unsupported(_error(body))
    return diag


def look(diag: Diag, version: int, local: Address, remote: Address | None) -> SocketState | None:
    """The socket of one connection, or the listener on ``local`` when ``remote`` is None; None when there is none.

    Args:
        diag: of the namespace to look in.
        version: of IP, 4 or 6; that of the packets, also for an IPv6 socket that talks IPv4.
        local: the kernel's side.
        remote: the peer's side.

    Raises:
        Unsupported: the kernel refuses to look.
    """
    body = ask(diag, version, local, remote, extensions=_EXT_INFO)
    return None if body is None else parse(body)


def ask(diag: Diag, version: int, local: Address, remote: Address | None, extensions: int = 0) -> bytes | None:
    """The kernel's own record of a socket, for ``outline`` and ``parse``; see ``look``.

    Args:
        extensions: what is wanted beside it; without TCP_INFO the kernel need not gather that.
    """
    with diag.lock:
        _send(diag, _FAMILIES[version], _identity(version, local, remote), flags=0, extensions=extensions)
        kind, body = next(_messages(diag))
    if kind == _NLMSG_ERROR:
        _check_refusal(body)
        return None
    # the kernel falls back to the listener that would take the connection
    return body if (body[1] == _LISTEN) == (remote is None) else None


def outline(body: bytes | None) -> Outline:
    """Of a record as ``ask`` gives it; all else about a socket changes with every segment."""
    if body is None:
        return GONE
    owned = any(body[_INODE:_MESSAGE_END])
    return states.state_name(body[1]), "process" if owned else "mini" if _is_mini(body) else "nobody"


def _is_mini(body: bytes) -> bool:
    # every full socket is given this attribute, no mini-socket is (inet_diag_msg_attrs_fill)
    return all(kind != _SHUTDOWN for kind, _ in _attributes(body, _MESSAGE_END))


def listing(diag: Diag) -> list[SocketState]:
    """Every TCP socket of the namespace, mini-sockets included, ordered by its addresses.

    Raises:
        Unsupported: the kernel refuses to look.
    """
    found = []
    for family in _FAMILIES.values():
        with diag.lock:
            _send(diag, family, bytes(_ID_SIZE), flags=_NLM_F_DUMP)
            answers = list(_messages(diag))
        for kind, body in answers:
            if kind == _NLMSG_ERROR:
                raise _unsupported(_error(body))
            found.append(parse(body))
    return sorted(found, key=lambda state: (state.local, state.remote))


def _send(
    diag: Diag, family: int, identity: bytes, flags: int, wanted: int = _EVERY_STATE, extensions: int = _EXT_INFO
) -> None:
    diag.sequence += 1
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, extensions, wanted) + identity
    header = _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST | flags, diag.sequence, 0)
    diag.netlink.send(header + body)


def _messages(diag: Diag) -> Iterator[tuple[int, bytes]]:
    """The answers to the last request, up to the end of a dump; the caller stops after an answer that stands alone."""
    while True:
        try:
            content = diag.netlink.recv(1 << 16)
        except BlockingIOError:
            what = f"the kernel under test did not say what sockets it has within {MARKER_LIMIT.ns // SECOND.ns} s"
            raise FinwaitError(what, why="it hangs, or the machine is too busy", hint="finwait doctor") from None
        offset = 0
        while offset < len(content):
            length, kind, _, sequence, _ = _HEADER.unpack_from(content, offset)
            if sequence == diag.sequence:
                if kind == _NLMSG_DONE:
                    return
                yield kind, content[offset + _HEADER.size : offset + length]
                if kind == _NLMSG_ERROR:
                    return
            offset += _aligned(length)


def _error(body: bytes) -> int:
    return -int(struct.unpack_from("=i", body)[0])


def _check_refusal(body: bytes) -> None:
    if (number := _error(body)) != errno.ENOENT:
        raise _unsupported(number)


def _unsupported(number: int) -> Unsupported:
    return Unsupported(
        f"sock_diag does not show TCP sockets ({os.strerror(number)})",
        why="the kernel lacks its inet_diag or tcp_diag module",
        hint="modprobe tcp_diag, or CONFIG_INET_DIAG in a kernel of your own",
    )


@lru_cache(maxsize=64)
def _identity(version: int, local: Address, remote: Address | None) -> bytes:
    family = _FAMILIES[version]
    there = remote or ("0.0.0.0" if version == 4 else "::", 0)  # noqa: S104  (no address, not every address)
    ends = _ID.pack(local[1], there[1], _packed(family, local[0]), _packed(family, there[0]))
    return ends + _ID_REST.pack(0, _NO_COOKIE)


def _packed(family: int, host: str) -> bytes:
    return socket.inet_pton(family, host).ljust(16, b"\0")


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def parse(body: bytes) -> SocketState:
    """Take an ``inet_diag_msg`` and its attributes apart (include/uapi/linux/inet_diag.h)."""
    family, state, timer, retransmits = _MESSAGE.unpack_from(body)
    source_port, target_port, source, target = _ID.unpack_from(body, _MESSAGE.size)
    expires, rqueue, wqueue, _, inode = _MESSAGE_REST.unpack_from(body, _MESSAGE.size + _ID_SIZE)
    return SocketState(
        state=states.state_name(state),
        local=(_host(family, source), source_port),
        remote=(_host(family, target), target_port),
        owned=inode != 0,
        mini=_is_mini(body),
        rqueue=rqueue,
        wqueue=wqueue,
        timer=_TIMERS[timer] if timer < len(_TIMERS) else str(timer),
        expires_ms=expires,
        retransmits=retransmits,
        packed_info=next((content for kind, content in _attributes(body, _MESSAGE_END) if kind == _INFO), b""),
    )


def _host(family: int, packed: bytes) -> str:
    return socket.inet_ntop(family, packed[: 4 if family == socket.AF_INET else 16])


def _attributes(content: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    while offset + _ATTRIBUTE.size <= len(content):
        length, kind = _ATTRIBUTE.unpack_from(content, offset)
        if length < _ATTRIBUTE.size:
            return
        yield kind, content[offset + _ATTRIBUTE.size : offset + length]
        offset += _aligned(length)
