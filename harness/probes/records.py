"""The records of TCP tracepoints: whose they are, and what they say. Pure.

A record's layout comes from the kernel's own format files, so what differs between kernels is a field that is there or
is not.
"""

from __future__ import annotations

import socket
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from harness.probes import states
from harness.probes.tracefs import Format
from harness.trace.events import Probed

SET_STATE = "sock/inet_sock_set_state"
DROP = "skb/kfree_skb"
ARRIVAL = "tcp/tcp_probe"
RETRANSMIT = "tcp/tcp_retransmit_skb"
RETRANSMIT_SYNACK = "tcp/tcp_retransmit_synack"
SEND_RESET = "tcp/tcp_send_reset"
RECEIVE_RESET = "tcp/tcp_receive_reset"

# In these the socket is the connection's own, so they tell whose a pointer is; others may have the listener's.
_NAMING = frozenset((SET_STATE, ARRIVAL, RETRANSMIT, RECEIVE_RESET))

# The peer's namespace has no address and drops every reply; the reasons it gives for that are not among these.
_TELLING = ("TCP_", "SOCKET_", "NO_SOCKET", "PKT_TOO_SMALL", "IP_CSUM", "PROTO_MEM", "NETFILTER_DROP")
_V4_MAPPED = bytes(10) + b"\xff\xff"
DROPPED = "dropped"
_WORDS = {
    DROP: DROPPED,
    ARRIVAL: "arrives",
    RETRANSMIT: "retransmits",
    RETRANSMIT_SYNACK: "retransmits its SYN,ACK",
    SEND_RESET: "sends a reset",
    RECEIVE_RESET: "takes a reset",
}
_SOCKADDR = 28  # sizeof(struct sockaddr_in6), which newer records hold for either family
_SEQUENCE = 1 << 32

Address = tuple[str, int]
"""A host as ``ipaddress`` prints it, and a port."""

Key = tuple[bytes, int]
"""An address in 16 bytes, IPv4 mapped into IPv6, and a port."""

Claims = dict[int, list[tuple[int, bool]]]
"""By socket: from when on it was the connection's, or another's; the kernel uses a socket's memory again."""


class Seen(NamedTuple):
    """A tracepoint's record. ``at`` is ns since the epoch, ``process`` whose context it was recorded in."""

    at: int
    event: str
    process: int
    record: bytes
    format: Format

    def integer(self, name: str) -> int:
        """A field's value, 0 where this kernel has no such field."""
        return self.format.integer(self.record, name) or 0


def key(address: Address) -> Key:
    """An address in the form in which records are compared.

    Raises:
        OSError: the host is not an address.
    """
    host, port = address
    if ":" in host:
        return socket.inet_pton(socket.AF_INET6, host), port
    return _V4_MAPPED + socket.inet_aton(host), port


def ends(seen: Seen) -> tuple[Key, Key] | None:
    """The kernel's side and the peer's, of whatever layout; None when the record has no addresses."""
    content, record = seen.format.content, seen.record
    # for an IPv4 socket the kernel fills these with the mapped address
    source, target = content(record, "saddr_v6"), content(record, "daddr_v6")
    if source is not None and target is not None:
        return (source, seen.integer("sport")), (target, seen.integer("dport"))
    source, target = content(record, "saddr"), content(record, "daddr")
    if source is None or target is None or len(source) != _SOCKADDR:
        return None
    return _sockaddr(source), _sockaddr(target)


def _sockaddr(content: bytes) -> Key:
    family = int.from_bytes(content[:2], sys.byteorder)
    host = content[8:24] if family == socket.AF_INET6 else _V4_MAPPED + content[4:8]
    return host, int.from_bytes(content[2:4], "big")


def of_connection(all_seen: Iterable[Seen], local: Key, remote: Key, process: int) -> Iterator[Seen]:
    """Those of one connection, by their addresses or by their socket.

    Args:
        all_seen: in the order of their time, from before the connection's first socket on.
        local: the kernel's side.
        remote: the peer's side.
        process: whose injected segments are meant where a drop names no socket: the kernel receives a segment in the
            context of the process that put it on the veth pair, save under load, when it is left to ksoftirqd.
    """
    kept = [(seen, None if seen.event == DROP else ends(seen)) for seen in all_seen]
    claims = _claims(kept, local, remote)
    for seen, both in kept:
        if seen.event == DROP:
            pointer = seen.integer("rx_sk")
            if _claimed(claims, pointer, seen.at) if pointer else (seen.process == process and _telling(seen)):
                yield seen
        elif both and (both == (local, remote) or _unnamed(seen, both, claims)):
            yield seen


def _claims(kept: list[tuple[Seen, tuple[Key, Key] | None]], local: Key, remote: Key) -> Claims:
    claims: Claims = {}
    for seen, both in reversed(kept):
        if seen.event not in _NAMING or not both or not (pointer := seen.integer("skaddr")):
            continue
        later = claims.setdefault(pointer, [])
        if _whole(both):
            later.insert(0, (seen.at, both == (local, remote)))
        elif _opens(seen):  # whose it is shows when it has its addresses: its memory may have been another's
            later.insert(0, (seen.at, bool(later) and later[0][1]))
    return claims


def _claimed(claims: Claims, pointer: int, at: int) -> bool:
    if not (known := claims.get(pointer)):
        return False
    index = bisect_right(known, at, key=lambda claim: claim[0])
    # before its first claim a socket is not known by its addresses yet
    return known[max(0, index - 1)][1]


def _unnamed(seen: Seen, both: tuple[Key, Key], claims: Claims) -> bool:
    """A listener's child is in SYN-RECEIVED before it is given the peer's address (inet_csk_clone_lock), a caller in
    SYN-SENT before its own port (tcp_v4_connect)."""
    return _opens(seen) and not _whole(both) and _claimed(claims, seen.integer("skaddr"), seen.at)


def _opens(seen: Seen) -> bool:
    return seen.event == SET_STATE and states.state_name(seen.integer("newstate")) in ("SYN-RECEIVED", "SYN-SENT")


def _whole(both: tuple[Key, Key]) -> bool:
    return bool(both[0][1] and both[1][1])


def _telling(seen: Seen) -> bool:
    return is_telling(seen.format.symbol(seen.record, "reason"))


def is_telling(reason: str) -> bool:
    """Whether a drop's reason is one that the kernel under test gives, and no namespace without an address."""
    return reason.startswith(_TELLING)


def told(seen: Seen, origin: int | None, connection: int) -> Probed:
    """What a record says.

    Args:
        seen: the record.
        origin: the kernel's initial sequence number; sequence numbers are then told relative to it.
        connection: the number that the event is to bear.
    """
    if seen.event == SET_STATE:
        return _transition(seen, connection)
    details: dict[str, int | str] = {}
    if reason := seen.format.symbol(seen.record, "reason"):
        details["reason"] = reason
    if seen.event == ARRIVAL:
        details |= {name: (seen.integer(name) - (origin or 0)) % _SEQUENCE for name in ("snd_una", "snd_nxt")}
    if seen.event == RETRANSMIT:
        details["in"] = states.state_name(seen.integer("state"))
    return Probed(seen.at, "tracepoint", _WORDS.get(seen.event, ""), details=details, connection=connection)


def _transition(seen: Seen, connection: int) -> Probed:
    old, new = (states.state_name(seen.integer(name)) for name in ("oldstate", "newstate"))
    if new == "CLOSED" and old in ("FIN-WAIT-2", "CLOSING"):
        # tcp_time_wait ends the full socket; what its mini-socket does is not traced
        what, new = "CLOSED, or a mini-socket instead", ""
    else:
        what = ""
    return Probed(seen.at, "tracepoint", what, new, old, connection=connection)
