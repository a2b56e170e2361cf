"""TCP-MD5: the digest that protects each segment of a connection, and how a kernel is told the key (RFC 2385). Pure."""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import struct

from harness.tcp.options import encode_options
from harness.tcp.segment import Segment

SIZE = 20
"""Octets that the option takes: two, the 16 of its digest, and two NOPs that end it at a word (RFC 2385 3.0)."""

_KEY = struct.Struct("=128sBBHi80s")  # struct tcp_md5sig of include/uapi/linux/tcp.h


def key_option(address: str, key: bytes) -> bytes:
    """The value of TCP_MD5SIG for all connections with an address; the key has 80 octets at most."""
    packed = ipaddress.ip_address(address).packed
    if len(packed) == 4:
        sockaddr = struct.pack("=HH4s", socket.AF_INET, 0, packed)
    else:
        sockaddr = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, packed, 0)
    return _KEY.pack(sockaddr, 0, 0, len(key), 0, key)


def digest(addresses: tuple[str, str], ports: tuple[int, int], segment: Segment, key: bytes) -> str:
    """The digest of a segment, in hexadecimal (RFC 2385 2.0).

    Args:
        addresses: of source and target.
        ports: likewise.
        segment: with wire numbers, and without the option.
        key: that both ends share.
    """
    size = 20 + len(encode_options(segment.options)) + SIZE
    packed = b"".join(ipaddress.ip_address(one).packed for one in addresses)
    length = size + len(segment.data)
    ends = ("!xBH", socket.IPPROTO_TCP, length) if len(packed) == 8 else ("!II", length, socket.IPPROTO_TCP)
    pseudo = packed + struct.pack(*ends)
    offset = size // 4 << 12
    header = struct.pack(
        "!HHIIHHHH", *ports, segment.seq, segment.ack, offset | segment.flags, segment.window, 0, segment.urgent
    )
    return hashlib.md5(pseudo + header + segment.data + key).hexdigest()
